"""IterMask: the frequencies that guide, random masks, the mask that shrinks, and the error that decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.base.stages import Fitting
from napari_brain_uad.detectors.diffusion.itermask import IterMask, IterMaskParams, IterMaskTraining
from napari_brain_uad.detectors.diffusion.itermask_task import FirstTask, SecondTask, ShrinkingMask, high_frequencies, random_masks
from napari_brain_uad.training.draws import BatchDraw, SampleDraw
from napari_brain_uad.training.session import TrainingSession
from napari_brain_uad.workflows.scans.lazy_volumes import LazyVolumes
from napari_brain_uad.workflows.scans.load import load


class Network(torch.nn.Module):
    """Gives what a function makes of what is seen, and notes that."""

    def __init__(self, give: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.give, self.seen = give, list[torch.Tensor]()

    def forward(self, images: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        assert (steps == 0).all()
        self.seen.append(images)
        return self.give(images)


def brain() -> torch.Tensor:
    shown = torch.zeros((2, 48, 40), dtype=torch.bool)
    shown[:, 6:42, 5:36] = True
    return shown


def test_low_frequencies_keep_their_phase_alone() -> None:
    """As by shifting the spectrum's middle into the middle, with numpy."""
    image = np.random.default_rng(0).normal(size=(24, 20))
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    rows, columns = np.ogrid[:24, :20]
    low = np.hypot(rows - 12, columns - 10) < 4
    expected = np.fft.ifft2(np.fft.ifftshift(np.where(low, np.exp(1j * np.angle(spectrum)), spectrum))).real
    found = high_frequencies(torch.from_numpy(image)[None, None].float(), 4)[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_random_masks_lie_in_the_brain_and_differ() -> None:
    shown = brain()[:1].repeat(300, 1, 1)
    found = random_masks(shown, BatchDraw(0, 0, 300, 300))
    assert not (found & ~shown).any()
    shares = found.flatten(1).sum(dim=1) / shown.flatten(1).sum(dim=1)
    assert float(shares.min()) > 0
    assert float(shares.quantile(0.1)) < 0.1
    assert float(shares.quantile(0.95)) > 0.4
    often = found.float().mean(dim=0)[shown[0]]
    assert float(often.min()) > 0.03  # nowhere in the brain is never masked


@pytest.mark.parametrize("second", [False, True])
def test_what_the_networks_see_and_are_judged_by(second: bool) -> None:
    images, shown = torch.rand(2, 1, 48, 40), brain()
    network = Network(lambda seen: torch.full_like(seen[:, :1], 1.5))
    task = (SecondTask if second else FirstTask)(lambda: network, 4)
    loss = task.loss(network, batch_of_images(images, shown.numpy()), BatchDraw(7, 0, 2, 2))["loss"]
    assert float(loss) == pytest.approx(float((6 * images - 3 - 1.5).square().mean()), rel=1e-4)
    (seen,) = network.seen
    assert torch.allclose(seen[:, -1:], high_frequencies(6 * images - 3, 4), atol=1e-4)
    if second:
        same = seen[:, 0] == (6 * images - 3)[:, 0]
        where = random_masks(shown, BatchDraw(7, 0, 2, 2))
        assert torch.equal(same, ~where)
        assert float(seen[:, 0][where].std()) == pytest.approx(1.0, abs=0.2)
    assert seen.shape[1] == 1 + second


def test_the_mask_keeps_what_is_not_restored() -> None:
    """The first network is as wrong as the column's number; the second restores all but a square, which it makes grey."""
    images, shown = torch.full((2, 1, 48, 40), 0.5), brain()
    images[0, 0, 20:24, 30:34] = 1.0
    images[1, 0, 20:24, 30:34] = 0.9
    images[:, 0, 20:24, 10:14] = 1.0  # as ill restored by the second, but not masked by the first
    wrong = torch.arange(40.0).expand(2, 1, 48, 40) / 40
    first = Network(lambda seen: 6 * (images + wrong)[-len(seen) :] - 3)
    second = Network(lambda seen: torch.zeros_like(seen[:, :1]))
    inference = ShrinkingMask(first, 4, 0.5, 0.2, 0.01, 10)  # 0.25 is above the error, 0.16 below
    made, where = inference.found(second, batch_of_images(images, shown.numpy()), SampleDraw(0, [0, 1]), Progress())
    # Half of the brain's 31 columns stay at first, those with the greater errors.
    inside = second.seen[0][:, 0] != (6 * images - 3)[:, 0]
    assert torch.equal(inside[0].any(dim=0).nonzero()[:, 0], torch.arange(20, 36))
    assert int(where[0].sum()) == 16
    assert where[0, 0, 20:24, 30:34].all()
    assert int(where[1].sum()) == 0
    assert torch.allclose(made, torch.where(where, 0.5, images))
    alone = inference.found(second, batch_of_images(images[1:], shown[1:].numpy()), SampleDraw(0, [1]), Progress())
    assert torch.equal(alone[0][0], made[1])


@pytest.mark.parametrize(("least", "rounds", "left"), [(0.0279, 1, 36 * 31), (0.0277, 37, 0)])
def test_a_mask_that_hardly_shrinks_is_final(least: float, rounds: int, left: int) -> None:
    """Of the brain's 36 rows one more is restored well every time: first a share of 1 / 36 = 0.0278 of the mask, then more."""
    images, shown = torch.full((1, 1, 48, 40), 0.5), brain()[:1]

    def one_row_more(seen: torch.Tensor) -> torch.Tensor:
        made = torch.full_like(seen[:, :1], 3.0)
        made[:, :, : 6 + len(network.seen)] = 0.0
        return made

    network, first = Network(one_row_more), Network(lambda seen: torch.ones_like(seen))
    inference = ShrinkingMask(first, 4, 1.0, 0.01, least, 60)
    where = inference.found(network, batch_of_images(images, shown.numpy()), SampleDraw(0, [0]), Progress())[1]
    assert len(network.seen) == rounds
    assert int(where.sum()) == left


def test_what_leaves_the_mask_after_the_last_iteration_is_the_slice_s_again() -> None:
    images, shown = torch.full((1, 1, 48, 40), 0.5), brain()[:1]
    network = Network(
        lambda seen: torch.where(torch.arange(48)[:, None] < 6 + 4 * len(network.seen), 0.0, torch.full_like(seen[:, :1], 3.0))
    )
    inference = ShrinkingMask(Network(torch.ones_like), 4, 1.0, 0.01, 0.0001, 3)
    made, where = inference.found(network, batch_of_images(images, shown.numpy()), SampleDraw(0, [0]), Progress())
    assert len(network.seen) == 3
    assert int(where.sum()) == (36 - 12) * 31
    assert torch.equal(made, torch.where(where, made, images))
    assert (made[where] != 0.5).all()


def test_the_error_is_the_quantile_over_healthy_scans() -> None:
    detector = IterMask(replace(IterMaskParams.preset("tiny"), quantile=0.75))
    mask = np.ones((20, 24, 6), bool)
    volume = Volume(np.random.default_rng(0).random(mask.shape).astype(np.float32), Grid(mask.shape, np.diag([1.5, 1.5, 2, 1])), mask=mask)
    torch.manual_seed(0)
    before = {f"second.{name}": tensor.numpy() for name, tensor in detector._task().build().state_dict().items()}
    how = Fitting(before, 3, IterMaskTraining.preset("tiny"), TrainingSession(), Progress())
    (found,) = detector._estimate([volume], how)["error"]
    unreadable = LazyVolumes([lambda: load("nowhere.nii.gz")], needed=False)
    assert detector._estimate([volume], replace(how, session=TrainingSession(validation=unreadable)))["error"] == [found]
    # An untrained network predicts 0, the middle of the scale: 0.5.
    cut = detector.cut(volume)
    images, shown = torch.from_numpy(cut.images(np.arange(len(cut)))), torch.from_numpy(cut.brain(np.arange(len(cut))))
    where = random_masks(shown, SampleDraw(3, range(len(cut))))
    expected = np.quantile((images[:, 0] - 0.5).square()[where].numpy(), 0.75)
    assert found == pytest.approx(float(expected), rel=1e-4)
    inside = volume.data[mask]
    low, high = np.percentile(inside, (2, 90))
    np.testing.assert_allclose(detector._prepare(volume).data, (volume.data - low) / (high - low), rtol=1e-4, atol=1e-6)
