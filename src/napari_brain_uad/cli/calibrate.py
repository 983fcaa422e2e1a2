"""``brain-uad calibrate``: a healthy reference from the user's own healthy scans."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..core import shell
from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import readable, told_of
from ..io.streams import check_there
from .options import DATA_SET, add_method, add_post_options, add_seed, add_sequence, add_workers, method_spec, post_params, workers_of
from .terminal import complain, progress_bar, say, written

_FORGET_TAKES = ("handler", "method", "preset", "set", "model", "sequence", "forget", "quiet")
"""What has a say in which references are deleted, and how that is told."""


def add_calibrate(commands: Any) -> None:
    """Add the command to the parser's list of commands."""
    parser = commands.add_parser(
        "calibrate",
        help="make a method's healthy reference from healthy scans",
        description="Scores healthy scans and keeps how they score beside the model: thresholds then have a meaning (healthy-ml, "
        f"healthy-fpr, fdr) and every detection gets a verdict. {NOTICE}",
        allow_abbrev=False,
    )
    add_method(parser, positional=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--healthy", type=Path, metavar="DIR", help="folder (or CSV file) of healthy scans, in any layout")
    text = "delete your own references of this method and model (with --sequence: that one): those of the package count again"
    what.add_argument("--forget", action="store_true", help=text)
    add_sequence(parser)
    parser.add_argument("--title", default="", metavar="TEXT", help="who they are, as verdicts name them; no person's name")
    parser.add_argument("--simulated", action="store_true", help="the scans are simulated: they set thresholds and give no p-value")
    add_post_options(parser, threshold=False)
    parser.add_argument("--prepare", default="auto", metavar="PRESET", help="auto, never, or a preset of `brain-uad prepare`")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    add_seed(parser)
    text = "register every scan to MNI152, too, for a mean map there: regions then say how healthy brains score at their place"
    parser.add_argument("--mni", action="store_true", help=text)
    add_workers(parser, at_a_time="scans at a time")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write it into (default: that of your models)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=partial(_calibrate, parser))


def _calibrate(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.forget:
        return _forget(parser, arguments)
    check_there(arguments.healthy, fix=DATA_SET)
    from ..workflows.cohort.calibrate import calibrate

    failed: list[str] = []
    with progress_bar(arguments.quiet) as progress:
        made, left_out = calibrate(
            method_spec(arguments),
            arguments.healthy,
            sequence=arguments.sequence,
            title=arguments.title,
            kind="simulated" if arguments.simulated else "real",
            post=post_params(arguments),
            prepare_with=arguments.prepare,
            device=arguments.device,
            seed=arguments.seed,
            mni=arguments.mni,
            out=arguments.out,
            jobs=workers_of(arguments),
            on_failure=lambda name, error: failed.append(told_of(name, error)),
            progress=progress,
        )
    for line in failed:
        complain(line)
    for line in left_out:
        if line not in failed:
            say(f"Left out: {readable(line)}")
    for one in made:
        reference = one.reference
        say(f"{reference.method}, {reference.sequence}: {readable(reference.title)} ({reference.words})")
        say(reference.default_words)
        say(reference.smallest_p_words)
        if places := one.places_told(arguments.mni):
            say(places)
        say("Simulated brains alone are not left out one at a time" if one.left_out is None else f"{one.left_out.words}.")
        if one.replaced:
            say(f"{readable(one.replaced)}.")
        if one.steps_back:
            back = shell.join(["brain-uad", "calibrate", str(method_spec(arguments)), "--sequence", reference.sequence, "--forget"])
            say(f"{readable(one.steps_back)}. The way back: {back}")
        say(written(one.files[0].parent, one.files))
    say(NOTICE)
    return InputError.exit_code if failed else 0


def _forget(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    plain = vars(parser.parse_args([arguments.method, "--forget"]))
    given = [name for name, value in plain.items() if name not in _FORGET_TAKES and vars(arguments)[name] != value]
    if given:
        why = "it deletes references of this method among your models, and how or where others are made does not matter to it"
        option = f"--{given[0].removeprefix('post_').replace('_', '-')}"
        raise InputError(f"--forget with {option}", why=why, fix="Leave it out; references that you wrote elsewhere are files to delete")
    from ..workflows.models.own_references import forget_references

    spec = method_spec(arguments)
    for sequence, title in forget_references(spec, arguments.sequence).items():
        now = f"that of the package counts again: {title}" if title else "the package has none"
        say(f"Your healthy reference of {spec} for {sequence} was deleted; {readable(now)}")
    return 0
