"""Thresholds chosen on some scans and used on others, against the same written out plainly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.chosen_thresholds import dice_table, held_out_dice, subject_folds
from napari_brain_uad.evaluation.pooled import BrainScores


def _scan(seed: int, size: int, missed: int = 0) -> BrainScores:
    rng = np.random.default_rng(seed)
    truth = np.arange(400) < size
    return BrainScores((rng.normal(size=400) + 1.5 * truth).astype(np.float32), truth, np.zeros(400, np.uint16), missed)


def test_a_subject_lies_in_one_fold() -> None:
    subjects = [f"s{number % 11}" for number in range(33)]
    fold = subject_folds(subjects, 4, seed=1)
    of = {subject: set(fold[[one == subject for one in subjects]].tolist()) for subject in subjects}
    assert all(len(own) == 1 for own in of.values())
    assert sorted(Counter(min(own) for own in of.values()).values()) == [2, 3, 3, 3]
    backwards = subject_folds(subjects[::-1], 4, seed=1)
    assert (backwards[::-1] == fold).all()  # who they are counts, not their order
    assert any((subject_folds(subjects, 4, seed=seed) != fold).any() for seed in (2, 3))
    for folds in (1, 12):
        with pytest.raises(InputError, match="11 subjects"):
            subject_folds(subjects, folds)


def test_dice_at_every_threshold_and_the_best_on_others() -> None:
    scans = {0: _scan(0, 40), 3: _scan(1, 90, missed=7), 4: _scan(2, 15), 9: _scan(3, 60)}
    loaded: list[int] = []

    def load(number: int) -> BrainScores:
        loaded.append(number)
        return scans[number]

    choosing = np.array([True, True, False, False])
    thresholds, dice = dice_table(list(scans), load, choosing)
    assert (np.diff(thresholds) > 0).all()
    assert Counter(loaded) == {0: 2, 3: 2, 4: 1, 9: 1}  # what is reported says nothing of which thresholds are tried
    for row, scan in zip(dice, scans.values(), strict=True):
        flagged = scan.score[None] > thresholds[:, None].astype(np.float32)
        tp = (flagged & scan.truth).sum(axis=1)
        assert np.allclose(row, 2 * tp / (flagged.sum(axis=1) + scan.truth.sum() + scan.missed))
    best, own = held_out_dice(dice, choosing, ~choosing)
    every = np.unique(np.concatenate([scan.score for scan in scans.values()]))
    means = [np.mean([_dice(scans[number], at) for number in (0, 3)]) for at in every]
    assert dice[:2, best].mean() == pytest.approx(max(means), abs=0.01)  # some hundred thresholds come close to all there are
    assert own == pytest.approx([_dice(scans[number], thresholds[best]) for number in (4, 9)])


def _dice(scan: BrainScores, threshold: float) -> float:
    flagged = scan.score > np.float32(threshold)
    return 2 * int((flagged & scan.truth).sum()) / (int(flagged.sum()) + int(scan.truth.sum()) + scan.missed)


def test_only_the_choosing_scans_choose() -> None:
    dice = np.array([[0.9, 0.1, 0.9], [0.7, 0.2, 0.7], [0.1, 0.9, 0.3]])
    best, own = held_out_dice(dice, np.array([True, True, False]), np.array([False, False, True]))
    assert (best, own.tolist()) == (0, [0.1])  # the first of equals, although the reported scan would like the second


def test_no_lesion_in_any_brain() -> None:
    outside = BrainScores(np.zeros(5, np.float32), np.zeros(5, bool), np.zeros(5, np.uint16), 9)
    thresholds, dice = dice_table([0], lambda _: outside, np.array([True]))
    assert (thresholds.size, dice.shape) == (0, (1, 0))
