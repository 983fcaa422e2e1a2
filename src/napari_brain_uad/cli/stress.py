"""``brain-uad stress``: how steady methods are on scans with simulated faults."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..io.streams import check_there
from .compare import add_method_list, add_run_options, run_options
from .options import add_ro_crate
from .set_of_scans import over_scans


def add_stress(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "stress",
        help="how methods hold on scans with simulated noise, bias field, motion, low field and coarse voxels",
        description="Evaluate methods on scans as they are and altered, each alteration at three strengths: what healthy scans show "
        f"and how well lesions are found, against strength. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument("scans", type=Path, metavar="SCAN_OR_DIR", help="a scan, or a data set (folder or CSV file)")
    add_method_list(parser)
    parser.add_argument("--truth", type=Path, metavar="FILE", help="ground truth of a single scan")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="brain mask of a single scan")
    parser.add_argument("--layout", metavar="ID", help="which layout the data set has (default: found by its file names)")
    parser.add_argument("--sequence", metavar="NAME", help="as in `brain-uad evaluate`")
    parser.add_argument("--rest-healthy", action="store_true", help="scans without a ground truth are healthy")
    parser.add_argument("--kinds", default="", metavar="A,B", help="of noise, bias, motion, low-field, resolution (default: all)")
    text = "apply the threshold's rule to each altered scan anew (default: altered scans keep the threshold of the scan as it is)"
    parser.add_argument("--rethreshold", action="store_true", help=text)
    add_ro_crate(parser)
    add_run_options(parser, at_a_time="scans at a time")
    parser.set_defaults(handler=_stress)


def _stress(arguments: argparse.Namespace) -> int:
    check_there(arguments.scans, arguments.truth, arguments.mask, *arguments.healthy)
    from ..workflows.cohort.alter import kinds_of
    from ..workflows.cohort.stress import stress_cohort
    from ..workflows.cohort.stress_report import check_stress_output, save_stress, stress_text

    kinds, (cases, left_out) = kinds_of(arguments.kinds), _cases(arguments)
    if not arguments.rest_healthy and all(case.truth is None and case.ill is not False for case in cases):
        why = "no scan has a ground truth, or is said to be healthy: there is nothing to compare"
        raise InputError("The stress test", why=why, fix="Add --truth (or truths in the table), or --rest-healthy")
    how = {"kinds": kinds, "keep_thresholds": not arguments.rethreshold, "rest_healthy": arguments.rest_healthy, **run_options(arguments)}
    return over_scans(
        arguments,
        cases,
        left_out,
        check=check_stress_output,
        work=lambda progress: stress_cohort(cases, **how, progress=progress),
        save=save_stress,
        text=stress_text,
    )


def _cases(arguments: argparse.Namespace) -> Any:
    """The scans of a data set, or the one scan, and who was left out."""
    from ..workflows.cohort.case import Case
    from ..workflows.cohort.cohort import cases_of

    if arguments.scans.is_dir() or arguments.scans.suffix.lower() == ".csv":
        if arguments.truth is not None or arguments.mask is not None:
            why = "each scan has its own"
            raise InputError("A folder of scans takes no --truth and no --mask", why=why, fix="List them in a CSV file if need be")
        return cases_of(arguments.scans, layout_id=arguments.layout, sequence=arguments.sequence, need_truth=False)
    if arguments.layout is not None:
        raise InputError("--layout is for a data set", why=f"{arguments.scans.name} is one scan", fix="Leave --layout out")
    from ..core.sequence import USER, check_sequence
    from ..io.nifti import image_stem

    sequence = None if arguments.sequence is None else check_sequence(arguments.sequence)
    return (Case(image_stem(arguments.scans), arguments.scans, arguments.truth, arguments.mask, sequence, USER),), ()
