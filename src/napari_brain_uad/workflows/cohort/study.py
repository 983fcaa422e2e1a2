"""A cohort as a study: what is asked of it besides each scan's figures, and the answers as plain JSON data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.text import choose_from, counted, did_you_mean
from ...evaluation.chosen_thresholds import dice_at, dice_table, held_out_dice, subject_folds
from ...evaluation.lesions import EDGES, check_edges
from ...evaluation.pooled import scan_curves
from .case import Case, CohortRow
from .kept_scores import KeptScores
from .scan_facts import ScanFacts

COVARIATES: Mapping[str, Callable[[ScanFacts], str | float | None]] = {
    "scanner": lambda scan: scan.covariates.scanner,
    "site": lambda scan: scan.covariates.site,
    "field": lambda scan: None if scan.covariates.field_strength is None else f"{scan.covariates.field_strength:g} T",
    "sequence": lambda scan: scan.sequence,
    "age": lambda scan: scan.covariates.age,
    "sex": lambda scan: scan.covariates.sex,
}
"""What may explain a figure: groups by a text, trends by a number."""


@dataclass(frozen=True)
class StudySettings:
    """What is asked of a cohort.

    Parameters
    ----------
    lesion_edges : tuple of float
        ml, between the strata of lesion sizes.
    threshold_from : str or None
        The split whose scans choose each method's threshold for all others.
    folds : int or None
        Choose it over subjects in so many folds instead.
    effects : tuple of str or None
        Of `COVARIATES`; None: what the data has.
    seed : int
        Deals subjects into folds.

    Raises
    ------
    InputError
        If one of them cannot be used.
    """

    lesion_edges: tuple[float, ...] = EDGES
    threshold_from: str | None = None
    folds: int | None = None
    effects: tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lesion_edges", check_edges(self.lesion_edges))
        if self.threshold_from is not None and self.folds is not None:
            why = "a split and folds by subject both say which scans choose it"
            raise InputError("The threshold", why=why, fix="Give --threshold-from or --folds")
        if self.effects == ():
            raise InputError("Effects", why="none is named", fix=f"Name some of {', '.join(COVARIATES)}")
        unknown = next((one for one in self.effects or () if one not in COVARIATES), None)
        if unknown is not None:
            raise InputError(f"There is no effect '{unknown}'", fix=choose_from(unknown, COVARIATES, "Effects"))

    @property
    def chooses(self) -> bool:
        """Whether thresholds are chosen on other scans."""
        return self.threshold_from is not None or self.folds is not None

    def check(self, cases: Sequence[Case]) -> None:
        """See whether the scans allow it, before anything is computed.

        Raises
        ------
        InputError
            If no scan of the split has a ground truth, or no other has, or there are too few subjects for the folds.
        """
        having = [case for case in cases if case.truth is not None]
        if self.chooses and not having:
            why = "it is the one of the best Dice, and no scan has a ground truth"
            raise InputError("A threshold cannot be chosen", why=why, fix="Give ground truths, or leave --threshold-from and --folds out")
        if self.folds is not None:
            subject_folds([case.person for case in having], self.folds, self.seed)
        if self.threshold_from is None:
            return
        splits = sorted({case.split for case in cases if case.split is not None})
        told = (
            f"its splits are {', '.join(splits)}"
            if splits
            else "the data set names no splits: a CSV file or participants.tsv does, in a column split"
        )
        choosing = [case for case in having if case.split == self.threshold_from]
        if not choosing:
            fix = f"{did_you_mean(self.threshold_from, splits)}Choose another split"
            raise InputError(f"No scan with a ground truth is of the split '{self.threshold_from}'", why=told, fix=fix)
        if len(choosing) == len(having):
            why = "every scan with a ground truth is of it, and figures of scans that chose the threshold are not given"
            raise InputError(f"The split '{self.threshold_from}'", why=why, fix="Choose a smaller split, or --folds")
        both = {case.person for case in choosing} & {case.person for case in having if case.split != self.threshold_from}
        if both:
            why = f"{sorted(both)[0]} has scans in it and in another"
            raise InputError(f"The split '{self.threshold_from}'", why=why, fix="Give all scans of a subject the same split")


@dataclass(frozen=True)
class ThresholdFold:
    """One choice of a threshold: on which subjects, and whose figures are reported at it."""

    threshold: float
    chosen_on: tuple[str, ...]
    reported: tuple[str, ...]


@dataclass(frozen=True)
class ChosenThresholds:
    """One method at thresholds that other scans chose.

    Parameters
    ----------
    folds : tuple of ThresholdFold
        One for a split.
    dice, default_dice : dict of str to float
        By scan, of the reported scans with lesions: Dice over the brain's voxels, no components dropped, at the chosen threshold and at
        the scan's own default threshold.
    why_not : str
        Why there is nothing; empty when there is.
    """

    folds: tuple[ThresholdFold, ...] = ()
    dice: dict[str, float] | None = None
    default_dice: dict[str, float] | None = None
    why_not: str = ""


def chosen_thresholds(
    title: str, kept: KeptScores, among: Mapping[int, Case], rows: Mapping[int, CohortRow], settings: StudySettings
) -> ChosenThresholds:
    """Choose one method's threshold on some scans, and measure it on the others.

    Parameters
    ----------
    title : str
        The method.
    kept : KeptScores
        Its scores.
    among : mapping of int to Case
        The scans that take part, by number.
    rows : mapping of int to CohortRow
        The method's figures of each; the scans with lesions count.
    settings : StudySettings
        `threshold_from` or `folds` is given.
    """
    numbers = [number for number in kept.numbers(title) if number in among and number in rows and rows[number].ill]
    people = [among[number].person for number in numbers]
    if settings.folds is None:
        inside = np.array([among[number].split == settings.threshold_from for number in numbers], np.bool_)
        sides = [(inside, ~inside)]
    elif len(set(people)) < settings.folds:
        return ChosenThresholds(why_not=f"{counted(len(set(people)), 'subject')} with lesions cannot be dealt into {settings.folds} folds")
    else:
        fold = subject_folds(people, settings.folds, settings.seed)
        sides = [(fold != number, fold == number) for number in range(settings.folds)]
    if not all(side.any() for pair in sides for side in pair):
        return ChosenThresholds(why_not=f"no scan with lesions is of the split '{settings.threshold_from}', or none is of another")
    tried, dice = dice_table(numbers, lambda number: kept.scan(title, number), np.any([one for one, _ in sides], axis=0))
    if not tried.size:
        return ChosenThresholds(why_not="no lesion lies in a brain mask")
    folds: list[ThresholdFold] = []
    found: dict[int, float] = {}
    for choosing, reported in sides:
        best, own = held_out_dice(dice, choosing, reported)
        folds.append(ThresholdFold(float(tried[best]), _who(people, choosing), _who(people, reported)))
        found |= dict(zip(np.array(numbers)[reported].tolist(), own.tolist(), strict=True))
    default = {number: _default_dice(title, kept, number, rows[number]) for number in sorted(found)}
    by_scan = {number: rows[number].key for number in sorted(found)}
    return ChosenThresholds(tuple(folds), {by_scan[one]: found[one] for one in by_scan}, {by_scan[one]: default[one] for one in by_scan})


def _who(people: Sequence[str], side: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(person for person, inside in zip(people, side, strict=True) if inside))


def _default_dice(title: str, kept: KeptScores, number: int, row: CohortRow) -> float:
    return float(dice_at(scan_curves(kept.scan(title, number)), np.array([row.figures.threshold]))[0])
