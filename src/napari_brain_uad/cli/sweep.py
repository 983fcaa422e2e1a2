"""``brain-uad evaluate DIR --sweep NAME=VALUE,VALUE``: a grid of settings over a cohort."""

from __future__ import annotations

import argparse
from typing import Any

from ..core import shell
from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import alike, readable
from .compare import run_options
from .terminal import complain, progress_bar, say, written


def add_sweep(group: Any) -> None:
    """Add the option to a group of `brain-uad evaluate`."""
    text = (
        "instead of one setting, a grid: settings of the post-processing (median=0,3,5, min_size_ml=0,0.1, threshold=otsu,percentile:98), "
        "prepare=auto,never, spacing_mm=as-is,2, slices=as-is,15:125; repeatable"
    )
    group.add_argument("--sweep", action="append", default=[], metavar="NAME=A,B", help=text)


def sweep_folder(arguments: argparse.Namespace, cases: Any, left_out: Any) -> int:
    """Run the sweep that was asked for over the scans of a data set."""
    from ..workflows.cohort.sweep import parse_sweep, sweep_cohort
    from ..workflows.cohort.sweep_report import check_sweep_output, save_sweep, sweep_text
    from ..workflows.models.ro_crate import check_crate, renew_crate

    options = run_options(arguments)
    settings = parse_sweep(arguments.sweep, options["post"], options["prepare_with"])
    check_sweep_output(cases, arguments.out, overwrite=arguments.overwrite)
    if arguments.ro_crate:
        check_crate(arguments.out)
    with progress_bar(arguments.quiet) as progress:
        sweep = sweep_cohort(cases, options.pop("methods"), settings, progress=progress, **options)
    command = shell.join(["brain-uad", *arguments.words])
    files = save_sweep(sweep, arguments.out, command=command, left_out=left_out, overwrite=arguments.overwrite)
    renew_crate(arguments.out, wanted=arguments.ro_crate)
    for line in alike((failure.case, f"{failure.method} {failure.why}".strip()) for failure in sweep.failures):
        complain(line)
    say(sweep_text(sweep))
    for line in left_out:
        say(f"Left out: {readable(line)}")
    say(written(arguments.out, files.values()))
    say(NOTICE)
    return InputError.exit_code if sweep.failures else 0
