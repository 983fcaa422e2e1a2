"""Noise schedules, the way back, patches, and maps that do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images
from monai.networks.schedulers import DDPMScheduler

from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.diffusion.auto_ddpm import AutoDDPM
from napari_brain_uad.detectors.diffusion.dae import DAE, DAEParams
from napari_brain_uad.detectors.diffusion.ddpm import DDPM, DDPMParams
from napari_brain_uad.detectors.diffusion.noise import noise_fields
from napari_brain_uad.detectors.diffusion.patches import PatchGrid
from napari_brain_uad.detectors.diffusion.pddpm import PatchedDDPM, PatchedDDPMParams
from napari_brain_uad.detectors.diffusion.process import Process, kept_share
from napari_brain_uad.detectors.diffusion.tasks import PatchReconstruction
from napari_brain_uad.detectors.diffusion.thor import THOR
from napari_brain_uad.inference import samples
from napari_brain_uad.sampling.slices import SliceGrid, to_slices
from napari_brain_uad.training.draws import BatchDraw, SampleDraw


class Network(torch.nn.Module):
    """Gives what a function makes of noisy images and time steps."""

    def __init__(self, give: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.give = give

    def forward(self, images: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return self.give(images, steps)


def brain(seed: int = 0) -> Volume:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in (28, 30, 16)), indexing="ij")
    mask = i**2 + j**2 + k**2 < 0.8
    data = 100 + 30 * i + 20 * np.sin(3 * j) + np.random.default_rng(seed).normal(0, 2, mask.shape)
    return Volume(np.where(mask, data, 0).astype(np.float32), Grid(mask.shape, np.diag([1.5, 1.5, 2.0, 1.0])), mask=mask)


def with_random_weights(detector: DDPM | PatchedDDPM) -> None:
    """None of them 0, as some are before training."""
    torch.manual_seed(0)
    network = detector._task().build()
    with torch.no_grad():
        for weights in network.parameters():
            weights += 0.03 * torch.randn_like(weights)
    detector.load_state({name: value.numpy() for name, value in network.state_dict().items()})


def grid(size: int, stride: int = 0, height: int = 96, width: int = 96) -> PatchGrid:
    return PatchGrid(height, width, (size, size), (stride or size, stride or size))


def test_what_is_left_of_the_image_at_the_middle_of_the_schedules() -> None:
    assert float(kept_share("linear")[499]) == pytest.approx(0.07858724, abs=1e-7)
    assert float(kept_share("cosine")[499]) == pytest.approx(0.49384358, abs=1e-7)


def test_noise_and_image_add_up_by_the_schedule() -> None:
    image, noise = torch.full((2, 1, 4, 4), 0.5), torch.full((2, 1, 4, 4), -0.25)
    found = Process("linear").noised(image, torch.tensor([500, 1]), noise)
    kept = np.array([0.07858724, 1 - 1e-4])
    np.testing.assert_allclose(found[:, 0, 0, 0], np.sqrt(kept) * 0.5 - np.sqrt(1 - kept) * 0.25, atol=1e-6)


def test_the_noise_that_is_predicted_gives_the_image_back() -> None:
    image, noise = torch.rand(2, 1, 8, 8) * 2 - 1, torch.randn(2, 1, 8, 8)
    process, steps = Process("cosine", "noise"), torch.tensor([250, 400])
    found = process.predicted(Network(lambda seen, given: noise), process.noised(image, steps, noise), steps)
    assert torch.allclose(found, image, atol=1e-4)


@pytest.mark.parametrize("prediction", ["image", "noise"])
def test_the_full_chain_is_monais(prediction: str) -> None:
    """Step by step from t = 30, with the same noise in both."""
    start, fields = 30, torch.randn(31, 1, 1, 6, 6)
    network = Network(lambda seen, steps: 0.4 * seen.tanh() + 0.0003 * steps[:, None, None, None])
    theirs = DDPMScheduler(
        1000, beta_start=1e-4, beta_end=0.02, clip_sample=True, prediction_type="sample" if prediction == "image" else "epsilon",
        variance_type="fixed_small",
    )  # fmt: skip
    image = torch.rand(1, 1, 6, 6) * 2 - 1
    seen = theirs.add_noise(image, fields[0], torch.tensor([start - 1]))
    for number, time in enumerate(reversed(range(start)), start=1):
        mean, _ = theirs.step(network(seen, torch.tensor([time])), time, seen, generator=torch.Generator().manual_seed(number))
        drawn = torch.randn(image.shape, generator=torch.Generator().manual_seed(number))
        variance = theirs._get_variance(time) if time else torch.tensor(0.0)
        seen = mean + variance.sqrt() * (fields[number] - drawn) if time else mean
    everywhere = torch.ones((1, 1, 6, 6), dtype=torch.bool)
    ours = Process("linear", prediction).denoised(network, image, everywhere, lambda number: fields[number], start=start, count=start)
    # Theirs adds up 1 - alpha bar in float32, of which hardly anything is left at the first steps.
    assert torch.allclose(ours, seen, atol=1e-3)


def test_a_chain_of_some_steps_ends_with_the_first_prediction_of_the_last() -> None:
    asked = []

    def give(seen: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        asked.append(int(steps[0]) + 1)
        return seen

    image = torch.zeros((1, 1, 4, 4))
    Process().denoised(Network(give), image, image == 0, lambda number: image, start=400, count=4)
    assert asked == [400, 300, 200, 100]


def test_patches_of_48_and_60_pixels() -> None:
    assert grid(48).corners() == [(0, 0), (0, 48), (48, 0), (48, 48)]
    assert grid(60).corners() == [(0, 0), (0, 36), (36, 0), (36, 36)]
    assert len(grid(48, 16).corners()) == 16
    assert PatchGrid(96, 80, (32, 40), (32, 40)).corners() == [(row, column) for row in (0, 32, 64) for column in (0, 40)]


@pytest.mark.parametrize("cells", [grid(48), grid(60), grid(48, 12), PatchGrid(64, 96, (32, 40), (20, 40))])
def test_patches_that_are_put_together_again_are_the_slices(cells: PatchGrid) -> None:
    images = torch.rand(3, 2, cells.height, cells.width)
    stitched = cells.stitched(cells.cut(images))
    if len({*cells.corners()}) in (4, 1):
        assert torch.equal(stitched, images)  # of one, two or four patches the mean is exact
    assert torch.allclose(stitched, images, rtol=1e-6, atol=0)


def test_where_patches_overlap_their_mean_counts() -> None:
    cells = grid(60)
    patches = torch.arange(4.0).reshape(1, 4, 1, 1, 1).expand(1, 4, 1, 60, 60)
    found = cells.stitched(patches)[0, 0]
    assert [float(found[at]) for at in ((0, 0), (0, 95), (95, 0), (95, 95), (0, 48), (48, 0), (48, 48))] == [0, 1, 2, 3, 0.5, 1, 1.5]


@pytest.mark.parametrize("cells", [grid(48), grid(60), grid(48, 24)])
def test_a_network_that_sees_through_the_noise_gives_the_slices_back(cells: PatchGrid) -> None:
    """It knows each slice by its first pixel, so that every prediction has to land in its own place."""
    images = torch.rand(3, 1, 96, 96)
    known = {round(float(image[0, 50, 50]), 5): 2 * image - 1 for image in images}
    inference = PatchReconstruction(Process(), "simplex", cells, 500)

    def give(seen: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        outside = [next(clean for clean in known.values() if (clean == one).float().mean() > 0.3) for one in seen]
        return torch.stack(outside)

    evidence = inference(Network(give), batch_of_images(images), SampleDraw(0, range(3)), Progress())
    assert torch.allclose(evidence.reconstruction, images, atol=2e-7)


def test_only_the_patch_is_noised() -> None:
    images, seen = torch.rand(1, 1, 96, 96), []

    def give(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        seen.append(noisy)
        return noisy

    PatchReconstruction(Process(), "simplex", grid(48), 500)(Network(give), batch_of_images(images), SampleDraw(0, [0]), Progress())
    changed = torch.cat(seen)[:, 0] != (2 * images - 1)[0]
    for number, (top, left) in enumerate(grid(48).corners()):
        inside = torch.zeros((96, 96), dtype=torch.bool)
        inside[top : top + 48, left : left + 48] = True
        assert not changed[number][~inside].any()
        assert changed[number][inside].float().mean() > 0.99
    # Each patch has noise of its own.
    noise = torch.cat(seen)[:, 0] - 0.28033 * (2 * images - 1)[0]
    assert not torch.allclose(noise[0, :48, :48], noise[1, :48, 48:], atol=1e-2)


def test_patches_without_brain_cost_nothing_and_stay() -> None:
    images, asked = torch.rand(2, 1, 96, 96), []
    shown = np.zeros((2, 96, 96), bool)
    shown[0, 10, 60] = True

    def give(seen: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        asked.append(len(seen))
        return torch.ones_like(seen)

    found = PatchReconstruction(Process(), "simplex", grid(48), 500)(
        Network(give), batch_of_images(images, shown), SampleDraw(0, [0, 1]), Progress()
    )
    assert asked == [1]
    changed = (found.reconstruction != images)[:, 0]
    assert changed[0, :48, 48:].all()
    assert not changed[0, 48:].any()
    assert not changed[1].any()


def test_the_mean_of_passes_is_reconstructed_and_all_are_kept() -> None:
    images = torch.rand(2, 1, 32, 32)
    inference = PatchReconstruction(Process(), "gaussian", grid(16, height=32, width=32), 300, passes=3)
    found = inference(Network(lambda seen, steps: seen), batch_of_images(images), SampleDraw(0, [0, 1]), Progress())
    assert found.samples is not None
    assert found.samples.shape == (3, 2, 1, 32, 32)
    assert torch.allclose(found.samples.mean(dim=0), found.reconstruction)
    assert float((found.samples[0] - found.samples[1]).abs().max()) > 0.1


@pytest.mark.parametrize(
    "detector",
    [
        DDPM(replace(DDPMParams.preset("tiny"), reverse_steps=5)),
        PatchedDDPM(replace(PatchedDDPMParams.preset("tiny"), patch=(16, 20), t_test=(100, 500), passes=2)),
    ],
    ids=["ddpm", "pddpm"],
)
def test_the_map_is_the_same_whatever_the_batch(detector: DDPM | PatchedDDPM, monkeypatch: pytest.MonkeyPatch) -> None:
    with_random_weights(detector)
    maps = []
    for size in (16, 1, 5):
        monkeypatch.setattr(samples, "BATCH", size)
        maps.append(detector.score(brain(), seed=4).score)
    assert float(maps[0].max()) > 0.05
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], atol=1e-5)
    assert float(np.abs(detector.score(brain(), seed=5).score - maps[0]).max()) > 1e-3


def test_a_score_over_several_settings_is_the_mean_of_their_scores() -> None:
    """Of the scores, not the score of a mean."""
    detector = PatchedDDPM(replace(PatchedDDPMParams.preset("tiny"), score="l1", t_test=(100, 900)))
    batch = batch_of_images(torch.rand(2, 1, 32, 32))
    network = Network(lambda seen, steps: 2 * (steps[:, None, None, None] > 500).float() - 1 + 0 * seen)
    found = detector._scorer()(network, batch, SampleDraw(0, [0, 1]), Progress())
    image = batch.images[:, 0]
    assert torch.allclose(found, (image.abs() + (1 - image).abs()) / 2, atol=1e-6)


@pytest.mark.parametrize("region", ["patch", "slice"])
@pytest.mark.parametrize("sampling", ["grid", "random"])
def test_the_loss_is_that_of_the_patch_or_the_slice(region: str, sampling: str) -> None:
    """A network that gives back what it sees is wrong in the patch alone."""
    detector = PatchedDDPM(replace(PatchedDDPMParams.preset("tiny"), loss_region=region, sampling=sampling))
    task, seen = detector._task(), []
    batch = batch_of_images(torch.rand(64, 1, 32, 32))

    def give(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        seen.append((noisy, steps))
        return noisy

    loss = float(task.loss(Network(give), batch, BatchDraw(1, 0, 64, 64))["loss"])
    (noisy, steps) = seen[0]
    error = (noisy - (2 * batch.images - 1)).abs()
    share = 0.25 if region == "patch" else 1.0
    assert loss == pytest.approx(float(error.mean()) / share, rel=1e-4)
    changed = (error[:, 0] > 0).numpy()
    corners = {(int(rows.any(axis=1).argmax()), int(rows.any(axis=0).argmax())) for rows in changed}
    assert (corners <= {(0, 0), (0, 16), (16, 0), (16, 16)}) == (sampling == "grid")
    assert len(corners) == 4 if sampling == "grid" else len(corners) > 20
    assert int(steps.min()) < 150
    assert int(steps.max()) > 850


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (PatchedDDPM, PatchedDDPMParams(patch=(48, 100)), "does not fit"),
        (PatchedDDPM, PatchedDDPMParams(patch=(48, 60), patch_stride=52), "gaps"),
        (DDPM, DDPMParams(base_channels=12), "multiple of 8"),
    ],
)
def test_settings_that_do_not_fit_are_refused(kind: type[DDPM], settings: DDPMParams, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(settings)


def test_the_noise_of_the_dae_lies_in_the_brain() -> None:
    detector = DAE(DAEParams.preset("tiny"))
    task = detector._task()
    shown = np.zeros((2, 32, 32), bool)
    shown[:, 4:20, 8:30] = True
    batch = batch_of_images(torch.rand(2, 1, 32, 32), shown)
    noise = (task.noisy(batch, BatchDraw(3, 0, 2, 2)) - batch.images).numpy()[:, 0]
    drawn = torch.randn((2, 1, 4, 4), generator=torch.Generator().manual_seed(3))
    again = torch.Generator().manual_seed(3)
    torch.randn((2, 1, 4, 4), generator=again)
    shifts = (torch.rand((2, 2), generator=again).numpy() * 32).astype(int)
    rows = np.linspace(0, 3, 32)
    weights = np.maximum(0, 1 - np.abs(rows[:, None] - np.arange(4)))
    for found, small, shift in zip(noise, drawn[:, 0].numpy(), shifts, strict=True):
        expected = 0.5 * np.roll(weights @ small @ weights.T, tuple(shift), axis=(0, 1))
        np.testing.assert_allclose(found, np.where(shown[0], expected, 0), atol=1e-5)


def test_the_daes_intensities_and_post_processing() -> None:
    detector = DAE(replace(DAEParams.preset("tiny"), without_rim=True, slice_median=5))
    volume = brain()
    prepared = detector._prepare(volume)
    assert volume.mask is not None
    assert np.percentile(prepared.data[volume.mask], 99) == pytest.approx(1, abs=1e-6)
    slices = to_slices(volume, SliceGrid(32, 32, 1.5, 2.0))
    scores = np.random.default_rng(0).random(slices.data.shape).astype(np.float32)
    found = detector._finish(scores, slices)
    number = len(scores) // 2
    mask = slices.mask[number].astype(np.float32)
    inside = torch.nn.functional.avg_pool2d(torch.from_numpy(mask)[None, None], 5, stride=1, padding=2)[0, 0].numpy() > 0.95
    kept = np.pad(np.where(inside, scores[number], 0), 2)
    for row, column in np.argwhere(slices.mask[number])[::7]:
        assert found[number, row, column] == pytest.approx(float(np.median(kept[row : row + 5, column : column + 5])))
    with pytest.raises(InputError, match="not above 0"):
        detector.cut(volume.with_data(np.where(volume.mask, -volume.data, 0)))


def test_every_seed_of_simplex_noise_is_drawn_for_its_own_sample() -> None:
    """Two samples of one scan do not share their noise."""
    fields = noise_fields("simplex", SampleDraw(0, [0, 1]).integers((2,), 0, 2**31).tolist(), 32, 32)
    assert not torch.allclose(fields[0], fields[1], atol=0.1)


def test_the_pictures_of_a_training_show_the_patch_that_was_noised() -> None:
    task = PatchedDDPM(PatchedDDPMParams.preset("tiny"))._task()
    batch = batch_of_images(torch.rand(2, 1, 32, 32))
    shown = task.preview(Network(lambda seen, steps: torch.zeros_like(seen)), batch)
    assert list(shown) == ["input", "noised", "reconstruction", "difference"]
    inside = torch.zeros((32, 32), dtype=torch.bool)
    inside[8:24, 8:24] = True
    for name in ("noised", "reconstruction"):
        assert torch.allclose(shown[name][:, ~inside], batch.images[:, 0][:, ~inside], atol=1e-6)
        assert not torch.allclose(shown[name][:, inside], batch.images[:, 0][:, inside], atol=0.1)
    assert torch.allclose(shown["reconstruction"][:, inside], torch.tensor(0.5))
    assert torch.allclose(shown["difference"], (batch.images[:, 0] - shown["reconstruction"]).abs(), atol=1e-6)


def test_in_bf16_the_map_is_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = PatchedDDPM(PatchedDDPMParams.preset("tiny"))
    with_random_weights(detector)
    exact = detector.score(brain()).score
    monkeypatch.setattr("napari_brain_uad.detectors.diffusion.passes.choose_precision", lambda asked, device: ("bf16", ""))
    rounded = detector.score(brain()).score
    assert np.abs(rounded - exact).max() > 0
    assert np.abs(rounded - exact).max() < 0.02 * exact.max()


@pytest.mark.parametrize("kind", [DDPM, THOR, AutoDDPM])
def test_a_chain_hears_at_every_step_of_the_user_who_stopped_it(kind: type[DDPM]) -> None:
    progress, asked = Progress(), []

    def give(seen: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        asked.append(1)
        if len(asked) == 3:
            progress.cancel()
        return seen

    params = replace(kind.Params.preset("tiny"), reverse_steps=50, t_test=(200,))
    with pytest.raises(Cancelled):
        kind(params)._inference()(Network(give), batch_of_images(torch.rand(2, 1, 32, 32)), SampleDraw(0, [0, 1]), progress)
    assert len(asked) == 3
