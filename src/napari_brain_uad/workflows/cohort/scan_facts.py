"""Who and what each scan of a cohort is: the table of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...core.text import counted
from ...core.volume import Volume
from ...datasets.covariates import SIDECAR_FIELDS, Covariates, sidecar_covariates
from ...evaluation.lesions import ScanLesions
from ...io.nifti import image_stem
from ...io.sidecar import read_sidecar
from .case import Case


@dataclass(frozen=True)
class ScanFacts:
    """One scan.

    Parameters
    ----------
    scan, subject, session, split
        As its data set names them; None where it does not.
    sequence : str or None
        None when unknown.
    sequence_from : str
        What says so, in words.
    ill : bool or None
        Whether there is a lesion; see `case.CohortRow`.
    lesions_ml : tuple of float or None
        The volume of every lesion, largest first; None without a ground truth.
    shape : tuple of int
        Voxels along i, j, k.
    voxel_mm : tuple of float
        Their size.
    covariates : Covariates
        From the data set's table and the JSON file beside the scan.
    """

    scan: str
    subject: str
    session: str | None
    split: str | None
    sequence: str | None
    sequence_from: str
    ill: bool | None
    lesions_ml: tuple[float, ...] | None
    shape: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]
    covariates: Covariates = field(default_factory=Covariates)

    def as_dict(self) -> dict[str, Any]:
        """The scan as plain JSON data: a line of the table."""
        own = self.lesions_ml
        return {
            "scan": self.scan,
            "subject": self.subject,
            "session": self.session,
            "split": self.split,
            "sequence": self.sequence,
            "sequence_from": self.sequence_from,
            "ill": self.ill,
            "lesions": None if own is None else len(own),
            "lesion_ml": None if own is None else round(math.fsum(own), 6),
            "largest_lesion_ml": None if own is None else round(max(own, default=0.0), 6),
            **{f"voxels_{axis}": size for axis, size in zip("ijk", self.shape, strict=True)},
            **{f"voxel_mm_{axis}": round(size, 6) for axis, size in zip("ijk", self.voxel_mm, strict=True)},
            **self.covariates.as_dict(),
        }


FACTS = tuple(ScanFacts("", "", None, None, None, "", None, None, (0, 0, 0), (0.0, 0.0, 0.0)).as_dict())
"""The columns of the table of the data."""


def scan_facts(case: Case, volume: Volume, ill: bool | None, found: ScanLesions | None) -> ScanFacts:
    """The facts of one scan.

    Parameters
    ----------
    case : Case
        The scan.
    volume : Volume
        As it was read.
    ill : bool or None
        See `case.CohortRow`.
    found : ScanLesions or None
        Any method's; the lesions are the same.
    """
    beside: dict[str, Any] = {}
    if isinstance(case.scan, str | Path):
        path = Path(case.scan)
        beside, _ = read_sidecar(path.with_name(f"{image_stem(path)}.json"), SIDECAR_FIELDS)  # what is wrong with it, loading has said
    return ScanFacts(
        case.name,
        case.person,
        case.session,
        case.split,
        volume.sequence,
        volume.sequence_words,
        ill,
        None if found is None else tuple(one.ml for one in found.lesions),
        volume.grid.shape,
        volume.grid.spacing,
        case.covariates.filled(sidecar_covariates(beside)),
    )


def data_summary(scans: Sequence[ScanFacts]) -> dict[str, Any]:
    """The cohort in a few numbers, as plain JSON data.

    Returns
    -------
    dict
        How many scans and subjects, of which healthy, ill and unknown; lesions and lesion ml of the ill scans (median, lowest, highest);
        sequences, sexes, sites, scanners and field strengths with their number of scans; age (median, lowest, highest, scans).
    """
    ill = [one for one in scans if one.ill and one.lesions_ml is not None]
    about = [one.covariates for one in scans]
    return {
        "scans": len(scans),
        "subjects": len({one.subject for one in scans}),
        "ill": sum(one.ill is True for one in scans),
        "healthy": sum(one.ill is False for one in scans),
        "unknown": sum(one.ill is None for one in scans),
        "lesions": _range([float(len(one.lesions_ml or ())) for one in ill]),
        "lesion_ml": _range([sum(one.lesions_ml or ()) for one in ill]),
        "age": _range([one.age for one in about if one.age is not None]),
        "sequence": _tally([one.sequence or "unknown" for one in scans]),
        "split": _tally([one.split for one in scans]),
        "sex": _tally([one.sex for one in about]),
        "site": _tally([one.site for one in about]),
        "scanner": _tally([one.scanner for one in about]),
        "field_strength": _tally([None if one.field_strength is None else f"{one.field_strength:g} T" for one in about]),
    }


def _range(values: Sequence[float]) -> dict[str, float | int] | None:
    if not values:
        return None
    return {"median": float(np.median(values)), "low": min(values), "high": max(values), "scans": len(values)}


def _tally(values: Sequence[str | None]) -> dict[str, int]:
    """How many scans each value has, the commonest first; what is not known is not counted."""
    known = [value for value in values if value is not None]
    return dict(sorted(((one, known.count(one)) for one in dict.fromkeys(known)), key=lambda pair: -pair[1]))


def data_words(summary: dict[str, Any]) -> list[str]:
    """The summary for a terminal or a page, one line each."""
    names = {"ill": "ill", "healthy": "healthy", "unknown": "not known to be ill or healthy"}
    kinds = ", ".join(f"{summary[kind]} {name}" for kind, name in names.items() if summary[kind])
    lines = [f"Scans: {summary['scans']} of {counted(summary['subjects'], 'subject')} ({kinds})"]
    for key, title, unit in (
        ("lesions", "Lesions in an ill scan", ""),
        ("lesion_ml", "Lesion volume in an ill scan", " ml"),
        ("age", "Age", " years"),
    ):
        if (found := summary[key]) is not None:
            scans = f", {found['scans']} scans" if key == "age" else ""
            lines.append(f"{title}: median {_three(found['median'])}{unit} ({_three(found['low'])} to {_three(found['high'])}{scans})")
    for key in ("sequence", "split", "sex", "site", "scanner", "field_strength"):
        if summary[key]:
            lines.append(f"{key.replace('_', ' ').capitalize()}: {', '.join(f'{name} {count}' for name, count in summary[key].items())}")
    return lines


def _three(value: float) -> str:
    """With three digits, and never as a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
