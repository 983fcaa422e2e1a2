"""``brain-uad compare``: several methods over one scan."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import readable, told_of
from ..io.streams import check_there
from .options import (
    SPEC_HELP,
    add_age,
    add_overwrite,
    add_post_options,
    add_seed,
    add_sequence,
    add_workers,
    assignments,
    post_params,
    workers_of,
)
from .terminal import complain, progress_bar, say, warn, written


def add_compare(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "compare",
        help="compare methods over one scan",
        description=f"Score a scan with several methods; write table, montage for a paper, maps and masks. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument("scan", type=Path, metavar="SCAN", help="the scan: .nii, .nii.gz, .mgz, a DICOM folder, or a slice as .png or .jpg")
    add_method_list(parser)
    parser.add_argument("--volume", type=int, metavar="N", help="which volume of a 4-D file, or series of a DICOM folder, from 0")
    add_sequence(parser)
    parser.add_argument("--mask", type=Path, metavar="FILE", help="brain mask on the scan's grid")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="ground truth on the scan's grid: adds metrics")
    add_age(parser)
    parser.add_argument("--slices", default="", metavar="MM,MM", help="heights (z in mm) of the montage's slices (default: by the truth)")
    parser.add_argument(
        "--scale", default="auto", choices=("auto", "common", "percentile"), help="colours of the montage: one scale, or percentiles"
    )
    parser.add_argument("--no-maps", action="store_true", help="write table and montage only")
    add_run_options(parser)
    parser.set_defaults(handler=_compare)


def add_method_list(parser: Any, *, required: bool = True) -> None:
    """Which methods, with which models."""
    parser.add_argument("--methods", nargs="+", required=required, metavar="A,B,C", help=f"separated by commas or spaces, each {SPEC_HELP}")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="METHOD=MODEL",
        help="a trained model (id or file) for a method that names none; repeatable",
    )


def add_run_options(parser: argparse.ArgumentParser, *, needs_out: bool = True, at_a_time: str = "methods at a time") -> None:
    """What a comparison of one scan and of a cohort share."""
    parser.add_argument(
        "--healthy", type=Path, nargs="+", default=[], metavar="SCAN", help="healthy scans, in place of the methods' healthy references"
    )
    add_post_options(parser)
    parser.add_argument("--prepare", default="auto", metavar="PRESET", help="auto, never, or a preset of `brain-uad prepare`")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    add_seed(parser)
    add_workers(parser, at_a_time=at_a_time)
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep maps in the cache")
    parser.add_argument("--out", type=Path, required=needs_out, metavar="DIR", help="folder for the results")
    add_overwrite(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `workflows.compare.compare.compare` that `add_method_list` and `add_run_options` give."""
    return {
        "methods": method_list(arguments.methods),
        "models": assignments(arguments.model, option="--model", example="vae=my-model"),
        "healthy": arguments.healthy,
        "post": post_params(arguments),
        "prepare_with": arguments.prepare,
        "device": arguments.device,
        "seed": arguments.seed,
        "jobs": workers_of(arguments),
        "use_cache": not arguments.no_cache,
    }


def method_list(given: Sequence[str]) -> list[str]:
    """Methods separated by commas or spaces."""
    from ..workflows.models.method_spec import split_specs

    return [one for word in given for one in split_specs(word)]


def _compare(arguments: argparse.Namespace) -> int:
    check_there(arguments.scan, arguments.mask, arguments.truth, *arguments.healthy)
    from ..workflows.compare.compare import compare
    from ..workflows.compare.compare_save import check_comparison_output, save_comparison
    from ..workflows.compare.compare_table import rows_text
    from ..workflows.compare.healthy_words import healthy_words
    from ..workflows.scans.load import load

    slices, options = _millimetres(arguments.slices), run_options(arguments)
    with progress_bar(arguments.quiet) as progress:
        scan = load(arguments.scan, index=arguments.volume, sequence=arguments.sequence)
        given = {"maps": not arguments.no_maps, "overwrite": arguments.overwrite}
        check_comparison_output(scan, options["methods"], arguments.out, models=options["models"], **given)
        own = {"truth": arguments.truth, "mask": arguments.mask, "age": arguments.age}
        comparison = compare(scan, **own, progress=progress.part(0.0, 0.9), **options)
        drawn = {"slices_mm": slices, "scale": arguments.scale}
        files = save_comparison(comparison, arguments.out, **drawn, **given, progress=progress.part(0.9, 1.0))
    warn(comparison.warnings)
    for failure in comparison.failures:
        complain(told_of(str(failure.spec), failure.error))
    say(rows_text(comparison.table()))
    for run in comparison.runs:
        if run.verdict.reference:
            with_whom = f". {run.verdict.details}" if arguments.age is not None else ""
            say(readable(f"{run.title}: {run.verdict.line}{with_whom}"))
    say(f"Sequence: {readable(comparison.volume.sequence_words)}")
    say(f"Threshold: {comparison.rule.words}")
    if rests_on := healthy_words(comparison, len(arguments.healthy)):
        say(readable(f"{rests_on}."))
    say(written(arguments.out, files.values()))
    say(NOTICE)
    return comparison.failures[0].error.exit_code if comparison.failures else 0


def _millimetres(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word]
    except ValueError:
        raise InputError(f"--slices {text}", why="it is no list of heights in mm", fix="Write for example --slices=-10,12.5,30") from None
