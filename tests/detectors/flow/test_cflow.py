"""CFLOW-AD: its flow against autograd and a count by hand, its loss on an example, and its scores against the published formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.flow.cflow import CFlow, CFlowParams, CFlowTraining
from napari_brain_uad.detectors.flow.conditional import POSITION, ConditionalFlow
from napari_brain_uad.detectors.flow.flow_task import FlowTask
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw

SIDE, LEVELS = 32, (1, 2)


def test_the_likelihood_of_a_wider_flow_is_that_of_the_change_of_variables() -> None:
    torch.manual_seed(0)
    flow = ConditionalFlow(5, 2, 1.9, widening=2)
    for weights in flow.parameters():
        if weights.requires_grad:
            weights.data += 0.3 * torch.randn_like(weights)
    flow = flow.double()
    place = torch.tensor([[0.3, -1.0, 0.7, 2.0, -0.2, 4.0, 1.0]]).double()
    latents, found = (part.detach() for part in flow(place))
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(torch.cat([x, place[0, 5:]])[None])[0][0], place[0, :5])
    normal = -0.5 * float(latents.square().sum()) - 2.5 * math.log(2 * math.pi)
    assert float(found) == pytest.approx((normal + float(torch.linalg.slogdet(jacobian)[1])) / 5, abs=1e-6)


def test_the_flows_of_the_paper_preset_have_as_many_weights_as_counted_by_hand() -> None:
    """Eight blocks a level: a perceptron of two layers, scale and offset of all features, and a rotation with its inverse."""
    expected = 0
    for features in (512, 1024, 2048):
        into, scaled = features // 2 + POSITION, 2 * (features // 2)
        perceptron = into * 2 * into + 2 * into + 2 * into * scaled + scaled
        expected += 8 * (perceptron + 2 * features + 2 * features**2)
    assert CFlow(CFlowParams.preset("paper")).parameter_count() == expected


def test_the_loss_is_the_log_sigmoid_of_the_log_likelihood() -> None:
    found = torch.tensor([-2.0, 0.5, 3.0])
    task = FlowTask(torch.nn.Identity, "none", 0.0, bounded=True)
    batch = Batch(torch.zeros(3, 4), torch.ones(3, dtype=torch.bool), torch.arange(3))
    losses = task.loss(lambda places: (places, found), batch, BatchDraw(0, 0, 0, 3))  # type: ignore[arg-type]
    assert float(losses["loss"]) == pytest.approx(sum(math.log1p(math.exp(-one)) for one in (-2.0, 0.5, 3.0)) / 3)


def _filled(seed: int) -> Volume:
    """A block that is brain throughout, and as large as a slice: nothing is resampled or left out."""
    rng = np.random.default_rng(seed)
    data = rng.random((SIDE, SIDE, 2), np.float32)
    return Volume(data, Grid(data.shape, np.eye(4)), name=f"block-{seed}", mask=np.ones(data.shape, bool))


@pytest.fixture(scope="module")
def fitted() -> CFlow:
    params = CFlowParams(height=SIDE, width=SIDE, pixel_mm=1.0, step_mm=1.0, levels=LEVELS, blocks=1, smoothing_mm=0.0)
    detector = CFlow(params)
    detector.fit([_filled(0)], seed=0, progress=Progress(), training=CFlowTraining(steps=3, batch_size=16, learning_rate=0.01))
    return detector


def _likelihoods(detector: CFlow, images: torch.Tensor) -> list[torch.Tensor]:
    """Log-likelihoods (S, 1, h, w) of the levels, place by place."""
    levels = []
    for level, features in zip(LEVELS, detector.backbone().features(images, LEVELS), strict=True):
        flow = detector.network(f"flow{level}").eval()
        found = torch.zeros(len(images), 1, *features.shape[-2:])
        for row in range(features.shape[2]):
            for column in range(features.shape[3]):
                where = torch.tensor([[float(row), float(column)]]).expand(len(images), 2)
                found[:, 0, row, column] = flow(torch.cat([features[:, :, row, column], where], dim=1))[1]
        levels.append(found)
    return levels


@torch.no_grad()
@pytest.mark.parametrize("score", ["likelihood", "paper"])
def test_the_scores_are_those_of_the_published_formula(fitted: CFlow, score: str) -> None:
    """The paper's: p of each level relative to the likeliest place, at the pixels; the largest sum of the levels minus the sum."""
    detector = CFlow(replace(fitted.params, score=score))
    detector.load_state(fitted.state())
    volume = _filled(1)
    cut = detector.cut(volume)
    assert cut.slices.mask.all()
    likely = _likelihoods(detector, torch.from_numpy(cut.slices.data)[:, None])

    def at_pixels(maps: torch.Tensor) -> np.ndarray:
        return functional.interpolate(maps, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0].numpy()

    found = detector._pixel_scores(cut, 0, Progress())
    if score == "likelihood":
        expected = sum(at_pixels(-level) for level in likely) / len(LEVELS)
    else:
        total = sum(at_pixels(torch.exp(level - level.max())) for level in likely)
        expected = (total.max() - total) / len(LEVELS)
        expected += (found - expected).mean()  # the same for all places
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_levels_have_to_ascend() -> None:
    with pytest.raises(InputError, match="ascend"):
        CFlow(CFlowParams(levels=(3, 2)))
