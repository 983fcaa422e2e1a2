"""Chains that come back to the scan: RePaint's resampling, masks that are stitched in, and temporal harmonization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.diffusion.auto_ddpm import AutoDDPM, AutoDDPMParams
from napari_brain_uad.detectors.diffusion.process import Process
from napari_brain_uad.detectors.diffusion.stitching import region
from napari_brain_uad.detectors.diffusion.thor import THOR, THORParams
from napari_brain_uad.scoring.likelihood import harmonic, likelihood
from napari_brain_uad.training.draws import SampleDraw


class Network(torch.nn.Module):
    """Gives what a function makes of noisy images and time steps, and notes the time steps."""

    def __init__(self, give: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.give, self.asked = give, list[int]()

    def forward(self, images: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        self.asked.append(int(steps[0]) + 1)
        return self.give(images, steps)


def kept(step: int) -> float:
    """Alpha bar of the linear schedule, by a product of its own."""
    return float(np.prod([1 - (1e-4 + (0.02 - 1e-4) * number / 999) for number in range(step)]))


def test_resampling_is_repaints_algorithm() -> None:
    """Two steps back, each taken twice, written out with the conditional means of Ho 2020, equation 7."""
    image, guess = torch.rand(1, 1, 4, 4) * 2 - 1, torch.rand(1, 1, 4, 4) * 2 - 1
    where = torch.zeros((1, 1, 4, 4), dtype=torch.bool)
    where[..., 2:] = True
    fields = torch.randn(20, 1, 1, 4, 4)

    def predicted(seen: torch.Tensor) -> torch.Tensor:
        """What is known tells on what is unknown."""
        return 0.5 * seen.tanh() + 0.3 * seen.mean()

    network = Network(lambda seen, steps: predicted(seen))
    found = Process("linear").resampled(network, image, guess, where, lambda number: fields[number], start=60, count=2, times=2)
    assert network.asked == [60, 60, 30]  # the step to 0 is taken once

    known, unknown, again = kept(30), kept(60), kept(60) / kept(30)
    seen = np.sqrt(unknown) * guess + np.sqrt(1 - unknown) * fields[0]
    for turn in (0, 1):
        beta = 1 - again
        mean = np.sqrt(known) * beta / (1 - unknown) * predicted(seen) + np.sqrt(again) * (1 - known) / (1 - unknown) * seen
        inside = mean + np.sqrt(beta * (1 - known) / (1 - unknown)) * fields[3 * turn + 2]
        outside = np.sqrt(known) * image + np.sqrt(1 - known) * fields[3 * turn + 1]
        seen = torch.where(where, inside, outside)
        if turn == 0:
            seen = np.sqrt(again) * seen + np.sqrt(1 - again) * fields[3]
    assert torch.allclose(found, torch.where(where, predicted(seen), image), atol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 0.13])
def test_the_mask_is_where_residual_and_structure_differ(threshold: float) -> None:
    detector = AutoDDPM(replace(AutoDDPMParams.preset("tiny"), mask_threshold=threshold))
    inference = detector._stitched()
    rng = np.random.default_rng(0)
    images, coarse = (rng.random((2, 1, 32, 32)).astype(np.float32) for _ in range(2))
    likely = inference.likely(torch.from_numpy(images), torch.from_numpy(coarse))
    where = inference.masked(likely).numpy()
    for image, made, found, mask in zip(images[:, 0], coarse[:, 0], likely.numpy(), where[:, 0], strict=True):
        ssim = structural_similarity(image, made, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, sigma=1.5, full=True)[
            1
        ]
        residual = np.abs(image - made)
        expected = np.clip(residual / np.percentile(residual, 95), 0, 1) * (1 - ssim) / 2
        inside = (slice(6, -6), slice(6, -6))  # the packages differ in what lies beyond the border
        np.testing.assert_allclose(found[inside], expected[inside], atol=2e-3)
        above = found > (threshold or np.percentile(found, 95))
        assert np.array_equal(mask, ndimage.binary_dilation(above, np.ones((3, 3), bool)))
        assert 0 < mask.sum() < mask.size


def test_only_what_is_masked_changes_and_noise_belongs_to_the_slice() -> None:
    detector = AutoDDPM(AutoDDPMParams.preset("tiny"))
    inference, network = detector._stitched(), Network(lambda seen, steps: 0.3 * seen)
    images = torch.rand(3, 1, 32, 32)
    shown = np.ones((3, 32, 32), bool)
    shown[2] = False
    found = inference.found(network, batch_of_images(images, shown), SampleDraw(0, range(3)), Progress())
    changed = found.final != images
    assert changed[:2].any()
    assert not (changed & ~found.where).any()
    assert not changed[2].any()
    again = inference.found(network, batch_of_images(images[1:2], shown[1:2]), SampleDraw(0, [1]), Progress())
    assert torch.equal(again.final[0], found.final[1])


def test_the_weighted_score_is_the_residual_times_the_likelihood() -> None:
    batch, network = batch_of_images(torch.rand(2, 1, 32, 32)), Network(lambda seen, steps: 0.3 * seen)
    plain, weighted = (AutoDDPM(replace(AutoDDPMParams.preset("tiny"), score="l1", weighted=weighted)) for weighted in (False, True))
    found = plain._stitched().found(network, batch, SampleDraw(0, [0, 1]), Progress())
    residual = (batch.images - found.final).abs()[:, 0]
    scores = [one._scorer()(network, batch, SampleDraw(0, [0, 1]), Progress()) for one in (plain, weighted)]
    assert torch.allclose(scores[0], residual)
    assert torch.allclose(scores[1], residual * found.likely)
    assert float(residual.max()) > 0.1


def test_the_harmonic_mean_is_scipys() -> None:
    images, samples = torch.rand(2, 1, 24, 24), torch.rand(3, 2, 1, 24, 24)
    maps = torch.stack([likelihood(images, sample) for sample in samples])
    np.testing.assert_allclose(harmonic(images, samples), stats.hmean(maps.double().numpy(), axis=0), rtol=1e-4)
    assert float(harmonic(images, torch.stack([images, samples[0]])).max()) < 1e-6  # one that does not differ is enough
    bright = harmonic(images, samples, brighter=True) > 1e-6
    assert torch.equal(bright, (images > samples).all(dim=0)[:, 0])


def test_a_region_is_closed_and_widened_as_by_scipy() -> None:
    images, made = torch.rand(2, 1, 40, 40), torch.rand(2, 1, 40, 40)
    likely = likelihood(images, made).numpy()
    likely = likely / likely.max(axis=(1, 2), keepdims=True)
    for found, one in zip(region(images, made)[:, 0].numpy(), likely, strict=True):
        wide = ndimage.grey_dilation(ndimage.grey_closing(one, (13, 13), mode="nearest"), (13, 13), mode="nearest")
        inside = (slice(13, -13), slice(13, -13))
        np.testing.assert_allclose(found[inside], np.clip((wide + one) / 2, 0, 1)[inside], atol=1e-5)


def test_the_chain_goes_on_from_the_scan_where_it_does_not_differ() -> None:
    """At t = 150, on the way from 167 to 83: what the network sees next is mixed by the region, behind the noise of the beginning."""
    detector, seen = THOR(THORParams.preset("tiny")), list[torch.Tensor]()
    inference = detector._inference()

    def give(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        seen.append(noisy)
        return torch.full_like(noisy, 0.2)

    images, fields = torch.rand(1, 1, 32, 32) * 2 - 1, torch.randn(5, 1, 1, 32, 32)
    network = Network(give)
    along = inference.harmonized(network, images, lambda number: fields[number])  # type: ignore[attr-defined]
    assert network.asked == [250, 167, 83]
    assert along.shape == (1, 3, 32, 32)  # maps at 200, at 100 and 150, and at the end
    made = torch.full_like(images, 0.2)
    where = region((images + 1) / 2, (made + 1) / 2)
    share = Process("cosine").noised(torch.ones((1, 1, 1, 1)), torch.tensor([83]), torch.zeros((1, 1, 1, 1)))
    expected = share * (where * made + (1 - where) * images) + (1 - share**2).sqrt() * fields[0]
    assert torch.allclose(seen[2], expected, atol=1e-5)
    without = THOR(replace(THORParams.preset("tiny"), t_harmonization=(1,)))._inference()
    assert not torch.allclose(seen[1], expected, atol=0.1)
    without.harmonized(network, images, lambda number: fields[number])  # type: ignore[attr-defined]
    assert torch.equal(seen[4], seen[1])
    assert not torch.allclose(seen[5], seen[2], atol=0.1)


def test_a_scan_is_scored_by_the_maps_on_the_way() -> None:
    detector, batch = THOR(replace(THORParams.preset("tiny"), score="harmonic")), batch_of_images(torch.rand(2, 1, 32, 32))
    network = Network(lambda seen, steps: 0.3 * seen)
    evidence = detector._inference()(network, batch, SampleDraw(0, [0, 1]), Progress())
    assert evidence.samples is not None
    assert torch.equal(evidence.samples[-1], evidence.reconstruction)
    scores = detector._scorer()(network, batch, SampleDraw(0, [0, 1]), Progress())
    maps = np.stack([likelihood(batch.images, sample).numpy() for sample in evidence.samples])
    np.testing.assert_allclose(scores, len(maps) / (1 / np.maximum(maps, 1e-8)).sum(axis=0), rtol=1e-3)
