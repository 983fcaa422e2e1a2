"""How papers make one number of many scans. The same maps give other figures by another paper's aggregation: compare like with like.

What a figure is taken over, and where the threshold comes from, is the papers'; preparation, resolution and the brain voxels that count are
those of the maps at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.text import did_you_mean
from ..postprocessing.thresholds import otsu
from .chosen_thresholds import dice_at, held_out_dice
from .curves import Curves
from .pooled import BrainScores, joined

_STEPS = 100
"""Thresholds that are tried, evenly from the lowest to the highest score."""

_FOLDS = 5

Figures = dict[str, float | None]


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
        From the scans of one method to named figures; None where one is not defined.
    """

    id: str
    paper: str
    words: str
    measure: Callable[[Sequence[BrainScores]], Figures]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _curves(scans: Sequence[BrainScores]) -> Curves:
    return Curves(*joined(scans))


def _tried(scans: Sequence[BrainScores]) -> NDArray[np.float64]:
    scores = [scan.score for scan in scans if scan.score.size]
    if not scores:
        return np.zeros(1)
    return np.linspace(min(float(score.min()) for score in scores), max(float(score.max()) for score in scores), _STEPS)


def _data_set(scans: Sequence[BrainScores]) -> Figures:
    curves = _curves(scans)
    best = float(dice_at(curves, _tried(scans)).max()) if curves.positives else None
    return {"AUPRC": curves.average_precision, "AUROC": curves.auroc, "best Dice": best}


def _prepared_alone(scans: Sequence[BrainScores]) -> Figures:
    """As `_data_set`, where a paper measures on the slices that it prepared: what was cut off is no missed lesion."""
    return _data_set([replace(scan, missed=0) for scan in scans])


def _per_volume(scans: Sequence[BrainScores]) -> Figures:
    scaled = [replace(scan, score=_scaled(scan.score)) for scan in scans]
    each = [_curves([scan]) for scan in scaled if scan.truth.any() or scan.missed]
    best = [found[0] if (found := curves.best_dice()) is not None else None for curves in each]
    peaks, ill = (np.concatenate(parts) for parts in zip(*map(_slices, scaled), strict=True))
    slices = Curves(peaks, ill)
    best_slices = slices.best_dice()
    return {
        "voxel AUROC": _mean([curves.auroc for curves in each]),
        "voxel AUPRC": _mean([curves.average_precision for curves in each]),
        "voxel best Dice": _mean(best),
        "slice AUROC": slices.auroc,
        "slice AUPRC": slices.average_precision,
        "slice best Dice": None if best_slices is None else best_slices[0],
    }


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


def _one_threshold(scans: Sequence[BrainScores], folds: int) -> Figures:
    """Each fold's scans at the threshold of the best mean Dice over the other folds', which stand in for a validation set."""
    if len(scans) < 2:
        return {"Dice": None, "Dice, spread over folds": None, "AUPRC": _mean([_curves([scan]).average_precision for scan in scans])}
    tried = _tried(scans)
    each = [_curves([scan]) for scan in scans]
    dice = np.array([dice_at(curves, tried) for curves in each])
    fold = np.arange(len(scans)) % min(folds, len(scans))
    means = [held_out_dice(dice, fold != number, fold == number)[1] for number in np.unique(fold)]
    return {
        "Dice": float(np.concatenate(means).mean()),
        "Dice, spread over folds": float(np.std([own.mean() for own in means])),
        "AUPRC": _mean([curves.average_precision for curves in each]),
    }


def _otsu_slices(scans: Sequence[BrainScores]) -> Figures:
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
            f"one threshold for all scans, of the best mean Dice over others ({_FOLDS} folds by scan stand in for the paper's validation "
            "set), then the mean Dice; mean AUPRC",
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


def measured(scans: Sequence[BrainScores], protocols: Sequence[Protocol]) -> dict[str, Figures]:
    """The figures of every protocol, by its id; where no scan has a lesion, none of them says anything, and all are None."""
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
        fix = f"{did_you_mean(unknown[0], PROTOCOLS) if unknown else ''}Protocols: {', '.join(PROTOCOLS)}, all"
        raise InputError(f"There is no protocol '{unknown[0] if unknown else text}'", fix=fix)
    return tuple(PROTOCOLS[one] for one in dict.fromkeys(asked))
