"""Lesion by lesion: what a mask finds of each, by size, and how well its regions match them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.checks import check_same_shape, raise_errors
from ..core.errors import InputError
from ..postprocessing.components import label
from .significance import Interval, bootstrap_ratio

EDGES = (0.1, 1.0, 10.0)
"""ml, between the strata of lesion sizes."""

SIOU_THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
"""Over these F1 is averaged (Chan et al. 2021)."""

SHOWN_THRESHOLDS = (0.25, 0.5, 0.75)
"""At these precision, recall and F1 are given one by one."""


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of the ground truth, and what a mask found of it.

    Parameters
    ----------
    ml : float
        Its volume.
    overlap : float
        Share of its voxels that are flagged, 0 to 1.
    siou : float
        Segment-wise IoU, 0 to 1; see `scan_lesions`.
    """

    ml: float
    overlap: float
    siou: float

    @property
    def found(self) -> bool:
        """Whether a flagged voxel lies in it."""
        return self.overlap > 0


@dataclass(frozen=True)
class ScanLesions:
    """The lesions of one scan, largest first, and the share of each flagged region that is lesion."""

    lesions: tuple[Lesion, ...] = ()
    region_precision: tuple[float, ...] = ()


def scan_lesions(mask: NDArray[np.bool_], truth: NDArray[np.bool_], voxel_ml: float) -> ScanLesions:
    """What a mask finds of every lesion.

    A lesion's segment-wise IoU (sIoU; Chan et al. 2021, "SegmentMeIfYouCan", arXiv:2104.14812) compares it with all flagged
    regions that touch it, taken together, and does not count against it what these regions share with other lesions: one region over two
    lesions, or two regions in one, cost nothing by themselves.

    ``sIoU(k) = |k ∩ R| / |(k ∪ R) without the other lesions|``, R the union of the regions that touch lesion k; 0 where none does.

    Parameters
    ----------
    mask, truth : array of bool, shape (i, j, k)
        What is flagged, and the lesions; components of both are 26-connected.
    voxel_ml : float
        Volume of a voxel.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    raise_errors("Lesions", (check_same_shape(mask.shape, truth.shape, "ground truth"),))
    lesions, regions = label(truth), label(mask)
    lesion_sizes, region_sizes = np.bincount(lesions.ravel())[1:], np.bincount(regions.ravel())[1:]
    both = mask & truth
    # Pairs of a lesion and a region that share voxels, and how many.
    pairs, shared = np.unique(np.stack([lesions[both], regions[both]]).astype(np.int64) - 1, axis=1, return_counts=True)
    overlap, false_voxels = np.zeros(lesion_sizes.size, np.int64), np.zeros(lesion_sizes.size, np.int64)
    in_lesions = np.zeros(region_sizes.size, np.int64)
    np.add.at(overlap, pairs[0], shared)
    np.add.at(in_lesions, pairs[1], shared)
    # What of a region is in no lesion is all that it can cost the lesions it touches.
    np.add.at(false_voxels, pairs[0], (region_sizes - in_lesions)[pairs[1]])
    found = [
        Lesion(float(size * voxel_ml), float(hit / size), float(hit / (size + false)))
        for size, hit, false in zip(lesion_sizes, overlap, false_voxels, strict=True)
    ]
    return ScanLesions(
        tuple(sorted(found, key=lambda one: -one.ml)),
        tuple(float(hit / size) for hit, size in zip(in_lesions, region_sizes, strict=True)),
    )


@dataclass(frozen=True)
class Stratum:
    """Lesions of one range of sizes: `low` <= ml < `high` (None: no upper end), over all scans.

    `recall` is found / lesions with the interval of a bootstrap over scans; None without lesions.
    """

    low: float
    high: float | None
    lesions: int
    found: int
    recall: Interval | None

    @property
    def words(self) -> str:
        """The range, as in "0.1 to 1 ml"."""
        if self.high is None:
            return f"{self.low:g} ml and more" if self.low else "all"
        return f"{self.low:g} to {self.high:g} ml" if self.low else f"under {self.high:g} ml"


def check_edges(edges: Sequence[float]) -> tuple[float, ...]:
    """Edges between strata of lesion sizes, in ml.

    Raises
    ------
    InputError
        If they are not positive, finite and ascending, or there is none.
    """
    found = tuple(float(one) for one in edges)
    if not found or not np.isfinite(found).all() or found[0] <= 0 or any(b <= a for a, b in pairwise(found)):
        said = ", ".join(f"{one:g}" for one in found) or "empty"
        raise InputError("Sizes of lesions", why=f"{said} are not ascending volumes above 0", fix="Give ml like 0.1,1,10")
    return found


def strata(scans: Sequence[ScanLesions], edges: Sequence[float] = EDGES, people: Sequence[str] | None = None) -> tuple[Stratum, ...]:
    """Recall of lesions by their size, over all scans: few large lesions do not hide what many small ones lack.

    Parameters
    ----------
    scans : sequence of ScanLesions
        Of one method.
    edges : sequence of float
        ml, ascending; see `check_edges`.
    people : sequence of str, optional
        Whose scan each is; see `significance.bootstrap_mean`.
    """
    bounds = [0.0, *check_edges(edges)]
    made = []
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        own = [[one for one in scan.lesions if one.ml >= low and (high is None or one.ml < high)] for scan in scans]
        found, total = [sum(one.found for one in lesions) for lesions in own], [len(lesions) for lesions in own]
        made.append(Stratum(low, high, sum(total), sum(found), bootstrap_ratio(found, total, groups=people)))
    return tuple(made)


@dataclass(frozen=True)
class InstanceFigures:
    """How well flagged regions match lesions one by one, over all scans; None where undefined.

    Parameters
    ----------
    lesions, regions : int
        Of all scans.
    siou : Interval or None
        Mean sIoU over lesions, with the interval of a bootstrap over scans.
    mean_f1 : float or None
        F1 averaged over `SIOU_THRESHOLDS`.
    at : tuple of (threshold, precision, recall, F1)
        At `SHOWN_THRESHOLDS`.
    """

    lesions: int
    regions: int
    siou: Interval | None
    mean_f1: float | None
    at: tuple[tuple[float, float | None, float | None, float | None], ...]


def instance_figures(scans: Sequence[ScanLesions], people: Sequence[str] | None = None) -> InstanceFigures:
    """Precision, recall and F1 of whole lesions and regions (Chan et al. 2021, arXiv:2104.14812).

    A lesion is found where its sIoU is above a threshold; a region is false where the share of its voxels that are lesion is not above it.
    ``F1 = 2 TP / (2 TP + FN + FP)``, lesions and regions of all scans counted together. `people` says whose scan each is.
    """
    siou = np.array([one.siou for scan in scans for one in scan.lesions])
    precision = np.array([one for scan in scans for one in scan.region_precision])
    sums, counts = [sum(one.siou for one in scan.lesions) for scan in scans], [len(scan.lesions) for scan in scans]
    mean = bootstrap_ratio(sums, counts, groups=people)
    each = {threshold: _at(siou, precision, threshold) for threshold in SIOU_THRESHOLDS}
    f1 = [figures[2] for figures in each.values() if figures[2] is not None]
    return InstanceFigures(
        siou.size, precision.size, mean, float(np.mean(f1)) if f1 else None, tuple((one, *each[one]) for one in SHOWN_THRESHOLDS)
    )


def _at(siou: NDArray[np.float64], precision: NDArray[np.float64], threshold: float) -> tuple[float | None, float | None, float | None]:
    tp, good = int(np.count_nonzero(siou > threshold)), int(np.count_nonzero(precision > threshold))
    missed, false = siou.size - tp, precision.size - good
    everything = 2 * tp + missed + false
    return (
        good / precision.size if precision.size else None,
        tp / siou.size if siou.size else None,
        2 * tp / everything if everything else None,
    )
