"""What a picture of a case needs: a few slices of scan, score, ground truth and result, as bytes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.volume import Volume
from ...postprocessing.filters import bounding_box
from ...postprocessing.pipeline import PostResult
from ..compare.compare_table import Row

COUNT = 3
"""Slices of a picture."""

MOST_TRUTH, MOST_MISSED, MOST_FALSE, MOST_FLAGGED = "most ground truth", "most missed", "most falsely flagged", "most flagged"
BETWEEN = ""

NOTHING, HIT, FALSE_ALARM, FLAGGED = range(4)
"""What is flagged: part of a region that touches the ground truth, of one that does not, of one where there is no truth."""

_APART_MM = 8.0
_MARGIN_MM = 6.0


@dataclass(frozen=True, eq=False)
class CaseSlices:
    """Axial slices of one method's result on one scan, cropped to the brain, n of them with i columns (left to right) and j rows.

    Parameters
    ----------
    case, method : str
    heights : tuple of float
        World z in mm, at the middle of each slice.
    reasons : tuple of str
        Why each slice is shown; "" for one that fills up.
    affine : array, shape (4, 4)
        Of the cropped grid; of the third axis only the direction counts.
    grey : array of uint8, shape (i, j, n)
        The scan, 0 black to 255 white.
    heat : array of uint8, shape (i, j, n)
        The score: 0 up to the threshold and outside of the brain, 255 from `limits[1]` up.
    truth : array of bool, shape (i, j, n), or None
    flagged : array of uint8, shape (i, j, n)
        `NOTHING`, `HIT`, `FALSE_ALARM` or `FLAGGED`.
    limits : tuple of float
        Scores at which the colours begin (the threshold) and end.
    unit : str
        Of the score.
    known : bool
        Whether the file says which side is which.
    """

    case: str
    method: str
    heights: tuple[float, ...]
    reasons: tuple[str, ...]
    affine: NDArray[np.float64]
    grey: NDArray[np.uint8]
    heat: NDArray[np.uint8]
    truth: NDArray[np.bool_] | None
    flagged: NDArray[np.uint8]
    limits: tuple[float, float]
    unit: str
    known: bool


def telling_slices(
    truth: NDArray[np.bool_] | None, mask: NDArray[np.bool_], brain: NDArray[np.bool_], apart: int
) -> tuple[tuple[int, str], ...]:
    """The axial slices that tell most about a result, from below to above, each with the reason.

    The one with most ground truth, the one with most of it missed, and the one with most falsely flagged voxels; filled up with slices
    spread over what was flagged or is true, or else over the brain.

    Parameters
    ----------
    truth, mask, brain : array of bool, shape (i, j, k)
        Truth may be None.
    apart : int
        Slices nearer than this to a chosen one are not taken.
    """
    from ...evaluation.montage import choose_slices

    known = np.zeros(mask.shape, bool) if truth is None else truth
    chosen: dict[int, str] = {}
    for weight, reason in (
        (known, MOST_TRUTH),
        (known & ~mask, MOST_MISSED),
        (mask & ~known, MOST_FLAGGED if truth is None else MOST_FALSE),
    ):
        area = np.count_nonzero(weight, axis=(0, 1))
        for k in chosen:
            area[max(k - apart + 1, 0) : k + apart] = 0
        if area.any():
            chosen[int(area.argmax())] = reason
    for k in (*choose_slices(mask | known, 2 * COUNT), *choose_slices(brain, COUNT)):
        if len(chosen) < COUNT and all(abs(k - other) >= apart for other in chosen):
            chosen[k] = BETWEEN
    return tuple(sorted(chosen.items()))


def case_slices(
    name: str, method: str, volume: Volume, amap: AnomalyMap, result: PostResult, truth: NDArray[np.bool_] | None
) -> CaseSlices | None:
    """Cut what is to be shown out of a result; None where the brain has no slice to show."""
    from ...evaluation.colours import heat_limits, score_limits
    from ...evaluation.figure_views import grey_window, on_black

    grid = volume.grid
    found = telling_slices(truth, result.mask, result.brain, max(1, round(_APART_MM / grid.spacing[2])))
    if not found:
        return None
    box = [
        slice(max(side.start - round(_MARGIN_MM / mm), 0), min(side.stop + round(_MARGIN_MM / mm), length))
        for side, mm, length in zip(bounding_box(amap.mask)[:2], grid.spacing[:2], grid.shape[:2], strict=True)
    ]
    planes = [k for k, _ in found]

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        return array[box[0], box[1]][:, :, planes]

    window = grey_window(volume, amap.mask)
    grey = on_black(cut(volume.data), float(volume.data[0, 0, 0]), window)
    limits = heat_limits(score_limits(amap), result.threshold.value)
    part = (np.where(cut(result.brain), cut(result.score).astype(np.float64), limits[0]) - limits[0]) / (limits[1] - limits[0])
    heat = np.where(part > 0, 1 + (part.clip(0.0, 1.0) * 254).astype(np.uint8), 0)
    kinds = np.full(len(result.regions) + 1, NOTHING, np.uint8)
    for region in result.regions:
        kinds[region.number] = FLAGGED if region.hit is None else HIT if region.hit else FALSE_ALARM
    corner = (box[0].start, box[1].start, 0)
    affine = np.array(grid.affine)
    affine[:3, 3] = grid.to_world(corner)
    middle = (grid.shape[0] - 1) / 2, (grid.shape[1] - 1) / 2
    return CaseSlices(
        case=name,
        method=method,
        heights=tuple(float(grid.to_world((*middle, k))[2]) for k in planes),
        reasons=tuple(reason for _, reason in found),
        affine=affine,
        grey=np.rint(255 * ((grey - window[0]) / (window[1] - window[0])).clip(0, 1)).astype(np.uint8),
        heat=heat.astype(np.uint8),
        truth=None if truth is None else cut(truth).astype(np.bool_),
        flagged=kinds[cut(result.labels).astype(np.intp)],
        limits=limits,
        unit=amap.unit,
        known=volume.source is None or volume.source.orientation_known,
    )


@dataclass(frozen=True, eq=False)
class ShownCase:
    """A case that is shown: its slices, why ("worst", "best", "most flagged"), and what is said of it."""

    slices: CaseSlices
    role: str
    words: str


class ShownCases:
    """The cases to show, as scans come: of each method so many of the worst, its best, and of scans without lesions the most flagged.

    Whatever the order in which scans come and however many there are, the same few are kept.

    Parameters
    ----------
    worst : int
        How many of the worst a method.
    """

    def __init__(self, worst: int) -> None:
        self._worst = worst
        self._kept: dict[str, dict[str, list[tuple[tuple[float, ...], int, CaseSlices, str]]]] = {}

    def add(self, number: int, slices: CaseSlices | None, figures: Row, lesions: int) -> None:
        """Look at one method's result on scan `number`; those with lesions are ranked by Dice at the threshold, then by AUPRC."""
        if slices is None:
            return
        of_method = self._kept.setdefault(slices.method, {})
        flagged = f"{figures.flagged_ml:.1f} ml flagged"
        if lesions and figures.dice is not None:
            rank = figures.dice, figures.auprc or 0.0
            words = f"Dice {rank[0]:.3f}, AUPRC {rank[1]:.3f}, {flagged}"
            self._keep(of_method, "worst", self._worst, rank, number, slices, words)
            self._keep(of_method, "best", 1, tuple(-one for one in rank), number, slices, words)
        else:
            self._keep(of_method, "most flagged", self._worst, (-figures.flagged_ml,), number, slices, flagged)

    @staticmethod
    def _keep(
        kept: dict[str, list[tuple[tuple[float, ...], int, CaseSlices, str]]],
        role: str,
        most: int,
        rank: tuple[float, ...],
        number: int,
        slices: CaseSlices,
        words: str,
    ) -> None:
        own = kept.setdefault(role, [])
        insort(own, (rank, number, slices, words), key=lambda one: one[:2])
        del own[most:]

    def shown(self, methods: Sequence[str]) -> tuple[ShownCase, ...]:
        """Method by method. The best one is left out where it is among the worst; beside scans with lesions one without is enough."""
        found = []
        for method in methods:
            roles = self._kept.get(method, {})
            seen: set[int] = set()
            for role in ("worst", "best", "most flagged"):
                entries = roles.get(role, [])
                for _, number, slices, words in entries[:1] if role == "most flagged" and "worst" in roles else entries:
                    if number not in seen:
                        found.append(ShownCase(slices, role, words))
                    seen.add(number)
        return tuple(found)
