"""REFLECT: what is put into latents, the velocity that is learned, the straight step, and its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images
from scipy import ndimage

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.diffusion.reflect import Reflect, ReflectParams, ReflectTraining
from napari_brain_uad.detectors.diffusion.reflect_task import Correction, RectifiedFlowTask, correction_score, corrupted
from napari_brain_uad.detectors.nets.latent_autoencoder import LatentAutoencoder
from napari_brain_uad.scoring.registry import SCORES
from napari_brain_uad.training.draws import BatchDraw, SampleDraw


class Flow(torch.nn.Module):
    """Latents are 10 times the image; the velocity is what a function says, and what is asked is noted."""

    def __init__(self, velocity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.velocity, self.asked = velocity, list[tuple[torch.Tensor, torch.Tensor]]()

    def forward(self, given: torch.Tensor, times: torch.Tensor | None = None) -> torch.Tensor:
        if times is None:
            return 10 * given[:, :, ::4, ::4]
        self.asked.append((given, times))
        return self.velocity(given, times)


class Autoencoder(torch.nn.Module):
    """Latents a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.AvgPool2d(4)
        self.decoder = torch.nn.Upsample(scale_factor=4)


def test_the_velocity_leads_straight_from_corrupted_to_healthy() -> None:
    flow, batch = Flow(lambda given, times: torch.zeros_like(given)), batch_of_images(torch.rand(64, 1, 32, 32))
    loss = RectifiedFlowTask(torch.nn.Identity).loss(flow, batch, BatchDraw(5, 0, 64, 64))["loss"]
    healthy = 10 * batch.images[:, :, ::4, ::4]
    draw = BatchDraw(5, 0, 64, 64)
    corrupt, times = corrupted(healthy, batch.brain, draw), draw.uniform((64,))
    given, told = flow.asked[0]
    assert torch.equal(told, times)
    share = times[:, None, None, None]
    assert torch.allclose(given, (1 - share) * corrupt + share * healthy, atol=1e-4)
    assert float(loss) == pytest.approx(float((healthy - corrupt).square().mean()), rel=1e-4)
    assert float(loss) > 0.1


def test_places_in_the_brain_are_mixed_with_noise_or_other_latents() -> None:
    count = 400
    shown = np.zeros((count, 48, 48), bool)
    shown[:, 8:40, 12:36] = True
    healthy = torch.full((count, 2, 12, 12), 3.0)  # constant: what comes from elsewhere in the slice is the same
    found = corrupted(healthy, torch.from_numpy(shown), BatchDraw(1, 0, count, count))
    changed = (found != healthy).any(dim=1)
    assert not changed[:, :2].any()
    assert not changed[:, :, 9:].any()
    assert changed[:, 2:10, 3:9].any(dim=0).all()
    share = float(changed.flatten(1).any(dim=1).float().mean())
    assert 0.85 < share < 0.95  # one in ten is left as it is
    # sqrt(1 - m) z + sqrt(m) z where z was put in: at least z, at most sqrt(2) z; with noise, mostly less.
    mixed = found[:, 0][changed]
    foreign = (mixed >= 3.0 - 1e-4) & (mixed <= 3.0 * 2**0.5 + 1e-4)
    assert 0.35 < float(foreign.float().mean()) < 0.75
    assert float(mixed[foreign].max()) > 3.0 * 2**0.5 - 0.1  # both at half of the variance
    assert float(mixed.min()) < 1.0


def test_the_noise_of_a_place_has_a_part_in_common() -> None:
    healthy = torch.zeros((600, 1, 16, 16))  # what comes from elsewhere is 0, too
    found = corrupted(healthy, torch.ones((600, 64, 64), dtype=torch.bool), BatchDraw(2, 0, 600, 600))
    places = [one[0][one[0] != 0] for one in found if int((one != 0).sum()) > 20]
    within = torch.stack([place.var() for place in places]).mean()
    among = torch.stack([place.mean() for place in places]).var()
    # Opacities of 0.6 in the mean, half of the variance in common.
    assert float(within + among) == pytest.approx(0.6, abs=0.2)
    assert 0.1 < float(among) < 0.5


def test_one_straight_step_and_several() -> None:
    batch = batch_of_images(torch.rand(2, 1, 16, 16))
    latents = torch.nn.functional.avg_pool2d(batch.images, 4)
    flow = Flow(lambda given, times: given * (1 + times[:, None, None, None]))
    once = Correction(Autoencoder(), 1).found(flow, batch, Progress())
    assert torch.allclose(once.healthy, 2 * latents)
    assert torch.allclose(once.reconstruction, 2 * once.images)
    assert torch.allclose(once.images[:, :, ::4, ::4], latents)
    twice = Correction(Autoencoder(), 2).found(flow, batch, Progress())
    assert torch.allclose(twice.healthy, latents * 1.5 * 1.75)
    assert [float(times[0]) for _, times in flow.asked] == [0.0, 0.0, 0.5]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_score_is_the_mean_of_both_changes(share: float) -> None:
    batch = batch_of_images(torch.rand(1, 1, 32, 32))
    flow = Flow(lambda given, times: -given.square())
    correction = Correction(Autoencoder(), 1)
    scorer = correction_score(SCORES["l1"], correction, share=share, most=0.4, latent_sigma=1.0, image_sigma=1.5)
    found = scorer(flow, batch, SampleDraw(0, [0]), Progress())[0].numpy()
    latents = batch.images[0, 0].numpy().reshape(8, 4, 8, 4).mean(axis=(1, 3))
    change = np.minimum(latents**2, 0.4) / 0.4
    images = ndimage.gaussian_filter(np.kron(change, np.ones((4, 4))), 1.5, mode="nearest", radius=6)
    at = (np.arange(32) + 0.5) / 4 - 0.5
    smooth = ndimage.gaussian_filter(change, 1.0, mode="nearest", radius=4)
    large = ndimage.map_coordinates(smooth, np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")
    np.testing.assert_allclose(found, (1 - share) * images + share * large, atol=2e-4)


def test_the_flow_has_the_encoder_that_was_trained_before_it() -> None:
    detector = Reflect(ReflectParams.preset("tiny"))
    torch.manual_seed(0)
    autoencoder = detector._autoencoder()
    state = {f"autoencoder.{name}": tensor.numpy() for name, tensor in autoencoder.state_dict().items()}
    flow, images = detector._flow(state).build(), torch.rand(2, 1, 32, 32)
    assert torch.allclose(flow(images), autoencoder.eval().encoder(images), atol=1e-5)
    assert not any("encoder" in name for name in flow.state_dict())
    with pytest.raises(RuntimeError, match="no encoder"):
        detector._task().build()(images)


def test_latents_of_the_paper_are_an_eighth_of_the_slice_and_on_one_scale() -> None:
    p = ReflectParams.preset("paper")
    with torch.device("meta"):
        autoencoder = LatentAutoencoder(1, p.maps, p.latent)
        assert autoencoder.encoder(torch.rand(1, 1, 128, 128)).shape == (1, 4, 16, 16)
        assert autoencoder(torch.rand(1, 1, 128, 128)).reconstruction.shape == (1, 1, 128, 128)
    small = LatentAutoencoder(1, (8, 16), 3).train()
    latents = small.encoder(torch.rand(8, 1, 32, 32))
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(latents.var(dim=(0, 2, 3)), torch.ones(3), atol=0.05)


def test_the_autoencoder_may_have_steps_of_its_own() -> None:
    detector = Reflect(ReflectParams.preset("tiny"))
    first, second = detector.stages()
    for given, expected in ((0, 500), (70, 70)):
        how = replace(ReflectTraining(), steps=500, autoencoder_steps=given)
        assert first.training is not None  # type: ignore[union-attr]
        assert first.training(how).steps == expected  # type: ignore[union-attr]
    assert second.training is None  # type: ignore[union-attr]
