"""``brain-uad bids``, a BIDS App, which is also called ``brain-uad-bids``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.provenance import NOTICE, package_version
from ..core.sequence import BIDS_SUFFIXES
from ..core.text import alike, is_told, readable, told_of
from ..io.streams import check_there
from .options import add_method, add_mni, add_overwrite, add_post_options, add_seed, add_workers, asked_method, post_params, workers_of
from .terminal import complain, progress_bar, say


def add_bids(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "bids",
        help="detect anomalies in a BIDS data set, as a BIDS App does",
        description=f"Detect anomalies in the anatomical images of a BIDS data set; write BIDS derivatives. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="the raw data set")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="the folder of the derivatives, like BIDS_DIR/derivatives/brain-uad")
    levels = "participant: every image of the participants; group: one table of what is there"
    parser.add_argument("level", choices=("participant", "group"), metavar="LEVEL", help=levels)
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    for option, what in (("--participant-label", "participants"), ("--session-label", "sessions")):
        words = f"these {what} alone, with or without sub- or ses-"
        parser.add_argument(option, option.replace("-label", "_label"), metavar="LABEL", help=words, **several)
    words = f"{', '.join(BIDS_SUFFIXES)} (default: all)"
    parser.add_argument("--suffix", choices=BIDS_SUFFIXES, metavar="SUFFIX", help=words, **several)
    add_method(parser, default=None)
    add_seed(parser)
    add_post_options(parser)
    parser.add_argument("--prepare", default="auto", metavar="PRESET", help="as in `brain-uad detect` (default: auto)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    add_mni(parser)
    add_workers(parser, at_a_time="images at a time")
    add_overwrite(parser)
    again = "analyse all images again (default: those are kept that the same call finished before, from the same files)"
    parser.add_argument("--no-resume", action="store_true", help=again)
    skip = "taken and ignored: this app runs no validator, and names every image that it does not analyse"
    parser.add_argument("--skip-bids-validation", "--skip_bids_validation", action="store_true", help=skip)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("-v", "--version", action="version", version=f"napari-brain-uad {package_version()}")
    parser.set_defaults(handler=_bids)


def _bids(arguments: argparse.Namespace) -> int:
    check_there(arguments.bids_dir, fix="Give the folder of a BIDS data set")
    return _group(arguments) if arguments.level == "group" else _participants(arguments)


def _participants(arguments: argparse.Namespace) -> int:
    from ..workflows.cohort.bids_app import FAILED, LEFT_OUT, AppRun, Selection, outcome_words, run_participants

    run = AppRun(
        asked_method(arguments),
        post=post_params(arguments),
        prepare_with=arguments.prepare,
        device=arguments.device,
        seed=arguments.seed,
        overwrite=arguments.overwrite,
        resume=not arguments.no_resume,
        mni=arguments.mni,
    )
    selection = Selection(tuple(arguments.participant_label), tuple(arguments.session_label), tuple(arguments.suffix))
    with progress_bar(arguments.quiet) as progress:
        jobs = workers_of(arguments)
        outcomes = run_participants(arguments.bids_dir, arguments.out, run, selection, jobs=jobs, progress=progress)
    for one in outcomes:
        if one.state == FAILED:
            complain(told_of(one.image, one.reason))
    for line in alike((one.image, f"warning: {text}") for one in outcomes for text in one.warnings):
        complain(line)
    for line in alike(("" if is_told(one.image, one.reason) else one.image, one.reason) for one in outcomes if one.state == LEFT_OUT):
        say(f"Left out: {readable(line)}")
    say(f"{outcome_words(outcomes)}. Written to {arguments.out}")
    say(NOTICE)
    return InputError.exit_code if any(one.state == FAILED for one in outcomes) else 0


def _group(arguments: argparse.Namespace) -> int:
    from ..workflows.cohort.bids_app import gather_group, outcome_words

    check_there(arguments.out, fix="Call the level participant first, with the same OUT_DIR")
    if arguments.participant_label or arguments.session_label or arguments.suffix:
        complain("The level group gathers all that is there: the labels and suffixes that were given change nothing")
    outcomes, problems, files = gather_group(arguments.out)
    for problem in problems:
        complain(problem)
    say(f"{outcome_words(outcomes)}. Written to {arguments.out}: {', '.join(path.name for path in files.values())}")
    say(NOTICE)
    return InputError.exit_code if problems else 0
