"""Augmentation: TorchIO gives the right answers, and the seed and the step decide alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchio as tio
from batches import batch_of_images
from scipy.ndimage import binary_erosion

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.training.augment import RECIPES, RandomChanges, affine, augmentation, bias_field, gamma, ghosting


def pictures(count: int = 3, height: int = 40, width: int = 36) -> np.ndarray:
    rng = np.random.default_rng(1)
    h, w = np.meshgrid(np.linspace(0, 3, height), np.linspace(0, 3, width), indexing="ij")
    smooth = [np.sin(rng.uniform(1, 3) * h + rng.uniform()) * np.cos(rng.uniform(1, 3) * w) for _ in range(count)]
    return np.array(smooth, np.float32)[:, None]


def with_torchio(transform: tio.Transform, image: np.ndarray) -> np.ndarray:
    """One slice (channels, H, W) as TorchIO sees a 2-D image: (channels, H, W, 1)."""
    return transform(torch.from_numpy(image)[..., None]).numpy()[..., 0]


@pytest.mark.parametrize(("degrees", "scales"), [(20.0, (1.0, 1.0)), (-35.0, (1.1, 0.9)), (0.0, (1.3, 1.0)), (90.0, (1.0, 1.0))])
def test_affine_is_torchios(degrees: float, scales: tuple[float, float]) -> None:
    image = pictures()
    ours = affine(torch.from_numpy(image), torch.full((3,), degrees), torch.tensor([scales] * 3)).numpy()
    for one, result in zip(image, ours, strict=True):
        theirs = with_torchio(tio.Affine((*scales, 1), (0, 0, degrees), (0, 0, 0)), one)
        # At the rim the two fill in from outside differently, over one pixel.
        inside = with_torchio(tio.Affine((*scales, 1), (0, 0, degrees), (0, 0, 0), default_pad_value=9.0), one)
        whole = binary_erosion(inside < 2, np.ones((1, 3, 3)))
        assert whole.mean() > 0.5
        np.testing.assert_allclose(result[whole], theirs[whole], atol=2e-4)


def test_nearest_keeps_the_values_of_labels() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (5, 1, 33, 32)).astype(np.float32)
    changed = affine(torch.from_numpy(labels), torch.linspace(-35, 35, 5), torch.full((5, 2), 0.93), nearest=True)
    assert set(np.unique(changed.numpy())) <= {0.0, 1.0, 2.0, 3.0}


def test_bias_field_is_torchios() -> None:
    image = pictures(1, 40, 37)
    coefficients = np.random.default_rng(2).uniform(-0.5, 0.5, 20)
    theirs = with_torchio(tio.BiasField(coefficients.tolist(), 3), image[0])
    # TorchIO counts terms with a third axis too, which is 0 for a slice.
    places = [(a, b, c) for a in range(4) for b in range(4 - a) for c in range(4 - a - b)]
    flat = [coefficients[n] for n, (_, _, c) in enumerate(places) if c == 0]
    ours = bias_field(torch.from_numpy(image), torch.tensor([flat], dtype=torch.float32)).numpy()[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_gamma_is_torchios() -> None:
    image = pictures()
    exponents = [0.75, 1.0, 1.3]
    ours = gamma(torch.from_numpy(image), torch.tensor(exponents)).numpy()
    for one, exponent, result in zip(image, exponents, ours, strict=True):
        np.testing.assert_allclose(result, with_torchio(tio.Gamma(exponent), one), atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [4, 7, 10])
def test_ghosting_is_torchios(axis: int, count: int) -> None:
    image = pictures(1)[0]
    ours = ghosting(torch.from_numpy(image), count, axis + 1, 0.7).numpy()
    np.testing.assert_allclose(ours, with_torchio(tio.Ghosting(count, axis, 0.7, None), image), atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_seed_and_step_decide_alone(name: str) -> None:
    batch = batch_of_images(pictures(16))
    change = augmentation(name)
    assert change is not None
    first = change(batch, 5, 10, 0).images
    assert first.dtype == torch.float32
    assert first.shape == batch.images.shape
    np.testing.assert_array_equal(first, RandomChanges(RECIPES[name])(batch_of_images(pictures(16)), 5, 10, 0).images)
    assert not torch.equal(first, change(batch, 5, 11, 0).images)
    assert not torch.equal(first, change(batch, 6, 10, 0).images)
    # Rows made by another process are the same rows.
    np.testing.assert_allclose(change(batch[9:], 5, 10, 9).images, first[9:], atol=1e-6)
    np.testing.assert_array_equal(batch.images, pictures(16))


@pytest.mark.parametrize("name", ["flip", "mild"])
def test_the_brain_moves_with_the_slice(name: str) -> None:
    brain = np.zeros((24, 40, 36), bool)
    brain[:, 8:30, 5:20] = True
    recipe = replace(RECIPES[name], bias=0.0, noise=0.0, log_gamma=0.0)
    changed = RandomChanges(recipe)(batch_of_images(brain[:, None].astype(np.float32), brain), 0, 0, 0)
    assert not np.array_equal(changed.brain, brain)
    seen = changed.images[:, 0].numpy()
    assert (seen[changed.brain.numpy()] >= 0.25).all()
    assert (seen[~changed.brain.numpy()] <= 0.75).all()


def test_slices_differ_and_some_stay() -> None:
    batch = np.repeat(pictures(1), 64, axis=0)
    changed = RandomChanges(RECIPES["strega"])(batch_of_images(batch), 0, 0, 0).images.numpy()
    distinct = {row.tobytes() for row in changed}
    assert len(distinct) > 40
    assert batch[0].tobytes() in distinct


def test_flips_are_left_and_right() -> None:
    batch = pictures(32)
    changed = RandomChanges(RECIPES["flip"])(batch_of_images(batch), 0, 0, 0).images.numpy()
    flipped = [bool(np.array_equal(new, old[..., ::-1])) for new, old in zip(changed, batch, strict=True)]
    assert 8 < sum(flipped) < 24
    assert all(np.array_equal(new, old) for new, old, swapped in zip(changed, batch, flipped, strict=True) if not swapped)


def test_volumes_are_mirrored_as_a_whole_and_nothing_else() -> None:
    volumes = pictures(32).reshape(8, 1, 4, *pictures(1).shape[2:])
    changed = RandomChanges(RECIPES["flip"])(batch_of_images(volumes), 0, 0, 0).images.numpy()
    flipped = [bool(np.array_equal(new, old[..., ::-1])) for new, old in zip(changed, volumes, strict=True)]
    assert 0 < sum(flipped) < 8
    assert all(np.array_equal(new, old) for new, old, swapped in zip(changed, volumes, flipped, strict=True) if not swapped)
    with pytest.raises(InputError, match="Set augmentation to flip or none"):
        RandomChanges(RECIPES["mild"])(batch_of_images(volumes), 0, 0, 0)


def test_none_is_none() -> None:
    assert augmentation("none") is None
