"""What methods flag in scans without a ground truth: how much, in how many regions, and in how many scans that is unusual."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...calibration.verdict import ALPHA
from ...core.text import counted
from ..compare.compare_table import COLUMNS, cell
from .cohort import Cohort

FIGURES = ("flagged_ml", "regions", "largest_region_ml", "scan_p")
"""The columns that need no ground truth, and say something of a scan."""

_NO_REFERENCE = "no healthy reference"

Record = dict[str, Any]


def without_truth(cohort: Cohort) -> dict[str, Record]:
    """Mean, lowest and highest of `FIGURES` over the scans without a ground truth, as plain JSON data by method.

    Returns
    -------
    dict of str to dict
        "scans": how many; each figure: None where no scan has it, else "mean", "lowest", "highest" and "scans"; "unusual": of the scans
        with a p-value, how many have one of at most 0.05; "why_none": why none can have, where that is so. Methods that scored no such
        scan are left out.
    """
    found: dict[str, Record] = {}
    for method in cohort.methods:
        own = [row.figures for row in cohort.rows if row.figures.method == method and row.true_ml is None]
        if own:
            spread = {name: _spread([getattr(one, name) for one in own]) for name in FIGURES}
            unusual = sum(one.scan_p is not None and one.scan_p <= ALPHA for one in own)
            least = min((one.smallest_p for one in own if one.smallest_p is not None), default=None)
            found[method] = {
                "scans": len(own),
                **spread,
                "unusual": None if spread["scan_p"] is None else unusual,
                "why_none": _too_few(least),
            }
    return found


def _spread(values: list[float | None]) -> Record | None:
    known = [float(value) for value in values if value is not None]
    return {"mean": float(np.mean(known)), "lowest": min(known), "highest": max(known), "scans": len(known)} if known else None


def _too_few(least: float | None) -> str:
    return f"cannot be: so few healthy brains allow no p below {least:.2g}" if least is not None and least > ALPHA else ""


def without_truth_table(found: dict[str, Record]) -> list[list[str]]:
    """`without_truth` for people, a line a method after the line of titles; empty where there is nothing."""
    if not found:
        return []
    scans = max(own["scans"] for own in found.values())
    head = [f"{counted(scans, 'scan')} without ground truth", *(COLUMNS[name].title for name in FIGURES), f"p at most {ALPHA:g}"]
    return [head, *([method, *(_words(name, own[name]) for name in FIGURES), _unusual(own)] for method, own in found.items())]


def _words(name: str, found: Record | None) -> str:
    if found is None:
        return _NO_REFERENCE
    ends = [int(found[key]) if name == "regions" else found[key] for key in ("lowest", "highest")]
    mean = f"{found['mean']:.1f}" if name == "regions" else cell(name, found["mean"])
    return mean if found["scans"] == 1 else f"{mean} ({cell(name, ends[0])} to {cell(name, ends[1])})"


def _unusual(found: Record) -> str:
    if found["unusual"] is None:
        return _NO_REFERENCE
    # "0 scans" would read as if all were healthy.
    return found["why_none"] or f"{found['unusual']} of {counted(found['scan_p']['scans'], 'scan')}"


def without_truth_lines(found: dict[str, Record]) -> list[list[Any]]:
    """Lines of the tidy table of figures: method, group, figure, value, number of scans."""
    return [
        [method, group, name, own[name][group], own[name]["scans"]]
        for method, own in found.items()
        for name in FIGURES
        if own[name] is not None
        for group in ("mean", "lowest", "highest")
    ]
