"""A threshold chosen on some scans and used on others: what a method gives where nobody has the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .curves import Curves
from .pooled import BrainScores, scan_curves
from .search import recall_thresholds

_MOST = 1000
"""Thresholds that are tried."""


def dice_at(curves: Curves, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dice at every threshold; 1 where nothing is flagged and there is nothing."""
    found = [curves.dice_at(float(value)) for value in thresholds]
    return np.array([1.0 if dice is None else dice for dice in found])


def held_out_dice(dice: NDArray[np.float64], choosing: NDArray[np.bool_], reported: NDArray[np.bool_]) -> tuple[int, NDArray[np.float64]]:
    """The threshold of the best mean Dice over some scans, and what it gives on others.

    Parameters
    ----------
    dice : array of float, shape (scans, thresholds)
    choosing, reported : array of bool, shape (scans,)
        They share no scan.

    Returns
    -------
    chosen, dice
        Number of the threshold, the first of equals; and the reported scans' Dice at it.
    """
    chosen = int(dice[choosing].mean(axis=0).argmax())
    return chosen, dice[reported, chosen]


def subject_folds(subjects: Sequence[str], folds: int, seed: int = 0) -> NDArray[np.int64]:
    """Which fold each scan is in, all scans of a subject in one.

    Subjects are shuffled and dealt out, so folds differ by one subject at most.

    Parameters
    ----------
    subjects : sequence of str
        Of each scan.
    folds : int
    seed : int

    Returns
    -------
    array of int, shape (scans,)
        From 0. It depends on who the subjects are, not on the order of the scans.

    Raises
    ------
    InputError
        If there are fewer than two folds, or fewer subjects than folds.
    """
    people = sorted(set(subjects))
    if folds < 2 or len(people) < folds:
        why = f"{len(people)} subjects with a ground truth cannot be dealt into {folds} folds"
        raise InputError("Folds by subject", why=why, fix="Give at least 2 folds, and no more than there are such subjects")
    fold = dict(zip((people[place] for place in np.random.default_rng(seed).permutation(len(people))), range(len(people)), strict=True))
    return np.array([fold[subject] % folds for subject in subjects], np.int64)


def dice_table(
    numbers: Sequence[int], load: Callable[[int], BrainScores], choosing: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dice of scans at the thresholds worth trying, one scan in memory at a time.

    Thresholds lie just below scores of lesions: between two of these, a lower threshold only adds false alarms. Of each choosing scan 100
    are taken, evenly over its lesion's voxels, so that neither unit nor scale of the score matters and large lesions do not crowd out
    small ones; of all these, `_MOST` are kept, evenly.

    Parameters
    ----------
    numbers : sequence of int
        The scans, each with a lesion.
    load : callable
        From a number to its scores.
    choosing : array of bool, shape (scans,)
        Those whose lesions thresholds are taken from.

    Returns
    -------
    thresholds : array of float, shape (n,)
        Ascending.
    dice : array of float, shape (scans, n)
    """
    levels = [_levels(load(number)) for number, used in zip(numbers, choosing, strict=True) if used]
    every = np.unique(np.concatenate(levels)) if levels else np.zeros(0)
    if not every.size:
        return np.zeros(0), np.zeros((len(numbers), 0))
    thresholds = every[np.unique(np.linspace(0, every.size - 1, min(_MOST, every.size)).round().astype(int))]
    return thresholds, np.array([dice_at(scan_curves(load(number)), thresholds) for number in numbers])


def _levels(scan: BrainScores) -> NDArray[np.float64]:
    return recall_thresholds(scan.score, scan.truth)
