"""What commands over a set of scans do alike: see where results go, work, save, and say what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core import shell
from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import NOTICE
from ..core.text import alike, readable
from .terminal import complain, progress_bar, say, written


def over_scans(
    arguments: argparse.Namespace,
    cases: Any,
    left_out: Sequence[str],
    *,
    check: Callable[..., None],
    work: Callable[[Progress], Any],
    save: Callable[..., dict[str, Path]],
    text: Callable[[Any], str],
) -> int:
    """Do a command's work over a set of scans.

    Parameters
    ----------
    arguments : argparse.Namespace
        With `add_run_options` and `add_ro_crate`.
    cases, left_out
        What `workflows.cohort.cases.cases_of` gave.
    check : callable
        Given the cases, the folder and `overwrite`: refuses what could not be written, before anything is computed.
    work : callable
        What is done; its result has `failures`.
    save : callable
        Given the result, the folder, `command`, `left_out` and `overwrite`: writes it.
    text : callable
        From the result to what the terminal shows.

    Returns
    -------
    int
        The exit code: not 0 when something failed.
    """
    from ..workflows.models.ro_crate import check_crate, renew_crate

    check(cases, arguments.out, overwrite=arguments.overwrite)
    if arguments.ro_crate:
        check_crate(arguments.out)
    with progress_bar(arguments.quiet) as progress:
        found = work(progress)
    command = shell.join(["brain-uad", *arguments.words])
    files = save(found, arguments.out, command=command, left_out=left_out, overwrite=arguments.overwrite)
    renew_crate(arguments.out, wanted=arguments.ro_crate)
    for line in alike((failure.who, failure.why) for failure in found.failures):
        complain(line)
    say(text(found))
    for line in left_out:
        say(f"Left out: {readable(line)}")
    say(written(arguments.out, files.values()))
    say(NOTICE)
    return InputError.exit_code if found.failures else 0
