"""``brain-uad evaluate DIR --sweep NAME=VALUE,VALUE``: a grid of settings over a cohort."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.errors import InputError
from .compare import run_options
from .set_of_scans import over_scans


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

    if all(case.truth is None for case in cases):
        why = "it shows under which setting lesions are found best"
        raise InputError("A sweep needs ground truths", why=why, fix="Give scans that have one, or leave --sweep out")
    options = run_options(arguments)
    settings = parse_sweep(arguments.sweep, options["post"], options["prepare_with"])
    methods = options.pop("methods")
    return over_scans(
        arguments,
        cases,
        left_out,
        check=check_sweep_output,
        work=lambda progress: sweep_cohort(cases, methods, settings, progress=progress, **options),
        save=save_sweep,
        text=sweep_text,
    )
