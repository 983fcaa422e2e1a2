"""Scans as a pure function of seed and number, and what a scan is made of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population, Simulated

CLEAN = {"noise": 0.0, "bias": 0.0, "texture": 0.0, "resolution_mm": 1.0}


def content(simulated: Simulated) -> tuple[bytes, bytes, bytes, bytes]:
    truth = b"" if simulated.truth is None else simulated.truth.tobytes()
    assert simulated.volume.mask is not None
    return simulated.volume.data.tobytes(), simulated.volume.mask.tobytes(), simulated.tissue.tobytes(), truth


def blocks(array: NDArray[np.generic], size: tuple[int, int, int]) -> NDArray[np.float64]:
    """Block means the slow way."""
    shape = [-(-n // s) for n, s in zip(array.shape, size, strict=True)]
    padded = np.pad(array.astype(float), [(0, m * s - n) for n, m, s in zip(array.shape, shape, size, strict=True)])
    return padded.reshape(shape[0], size[0], shape[1], size[1], shape[2], size[2]).mean(axis=(1, 3, 5))


def test_the_same_seed_is_the_same_scan_and_another_one_is_not(head: Volume) -> None:
    params = SimulationParams(lesions="ms", spacing_mm=2.0)
    first, second = Population([head], params, 7), Population([head], params, 7)
    second[0], second[5]  # what was made before does not matter
    assert content(first[2]) == content(second[2])
    assert content(first[2])[0] != content(first[3])[0]
    assert content(first[2])[0] != content(Population([head], params, 8)[2])[0]


def test_people_take_turns_and_are_counted(head: Volume) -> None:
    other = Volume(head.data, head.grid, "other")
    population = Population([head, other], count=3)
    assert len(population) == 3
    assert [population.anatomy(number).name for number in range(3)] == ["head", "other", "head"]
    assert len(list(Population([head], SimulationParams(spacing_mm=4.0), count=2))) == 2
    with pytest.raises(IndexError):
        population[-1]
    with pytest.raises(InputError, match="label map"):
        Population([])


@pytest.mark.parametrize("sequence", ["T1", "T1c", "T2", "FLAIR", "PD"])
def test_contrasts_have_the_order_of_their_sequence(head: Volume, sequence: str) -> None:
    simulated = Population([head], SimulationParams(sequence=sequence), 1)[0]
    inner = [ndimage.binary_erosion(simulated.tissue == tissue) for tissue in (1, 2, 3)]
    fluid, grey, white = (float(np.median(simulated.volume.data[where])) for where in inner)
    order = {
        "T1": fluid < grey < white,
        "T1c": fluid < grey < white,
        "T2": white < grey < fluid,
        "FLAIR": fluid < white < grey,
        "PD": white < grey,
    }
    assert order[sequence], (fluid, grey, white)
    assert simulated.volume.sequence == sequence


def test_random_contrasts_differ(head: Volume) -> None:
    population = Population([head], SimulationParams(sequence="random", spacing_mm=2.0), 3)
    order = {
        tuple(np.argsort([np.median(one.volume.data[one.tissue == t]) for t in (1, 2, 3)])) for one in (population[n] for n in range(8))
    }
    assert len(order) >= 3
    assert population[0].volume.sequence is None


def test_a_brain_alone_and_a_whole_head(head: Volume) -> None:
    brain = Population([head], SimulationParams(), 2)[0]
    assert brain.volume.mask is not None
    assert (brain.volume.data[~brain.volume.mask] == 0).all()
    assert (brain.tissue[~brain.volume.mask] == 0).all()
    assert (brain.tissue[brain.volume.mask] > 0).all()
    np.testing.assert_array_equal(ndimage.binary_fill_holes(brain.volume.mask), brain.volume.mask)
    whole = Population([head], SimulationParams(with_skull=True), 2)[0]
    assert whole.volume.mask is not None
    assert whole.volume.mask.sum() == pytest.approx(brain.volume.mask.sum(), rel=0.02)
    # Of the 35 ml of bright skin a good part is not blurred with air or bone.
    assert np.count_nonzero(whole.volume.data[~whole.volume.mask] > 50) > 15_000


def test_fluid_around_the_brain_goes_as_far_as_asked(head: Volume) -> None:
    sizes = [int(Population([head], SimulationParams(rim_mm=rim), 2)[0].volume.mask.sum()) for rim in (0.0, 2.0, 20.0)]  # type: ignore[union-attr]
    assert sizes[0] * 1.08 < sizes[1] < sizes[2]
    assert sizes[2] / sizes[0] == pytest.approx((32 * 39 * 32) / (29 * 36 * 29), rel=0.05)


@pytest.mark.parametrize("size", [(2, 2, 2), (1, 1, 5)])
def test_voxels_and_slices_average_what_lies_in_them(head: Volume, size: tuple[int, int, int]) -> None:
    fine = Population([head], SimulationParams(**CLEAN, lesions="tumour", with_skull=True), 4)[1]
    params = SimulationParams(**CLEAN, lesions="tumour", with_skull=True, spacing_mm=float(size[0]), thickness_mm=float(size[2]))
    coarse = Population([head], params, 4)[1]
    np.testing.assert_allclose(coarse.volume.data, blocks(fine.volume.data, size), atol=0.01)
    assert coarse.truth is not None
    assert fine.truth is not None
    np.testing.assert_array_equal(coarse.truth, blocks(fine.truth, size) >= 0.5)
    shares = np.stack([blocks(fine.tissue == tissue, size) for tissue in (1, 2, 3)])
    np.testing.assert_array_equal(coarse.tissue[coarse.volume.mask], 1 + shares.argmax(axis=0)[coarse.volume.mask])
    # The same place in the world: the first coarse voxel's middle is that of the block it averages.
    middle = fine.volume.grid.to_world((np.array(size) - 1) / 2)
    np.testing.assert_allclose(coarse.volume.grid.to_world([0, 0, 0]), middle, atol=1e-9)
    np.testing.assert_allclose(coarse.volume.grid.spacing, size)


def test_odd_voxel_sizes_keep_the_mean(head: Volume) -> None:
    fine = Population([head], SimulationParams(**CLEAN, with_skull=True), 4)[0]
    coarse = Population([head], SimulationParams(**CLEAN, with_skull=True, spacing_mm=1.5), 4)[0]
    np.testing.assert_allclose(coarse.volume.grid.spacing, 1.5)
    assert coarse.volume.data.sum() * 1.5**3 == pytest.approx(float(fine.volume.data.sum()), rel=1e-4)


def test_noise_is_rician_of_the_strength_asked_for(head: Volume) -> None:
    still = {"deformation_mm": 0.0, "contrast_variation": 0.0, "with_skull": True, "texture": 0.0, "bias": 0.0, "resolution_mm": 1.0}
    noisy = Population([head], SimulationParams(**still, noise=0.05), 5)[0].volume
    clean = Population([head], SimulationParams(**still, noise=0.0), 5)[0].volume
    air, white = clean.data == 0, clean.data == 100.0
    assert noisy.data[air].mean() == pytest.approx(5.0 * np.sqrt(np.pi / 2), rel=0.03)
    assert noisy.data[white].std() == pytest.approx(5.0, rel=0.05)


def test_the_bias_field_is_smooth_and_of_the_strength_asked_for(head: Volume) -> None:
    with_bias, without = (
        Population([head], SimulationParams(**{**CLEAN, "bias": bias, "with_skull": True}), 6)[0].volume.data for bias in (0.3, 0.0)
    )
    ratio = np.log(with_bias[without > 0] / without[without > 0])
    assert 0.05 < ratio.std() < 0.6
    field = np.log(np.where(without > 0, with_bias, 1) / np.where(without > 0, without, 1))
    inner = ndimage.binary_erosion(without > 0, iterations=2)
    assert np.abs(np.diff(field, axis=0)[inner[1:] & inner[:-1]]).max() < 0.05


def test_real_class_ratios(shared_data, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Grey and white matter of simulated subjects are as far apart as on real scans."""
    from napari_brain_uad.core.progress import Progress
    from napari_brain_uad.io.nifti import read_volume
    from napari_brain_uad.preprocessing.steps.tissue_classes import classify

    real = {name: read_volume(shared_data / "mslub" / "patient07" / f"{name}.nii.gz").data[::2, ::2, ::2] for name in ("T1", "FLAIR")}
    brain = real["FLAIR"] > 5
    classes, _ = classify(real["T1"], brain, 0.1, 20, Progress())
    for name, image in real.items():
        made = Population([shared_data / "labelmaps" / "03.nii.gz"], SimulationParams(sequence=name, spacing_mm=2.0), 1)[0]
        assert made.volume.mask is not None
        assert 1.0e6 < made.volume.mask.sum() * 8 < 2.0e6
        ratios = [
            np.median(data[tissue == 2]) / np.median(data[tissue == 3])
            for data, tissue in ((image, classes), (made.volume.data, made.tissue))
        ]
        assert ratios[0] == pytest.approx(ratios[1], rel=0.15), name
