"""Papers' aggregations against the same written out plainly, with scikit-learn and scikit-image."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from sklearn.metrics import average_precision_score, roc_auc_score

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.evaluation.pooled import BrainScores
from napari_brain_uad.evaluation.protocols import PROTOCOLS, measured, parse_protocols

Map = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]


def _maps(count: int = 7) -> list[Map]:
    """Scores of different scales, lesions of different sizes, the last scan without one; all truth inside the brain."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        shape = (9, 8, 6)
        brain = np.zeros(shape, bool)
        brain[1:-1, 1:-1, 1:-1] = True
        truth = np.zeros(shape, bool)
        if number < count - 1:
            truth[2 : 4 + number % 3, 2:5, 2 : 3 + number % 3] = True
        score = (rng.normal(size=shape) + 2.0 * truth) * (1 + number) + number
        made.append((score.astype(np.float32), truth, brain))
    return made


def _scans(maps: list[Map]) -> list[BrainScores]:
    return [BrainScores.of(*one) for one in maps]


def _dice(flagged: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both = flagged.sum() + truth.sum()
    return 2 * float((flagged & truth).sum()) / both if both else 1.0


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def test_the_data_set_as_one_scan_over_a_hundred_thresholds() -> None:
    maps = _maps()
    score = np.concatenate([score[brain] for score, _, brain in maps])
    truth = np.concatenate([truth[brain] for _, truth, brain in maps])
    found = PROTOCOLS["flair-threshold"].measure(_scans(maps))
    assert found["AUPRC"] == pytest.approx(average_precision_score(truth, score))
    assert found["AUROC"] == pytest.approx(roc_auc_score(truth, score))
    assert found["best Dice"] == pytest.approx(max(_dice(score > value, truth) for value in np.linspace(score.min(), score.max(), 100)))


def test_the_data_set_scan_by_scan_is_exactly_the_data_set_at_once() -> None:
    # Ties between scans, truth outside of the brain, a scan without a lesion and one without a brain.
    rng = np.random.default_rng(8)
    scans = []
    for number in range(6):
        truth = rng.random(900) < 0.1 * (number != 3)
        score = np.round(rng.normal(size=900) * 20 + 9 * truth).astype(np.float32) / 8
        inside = slice(0 if number == 4 else None)
        scans.append(BrainScores(score[inside], truth[inside], np.zeros(900, np.uint16)[inside], number % 3))
    missed = sum(scan.missed for scan in scans)
    score = np.concatenate([*(scan.score for scan in scans), np.full(missed, -1e6, np.float32)])
    truth = np.concatenate([*(scan.truth for scan in scans), np.ones(missed, bool)])
    whole = Curves(score, truth)
    tried = np.linspace(score[: score.size - missed].min(), score.max(), 100)
    best = max(whole.dice_at(value) or 0.0 for value in tried)
    found = PROTOCOLS["flair-threshold"].measure(scans)
    assert found == {"AUPRC": whole.average_precision, "AUROC": whole.auroc, "best Dice": best}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_memory_of_a_protocol_does_not_grow_with_the_cohort(name: str) -> None:
    class Made:
        def __init__(self, count: int) -> None:
            self.count = count

        def __iter__(self) -> Iterator[BrainScores]:
            for number in range(self.count):
                truth = np.arange(20_000) < 1000
                score = np.round(np.random.default_rng(number).normal(size=truth.size) * 50 + 50 * truth).astype(np.float32)
                yield BrainScores(score, truth, np.repeat(np.arange(4, dtype=np.uint16), 5000), 0)

    peaks = []
    for count in (3, 15):
        tracemalloc.start()
        found = PROTOCOLS[name].measure(Made(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert None not in found.values()
    assert peaks[1] < 1.1 * peaks[0]


def test_volumes_one_by_one_and_slices_together() -> None:
    maps = _maps()
    areas, precisions, best, peaks, ill = [], [], [], [], []
    for score, truth, brain in maps:
        own = score[brain]
        scaled = (score - own.min()) / (own.max() - own.min())
        for k in np.flatnonzero(brain.any(axis=(0, 1))):
            peaks.append(scaled[:, :, k][brain[:, :, k]].max())
            ill.append(bool((truth & brain)[:, :, k].any()))
        if truth.any():
            areas.append(roc_auc_score(truth[brain], own))
            precisions.append(average_precision_score(truth[brain], own))
            best.append(max(_dice(own >= value, truth[brain]) for value in own))
    found = PROTOCOLS["simple-slice-net"].measure(_scans(maps))
    assert found["voxel AUROC"] == pytest.approx(_mean(areas))
    assert found["voxel AUPRC"] == pytest.approx(_mean(precisions))
    assert found["voxel best Dice"] == pytest.approx(_mean(best))
    assert found["slice AUROC"] == pytest.approx(roc_auc_score(ill, peaks))
    assert found["slice AUPRC"] == pytest.approx(average_precision_score(ill, peaks))
    assert found["slice best Dice"] == pytest.approx(max(_dice(np.array(peaks) >= value, np.array(ill)) for value in peaks))
    # Figures of slices see the scale of each volume alone.
    louder = [(np.float32(100) * score + np.float32(7), truth, brain) for score, truth, brain in maps]
    assert PROTOCOLS["simple-slice-net"].measure(_scans(louder)) == pytest.approx(found, abs=1e-5)


def test_one_threshold_from_the_other_scans() -> None:
    maps = _maps()
    tried = np.linspace(min(s[b].min() for s, _, b in maps), max(s[b].max() for s, _, b in maps), 100)
    dice = np.array([[_dice(score[brain] > value, truth[brain]) for value in tried] for score, truth, brain in maps])
    folds = np.arange(7) % 5
    own, spread = [], []
    for fold in range(5):
        chosen = dice[folds != fold].mean(axis=0).argmax()
        own += list(dice[folds == fold, chosen])
        spread.append(dice[folds == fold, chosen].mean())
    found = PROTOCOLS["pddpm"].measure(_scans(maps))
    assert found["Dice"] == pytest.approx(_mean(own))
    assert found["Dice, spread over folds"] == pytest.approx(np.std(spread))
    with_truth = [one for one in maps if one[1].any()]
    assert found["AUPRC"] == pytest.approx(
        _mean([average_precision_score(truth[brain], score[brain]) for score, truth, brain in with_truth])
    )
    assert PROTOCOLS["pddpm"].measure(_scans(maps[:1]))["Dice"] is None, "one scan has no others"


def test_otsu_slice_by_slice() -> None:
    maps = _maps()
    wanted = []
    for score, truth, brain in maps:
        flagged = np.zeros(brain.shape, bool)
        for k in np.flatnonzero(brain.any(axis=(0, 1))):
            flagged[:, :, k] = brain[:, :, k] & (score[:, :, k] > threshold_otsu(score[:, :, k][brain[:, :, k]]))
        wanted.append(_dice(flagged, truth))
    assert PROTOCOLS["strega"].measure(_scans(maps))["Dice"] == pytest.approx(_mean(wanted))


def test_of_prepared_slices_alone_truth_elsewhere_does_not_count() -> None:
    maps = _maps()
    outside = [(score, truth | (np.indices(truth.shape)[0] == 0), brain) for score, truth, brain in maps]
    assert PROTOCOLS["flair-threshold-slices"].measure(_scans(outside)) == PROTOCOLS["flair-threshold"].measure(_scans(maps))


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "flair-threshold-slices"])
def test_truth_outside_the_brain_costs_every_protocol(name: str) -> None:
    maps = _maps()
    outside = [(score, truth | (np.indices(truth.shape)[0] == 0), brain) for score, truth, brain in maps[:-1]]
    inside, missed = PROTOCOLS[name].measure(_scans(maps[:-1])), PROTOCOLS[name].measure(_scans(outside))
    # By pddpm's protocol the threshold moves, too, and another one may happen to suit a scan better.
    voxelwise = [key for key in inside if "slice" not in key and "spread" not in key and (name, key) != ("pddpm", "Dice")]
    assert voxelwise
    assert all((missed[key] or 0) < (inside[key] or 0) for key in voxelwise)


def test_scans_without_any_lesion_have_no_figures() -> None:
    score, _, brain = _maps()[0]
    healthy = _scans([(score, np.zeros(brain.shape, bool), brain)] * 2)
    found = measured(healthy, list(PROTOCOLS.values()))
    assert {value for figures in found.values() for value in figures.values()} == {None}
    ill = measured([*healthy, *_scans(_maps()[:1])], list(PROTOCOLS.values()))
    assert {name: list(figures) for name, figures in ill.items()} == {name: list(figures) for name, figures in found.items()}
    assert None not in {value for figures in ill.values() for value in figures.values()}


def test_names_are_read() -> None:
    assert [one.id for one in parse_protocols("pddpm, strega,pddpm")] == ["pddpm", "strega"]
    assert [one.id for one in parse_protocols("all")] == list(PROTOCOLS)
    for text in ("pdpm", "", ","):
        with pytest.raises(InputError, match=r"(?s)no protocol.*simple-slice-net"):
            parse_protocols(text)
