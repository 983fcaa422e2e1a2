"""AE-FLOW: the flow over whole slices against autograd, loss and score by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone, network_class
from napari_brain_uad.detectors.flow.ae_flow import AEFlow, AEFlowParams
from napari_brain_uad.detectors.flow.ae_flow_network import AEFlowTask, FlowAutoencoder, FlowShape, SpatialFlow
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def _flow(*, standardise: bool) -> SpatialFlow:
    torch.manual_seed(0)
    made = SpatialFlow(3, 2, 1.9, standardise=standardise)
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(0.3 * torch.randn_like(weights) if weights.requires_grad else 0.0)
    return made.eval()


def test_the_likelihood_is_that_of_the_change_of_variables() -> None:
    """The log-determinant from the whole Jacobian, of each of two slices of 2 x 3 places and 3 features."""
    flow, features = _flow(standardise=False), torch.randn(2, 3, 2, 3)
    latents, likely = (found.detach() for found in flow(features))
    for number in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0].flatten(), features[number])
        determinant = np.linalg.slogdet(jacobian.reshape(18, 18).double().numpy())[1]
        normal = -0.5 * float(latents[number].square().sum()) - 9 * np.log(2 * np.pi)
        assert float(likely[number]) == pytest.approx((normal + determinant) / 18, abs=1e-5)


def test_the_flow_goes_back() -> None:
    flow, features = _flow(standardise=False), torch.randn(2, 3, 4, 5)
    latents = flow(features)[0]
    for block in reversed(flow.blocks):
        (latents,), _ = block((latents,), rev=True)
    np.testing.assert_allclose(latents.detach(), features, atol=1e-4)


def test_features_are_brought_to_one_scale_by_running_statistics() -> None:
    flow = _flow(standardise=True)
    assert isinstance(flow.scale, torch.nn.BatchNorm2d)
    flow.scale.running_mean, flow.scale.running_var = torch.full((3,), 4.0), torch.full((3,), 9.0)
    features = torch.randn(1, 3, 2, 2)
    plain = _flow(standardise=False)
    np.testing.assert_allclose(flow(features)[0].detach(), plain((features - 4.0) / 3.0)[0].detach(), atol=1e-4)


@pytest.fixture
def task() -> AEFlowTask:
    """Its backbone has weights by chance: no file is needed."""
    torch.manual_seed(1)
    found = AEFlowTask("resnet18", "", FlowShape(2, 1, 1.9, True), 0.3)
    found._teacher = Backbone(BACKBONES["resnet18"], network_class(BACKBONES["resnet18"])().eval().requires_grad_(False), "")
    return found


def _batch() -> Batch:
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.ones(2, 32, 32, dtype=torch.bool), torch.arange(2))


def test_the_loss_weighs_likelihood_and_error(task: AEFlowTask) -> None:
    network, batch = task.build().eval(), _batch()
    _, likely, made = network(task.features(batch.images, (2,))[0])
    expected = -0.3 * likely.mean() + 0.7 * (made - batch.images).square().mean()
    losses = task.loss(network, batch, BatchDraw(0, 0, 2, 2))
    assert float(losses["loss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert made.shape == batch.images.shape


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_score_adds_up_both_parts(task: AEFlowTask, share: float) -> None:
    network, images, backbone = task.build().eval(), _batch().images, task._teacher
    assert backbone is not None
    with torch.no_grad():
        latents, _, made = network(backbone.features(images, (2,))[0])
    odd = 1.0 - np.exp(-0.5 * (latents.numpy() ** 2).mean(axis=1))
    assert odd.shape == (2, 4, 4)
    # Pixel 12 lies at place 1.0625 of the 4, pixel 27 at 2.9375.
    rows, columns = (0.9375, 0.0625), (0.0625, 0.9375)
    place = sum(rows[r] * columns[c] * odd[:, 1 + r, 2 + c] for r in (0, 1) for c in (0, 1))
    error = (made - images).square()[:, 0, 12, 27].numpy()
    found = task.scores(network, backbone, share, images)[:, 12, 27]
    np.testing.assert_allclose(found, share * place + (1 - share) * error, atol=1e-5)


def test_the_paper_preset_has_as_many_weights_as_counted_by_hand() -> None:
    half, whole = 512, 1024
    block = 2 * whole * whole + 2 * whole + (half * half * 9 + half) + (half * whole * 9 + whole)
    decoder = sum(before * after * 9 + 2 * after for before, after in ((1024, 512), (512, 256), (256, 128), (128, 64))) + 64 * 9 + 1
    assert AEFlow(AEFlowParams.preset("paper")).parameter_count() == 8 * block + decoder
    assert FlowAutoencoder(32, 3, 1, 1.9, standardise=True).decoder[-1].in_channels == 16
