"""BGAD: the loss of its flows by hand, on examples; and what it learns from known anomalies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.flow.bgad import BGAD, BGADParams
from napari_brain_uad.detectors.flow.cflow import CFlow, CFlowParams, CFlowTraining
from napari_brain_uad.detectors.flow.known import PairedPlaces
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw
from napari_brain_uad.training.session import LabelledScan, TrainingSession
from napari_brain_uad.training.sources import ArraySamples

HEALTHY, ABNORMAL = [0.0] + 20 * [1.0], 20 * [-3.0] + [0.95]
"""Log-likelihoods that a flow gives."""
LOSS = (math.log(2.0) + 20 * math.log1p(math.exp(-1.0))) / 21 + 0.1 / 21 + 0.095
"""The boundary of 5 % is the second of 21 in order, 1, a tenth of it 0.1. One healthy feature lacks 0.1; one other does not lie below 0."""
SIDE = 32
LESION = (slice(8, 20), slice(4, 16), slice(1, 3))
PARAMS = BGADParams(height=SIDE, width=SIDE, pixel_mm=1.0, step_mm=1.0, levels=(1, 2), blocks=1, smoothing_mm=0.0)
SHORT = CFlowTraining(steps=20, batch_size=64, learning_rate=0.01)


def _flow(told: list[tuple[torch.Tensor, ...]]) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    def network(*given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        told.append(given)
        return given[0], torch.tensor(HEALTHY + ABNORMAL)

    return network


def test_healthy_features_are_pulled_above_the_boundary_and_noisy_ones_pushed_below_it() -> None:
    told: list[tuple[torch.Tensor, ...]] = []
    batch = Batch(torch.zeros(21, 42), torch.ones(21, dtype=torch.bool), torch.arange(21))
    task = BGAD(BGADParams(noise=2.0))._task(2, [])
    losses = task.loss(_flow(told), batch, BatchDraw(0, 0, 21, 21))  # type: ignore[arg-type]
    assert float(losses["loss"]) == pytest.approx(LOSS, abs=1e-6)
    noise = told[0][1]
    assert not noise[:21].any()
    assert float(noise[21:].std()) == pytest.approx(2.0, rel=0.1)
    assert noise.shape == (42, 40)


def test_known_anomalies_are_pushed_below_it_without_noise() -> None:
    told: list[tuple[torch.Tensor, ...]] = []
    healthy, abnormal = torch.rand(21, 42), -torch.rand(21, 42)
    batch = Batch(torch.cat([healthy, abnormal], dim=1), torch.ones(21, dtype=torch.bool), torch.arange(21))
    samples = ArraySamples(np.zeros((3, 42), np.float16))
    kept = {(id(known := [_labelled(0)]), 0): np.ones((2, 42), np.float16)}
    stage = BGAD(BGADParams(levels=(2,)))._flow(0, kept)
    assert stage.known is not None
    assert len(stage.known(samples, known, Progress())) == 3
    losses = stage.task({}).loss(_flow(told), batch, BatchDraw(0, 0, 21, 21))  # type: ignore[arg-type]
    assert float(losses["loss"]) == pytest.approx(LOSS, abs=1e-6)
    assert len(told[0]) == 1
    assert torch.equal(told[0][0], torch.cat([healthy, abnormal]))


def test_known_anomalies_are_alike_in_number() -> None:
    healthy, abnormal = np.arange(10.0).reshape(5, 2), np.array([[-1.0, -1.0], [-2.0, -2.0]])
    paired = PairedPlaces(ArraySamples(healthy), abnormal)
    assert len(paired) == 5
    assert paired.images([4, 1]).tolist() == [[8.0, 9.0, -1.0, -1.0], [2.0, 3.0, -2.0, -2.0]]
    assert sorted(paired.images(range(5))[:, 2]) == [-2.0, -2.0, -1.0, -1.0, -1.0]
    assert paired.brain([0, 3]).tolist() == [True, True]


def _scan(seed: int, *, lesion: bool = False) -> Volume:
    data = np.random.default_rng(seed).uniform(0.3, 0.5, (SIDE, SIDE, 4)).astype(np.float32)
    data[LESION] += 0.2 if lesion else 0.0
    data[0, 0], data[-1, -1] = 0.0, 1.0  # what becomes 0 and 1 is the same in all
    return Volume(data, Grid(data.shape, np.eye(4)), name=f"block-{seed}", mask=np.ones(data.shape, bool))


def _labelled(seed: int) -> LabelledScan:
    truth = np.zeros((SIDE, SIDE, 4), bool)
    truth[LESION] = True
    return LabelledScan(_scan(seed, lesion=True), truth)


def test_only_places_of_lesions_are_learned_from() -> None:
    """Places of 4 and 8 pixels: rows run to anterior (j), columns to the right (i)."""
    first, second = BGAD(PARAMS)._of_anomalies([_labelled(0), _labelled(1)], Progress())
    for found, size in ((first, 4), (second, 8)):
        rows, columns = np.unique(found[:, -2]), np.unique(found[:, -1])
        assert rows.tolist() == list(range(4 // size, -(-16 // size)))
        assert columns.tolist() == list(range(8 // size, -(-20 // size)))
        assert len(found) == 2 * 2 * len(rows) * len(columns)  # two slices of two scans


def test_what_is_known_becomes_less_likely() -> None:
    scores = []
    for known in ([], [_labelled(3)]):
        detector = BGAD(replace(PARAMS, levels=(1,)))
        detector.fit([_scan(0)], progress=Progress(), training=SHORT, session=TrainingSession(known=known))
        amap = detector.score(_scan(9, lesion=True), seed=0, progress=Progress())
        inside = np.zeros(amap.mask.shape, bool)
        inside[LESION] = True
        scores.append(amap.score[inside].mean() - amap.score[~inside].mean())
    assert scores[1] > scores[0] + 0.05


def test_anomalies_that_no_place_shows_are_refused() -> None:
    scan = _labelled(0)
    tiny = LabelledScan(scan.volume, np.zeros_like(scan.truth))
    tiny.truth[3, 3, 1] = True
    with pytest.raises(InputError, match="too small"):
        BGAD(PARAMS).fit([_scan(0)], progress=Progress(), training=SHORT, session=TrainingSession(known=[tiny]))


def test_other_methods_learn_from_healthy_scans_alone() -> None:
    with pytest.raises(InputError, match="healthy scans alone"):
        CFlow(CFlowParams()).fit([_scan(0)], progress=Progress(), session=TrainingSession(known=[_labelled(0)]))


def test_a_truth_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        LabelledScan(_scan(0), np.zeros((2, 2, 2), bool))
