"""``brain-uad batch``: one method over a folder of scans, with or without ground truths."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core import shell
from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import alike, readable, told_of
from ..io.streams import check_there
from .options import (
    DATA_SET,
    add_method,
    add_mni,
    add_overwrite,
    add_post_options,
    add_ro_crate,
    add_seed,
    add_workers,
    asked_method,
    post_params,
    recommended,
    workers_of,
)
from .terminal import complain, progress_bar, say


def add_batch(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "batch",
        help="detect anomalies in a folder of scans, one sequence of each subject",
        description="Do what `detect` does for the scans of a data set: the first sequence of each subject, or what --sequence says; "
        f"write a folder a scan, a table and an HTML page. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument("dataset", type=Path, metavar="DIR", help="a folder of scans, a data set (BIDS, ...) or a CSV file")
    parser.add_argument("--layout", metavar="ID", help="which layout the data set has (default: found by its file names)")
    parser.add_argument("--sequence", metavar="NAME", help="which sequence of each subject, or all (default: the first it has)")
    add_method(parser, default=None, said="the one recommended for the scans' sequence; threshold where it differs")
    add_seed(parser)
    add_post_options(parser)
    parser.add_argument("--prepare", default="auto", metavar="PRESET", help="as in `brain-uad detect` (default: auto)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    add_mni(parser)
    add_ro_crate(parser)
    add_workers(parser, at_a_time="scans at a time")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_overwrite(parser)
    text = "do all scans again (default: those are left as they are that the same command finished before, from the same files)"
    parser.add_argument("--no-resume", action="store_true", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=_batch)


def _batch(arguments: argparse.Namespace) -> int:
    check_there(arguments.dataset, fix=DATA_SET)
    from ..workflows.cohort.batch import BatchRun, run_batch
    from ..workflows.cohort.batch_report import batch_image_level, batch_words, save_batch
    from ..workflows.cohort.cohort import cases_of
    from ..workflows.models.method_spec import MethodSpec
    from ..workflows.models.ro_crate import check_crate, renew_crate

    if arguments.ro_crate:
        check_crate(arguments.out)

    asked = asked_method(arguments)
    cases, left_out = cases_of(arguments.dataset, layout_id=arguments.layout, sequence=arguments.sequence, need_truth=False)
    run = BatchRun(
        asked or MethodSpec.of(recommended(case.sequence for case in cases)),
        post=post_params(arguments),
        prepare_with=arguments.prepare,
        device=arguments.device,
        seed=arguments.seed,
        mni=arguments.mni,
    )
    with progress_bar(arguments.quiet) as progress:
        given = {"jobs": workers_of(arguments), "overwrite": arguments.overwrite, "resume": not arguments.no_resume}
        outcomes = run_batch(cases, run, arguments.out, **given, progress=progress)
    files = save_batch(outcomes, arguments.out, command=shell.join(["brain-uad", *arguments.words]), left_out=left_out)
    renew_crate(arguments.out, wanted=arguments.ro_crate)
    for outcome in outcomes:
        if outcome.error:
            complain(told_of(outcome.case.name, outcome.error))
    for line in alike((outcome.case.name, f"warning: {text}") for outcome in outcomes for text in outcome.warnings):
        complain(line)
    for line in alike((outcome.case.name, outcome.sequence) for outcome in outcomes if outcome.sequence):
        say(f"Sequence of {readable(line)}")
    level = batch_image_level(outcomes)
    if level is not None:
        say(f"Image level (highest score of each map): {level.words}")
    for line in left_out:
        say(f"Left out: {line}")
    say(f"{batch_words(outcomes)}. Written to {arguments.out}: {', '.join(path.name for path in files.values())}, and a folder a scan")
    say(NOTICE)
    return InputError.exit_code if any(outcome.error for outcome in outcomes) else 0
