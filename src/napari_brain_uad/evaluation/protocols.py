"""How papers make one number of many scans. The same maps give other figures by another paper's aggregation: compare like with like.

What a figure is taken over, and where the threshold comes from, is the papers'; preparation, resolution and the brain voxels that count are
those of the maps at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.text import choose_from
from ..postprocessing.ranking import RankedScores
from ..postprocessing.thresholds import otsu
from .chosen_thresholds import dice_at, held_out_dice
from .curves import Curves
from .pooled import BrainScores, EachScan, cohort_curves, scan_curves

_STEPS = 100
"""Thresholds that are tried, evenly from the lowest to the highest score."""

_FOLDS = 5

Figures = dict[str, float | None]
Scans = Iterable[BrainScores]


@dataclass(frozen=True)
class Protocol:
    """One paper's aggregation.

    Parameters
    ----------
    id : str
        For the command line.
    paper : str
        Whose it is.
    words : str
        What is done.
    measure : callable
        From the scans of one method to named figures; None where one is not defined. It goes through the scans one at a time, more than
        once, and keeps none of them: where each is read when it is asked for, memory does not grow with their number.
    """

    id: str
    paper: str
    words: str
    measure: Callable[[Scans], Figures]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _tried(scans: Scans) -> NDArray[np.float64]:
    ends = [(float(scan.score.min()), float(scan.score.max())) for scan in scans if scan.score.size]
    return np.linspace(min(low for low, _ in ends), max(high for _, high in ends), _STEPS) if ends else np.zeros(1)


def _data_set(scans: Scans) -> Figures:
    curves = cohort_curves(scans)
    return {"AUPRC": curves.average_precision, "AUROC": curves.auroc, "best Dice": _best_dice(scans) if curves.positives else None}


def _best_dice(scans: Scans) -> float:
    """Of the voxels of all scans together; counts add up over scans."""
    tried = _tried(scans)
    twice_hit, both = np.zeros(tried.size, np.int64), np.zeros(tried.size, np.int64)
    for scan in scans:
        ranked = RankedScores(scan.score, scan.truth, missed=scan.missed)
        counts = [ranked.counts(float(value)) for value in tried]
        twice_hit += [2 * one.tp for one in counts]
        both += [2 * one.tp + one.fp + one.fn for one in counts]
    return float((twice_hit / both).max())


def _prepared_alone(scans: Scans) -> Figures:
    """As `_data_set`, where a paper measures on the slices that it prepared: what was cut off is no missed lesion."""
    return _data_set(EachScan(scans, lambda scan: replace(scan, missed=0)))


def _per_volume(scans: Scans) -> Figures:
    areas, precisions, best = [], [], []
    peaks, ill = [], []
    for scan in EachScan(scans, lambda scan: replace(scan, score=_scaled(scan.score))):
        own_peaks, own_ill = _slices(scan)
        peaks.append(own_peaks)
        ill.append(own_ill)
        if scan.truth.any() or scan.missed:
            curves = scan_curves(scan)
            areas.append(curves.auroc)
            precisions.append(curves.average_precision)
            best.append(_dice_of(curves.best_dice()))
    slices = Curves(np.concatenate(peaks), np.concatenate(ill))
    return {
        "voxel AUROC": _mean(areas),
        "voxel AUPRC": _mean(precisions),
        "voxel best Dice": _mean(best),
        "slice AUROC": slices.auroc,
        "slice AUPRC": slices.average_precision,
        "slice best Dice": _dice_of(slices.best_dice()),
    }


def _dice_of(best: tuple[float, float] | None) -> float | None:
    return None if best is None else best[0]


def _scaled(score: NDArray[np.float32]) -> NDArray[np.float32]:
    if not score.size:
        return score
    low, high = float(score.min()), float(score.max())
    return np.asarray((score - low) / (high - low) if high > low else np.zeros_like(score), np.float32)


def _slices(scan: BrainScores) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The highest score of every axial slice with brain, and whether the slice has truth."""
    used, place = np.unique(scan.slices, return_inverse=True)
    peaks, ill = np.full(used.size, -np.inf, np.float32), np.zeros(used.size, np.bool_)
    np.maximum.at(peaks, place, scan.score)
    np.logical_or.at(ill, place, scan.truth)
    return peaks, ill


def _one_threshold(scans: Scans, folds: int) -> Figures:
    """Each fold's scans at the threshold of the best mean Dice over the other folds', which stand in for a validation set."""
    tried = _tried(scans)
    each = [(dice_at(curves, tried), curves.average_precision) for curves in EachScan(scans, scan_curves)]
    precision = _mean([one for _, one in each])
    if len(each) < 2:
        return {"Dice": None, "Dice, spread over folds": None, "AUPRC": precision}
    dice = np.array([one for one, _ in each])
    fold = np.arange(len(each)) % min(folds, len(each))
    means = [held_out_dice(dice, fold != number, fold == number)[1] for number in np.unique(fold)]
    return {
        "Dice": float(np.concatenate(means).mean()),
        "Dice, spread over folds": float(np.std([own.mean() for own in means])),
        "AUPRC": precision,
    }


def _otsu_slices(scans: Scans) -> Figures:
    return {"Dice": _mean([_otsu_dice(scan) for scan in scans])}


def _otsu_dice(scan: BrainScores) -> float | None:
    flagged = np.zeros(scan.score.size, np.bool_)
    for number in np.unique(scan.slices):
        own = scan.slices == number
        flagged[own] = scan.score[own] > otsu(scan.score[own])
    both = int(np.count_nonzero(scan.truth)) + scan.missed + int(np.count_nonzero(flagged))
    return 2 * int(np.count_nonzero(scan.truth & flagged)) / both if both else None


PROTOCOLS: Mapping[str, Protocol] = {
    one.id: one
    for one in (
        Protocol(
            "flair-threshold",
            "Meissen et al. 2021, arXiv:2109.06023",
            f"the voxels of all scans together; best Dice over {_STEPS} thresholds",
            _data_set,
        ),
        Protocol(
            "flair-threshold-slices",
            "Meissen et al. 2021, arXiv:2109.06023",
            "as flair-threshold, over the slices alone that the preparation keeps: ground truth outside of them does not count",
            _prepared_alone,
        ),
        Protocol(
            "simple-slice-net",
            "Zhang, Mohsenzadeh 2025, doi:10.1371/journal.pdig.0000874",
            "scores scaled to 0-1 within each volume, figures of each volume with a lesion, then their mean; a slice's score is its "
            "highest voxel, and figures of slices are over the slices of all volumes",
            _per_volume,
        ),
        Protocol(
            "pddpm",
            "Behrendt et al. 2023, arXiv:2303.03758",
            f"one threshold for all scans, of the best mean Dice over others ({_FOLDS} folds by scan, fewer of fewer scans, stand in for "
            "the paper's validation set; one scan alone has no others), then the mean Dice; mean AUPRC; both of the filtered "
            "score: the paper's dropping of components below 7 voxels is left out",
            partial(_one_threshold, folds=_FOLDS),
        ),
        Protocol(
            "strega",
            "Chatterjee et al. 2022, doi:10.1016/j.compbiomed.2022.106093",
            "Otsu's threshold of each axial slice, Dice of each volume, then the mean; without the paper's removal of small areas",
            _otsu_slices,
        ),
    )
}
"""By their ids."""


def measured(scans: Scans, protocols: Sequence[Protocol]) -> dict[str, Figures]:
    """The figures of every protocol, by its id; where no scan has a lesion, none of them says anything, and all are None.

    The scans are gone through one at a time, several times for each protocol.
    """
    found = {protocol.id: protocol.measure(scans) for protocol in protocols}
    if any(scan.truth.any() or scan.missed for scan in scans):
        return found
    return {name: dict.fromkeys(figures) for name, figures in found.items()}


def parse_protocols(text: str) -> tuple[Protocol, ...]:
    """The protocols of a list with commas; "all" stands for all.

    Raises
    ------
    InputError
        For one that is not known.
    """
    asked = list(PROTOCOLS) if text == "all" else [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in asked if one not in PROTOCOLS]
    if unknown or not asked:
        fix = choose_from(unknown[0] if unknown else text, (*PROTOCOLS, "all"), "Protocols")
        raise InputError(f"There is no protocol '{unknown[0] if unknown else text}'", fix=fix)
    return tuple(PROTOCOLS[one] for one in dict.fromkeys(asked))
