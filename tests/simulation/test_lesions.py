"""Lesions lie where their truth says, and look and push as they should."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.simulation.contrast import Contrast
from napari_brain_uad.simulation.head import bend
from napari_brain_uad.simulation.lesions.scene import Scene
from napari_brain_uad.simulation.lesions.shapes import real_shapes
from napari_brain_uad.simulation.params import LESIONS, SimulationParams
from napari_brain_uad.simulation.population import Population, Simulated

# No blur, texture, bias or noise: every voxel shows what it is made of.
CLEAN = {"noise": 0.0, "bias": 0.0, "texture": 0.0, "resolution_mm": 1.0}
KINDS = [kind for kind in LESIONS if kind != "none"]


def pair(head: Volume, kind: str, *, number: int = 0, seed: int = 1, sequence: str = "FLAIR", **more: float) -> tuple[Simulated, Simulated]:
    """A person with lesions, and without."""
    settings = {**CLEAN, "sequence": sequence, **more}
    return tuple(  # type: ignore[return-value]
        Population([head], SimulationParams(**settings, lesions=one), seed)[number] for one in (kind, "none")
    )


def truth_of(simulated: Simulated) -> NDArray[np.bool_]:
    assert simulated.truth is not None
    return simulated.truth


@pytest.mark.parametrize("kind", KINDS)
def test_truth_lies_in_the_brain_and_the_rest_is_as_without(head: Volume, kind: str) -> None:
    with_lesions, without = pair(head, kind, lesion_load=0.1)
    truth = truth_of(with_lesions)
    assert with_lesions.volume.mask is not None
    assert truth.sum() >= 8
    assert not (truth & ~with_lesions.volume.mask).any()
    assert without.truth is None
    assert without.volume.data.shape == truth.shape
    changed = with_lesions.volume.data != without.volume.data
    far = ndimage.distance_transform_edt(~truth) > 30
    assert far.sum() > 1000
    assert not changed[far].any()


@pytest.mark.parametrize("kind", ["ms", "stroke"])
@pytest.mark.parametrize(("sequence", "brighter"), [("FLAIR", True), ("T2", True), ("T1", False)])
def test_truth_is_exactly_what_changed(head: Volume, kind: str, sequence: str, brighter: bool) -> None:
    with_lesions, without = pair(head, kind, sequence=sequence)
    change = with_lesions.volume.data - without.volume.data
    np.testing.assert_array_equal(change != 0, truth_of(with_lesions))
    white = truth_of(with_lesions) & (without.tissue == 3)
    assert (change[white].mean() > 0) == brighter


def test_ms_lesions_are_in_white_matter_and_more_with_more_load(head: Volume) -> None:
    few, without = pair(head, "ms", lesion_load=0.3)
    many, _ = pair(head, "ms", lesion_load=2.0)
    for one in (few, many):
        assert (without.tissue[truth_of(one)] == 3).all()
    assert truth_of(many).sum() > 1.5 * truth_of(few).sum()


def test_real_shapes_are_used(head: Volume, tmp_path: Path) -> None:
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[5:8, 5:8, 10:16] = 1  # 54 mm3 upright
    mask[20, 20, 20] = 1  # too small
    nib.Nifti1Image(mask, np.eye(4)).to_filename(tmp_path / "lesions.nii.gz")
    shapes = real_shapes(tmp_path)
    assert [int(shape.sum()) for shape in shapes] == [54]
    params = SimulationParams(**CLEAN, lesions="ms", lesion_load=0.2)
    truth = truth_of(Population([head], params, 3, lesion_masks=tmp_path)[0])
    labels, count = ndimage.label(truth, np.ones((3, 3, 3)))
    heights = [box[2].stop - box[2].start for box in ndimage.find_objects(labels)]
    assert count >= 1
    assert min(heights) <= 6
    with pytest.raises(InputError, match="no lesion masks"):
        real_shapes(tmp_path / "nowhere")


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.0), (2.0, 2.0, 2.0)])
def test_real_shapes_keep_their_size_in_mm(tmp_path: Path, spacing: tuple[float, float, float]) -> None:
    place = np.indices([int(40 / s) for s in spacing]) * np.reshape(spacing, (3, 1, 1, 1)) - 18.0
    nib.Nifti1Image(((place**2).sum(axis=0) < 8.0**2).astype(np.uint8), np.diag([*spacing, 1])).to_filename(tmp_path / "ball.nii.gz")
    (shape,) = real_shapes(tmp_path)
    assert shape.sum() == pytest.approx(4 / 3 * np.pi * 8.0**3, rel=0.12)


def test_a_tumour_is_one_piece_and_pushes(head: Volume) -> None:
    with_lesions, without = pair(head, "tumour", number=2)
    truth = truth_of(with_lesions)
    assert ndimage.label(truth)[1] <= 2
    assert ((with_lesions.tissue != without.tissue) & ~truth).sum() > 200


def test_no_bulge_folds(head: Volume) -> None:
    params = SimulationParams()
    population = Population([head], params)
    rng = np.random.default_rng(0)
    bent = bend(population.anatomy(0), params, rng)
    centre = np.array(bent.codes.shape) // 2
    for strength in (0.75, -0.9):
        scene = Scene(bent, Contrast(params, rng))
        box, moved = scene.bulge(centre, strength, 10.0)
        line = moved[:, centre[1] - box[1].start, centre[2] - box[2].start]
        place = np.arange(box[0].start, box[0].stop) - centre[0]
        source = place - np.sign(strength) * np.sign(place) * line
        assert np.diff(source).min() > 0
        # s(r) = r (1 - a exp(-r^2 / 2 w^2)), at r = w.
        at = int(np.flatnonzero(place == 10)[0])
        assert line[at] == pytest.approx(abs(strength) * 10 * np.exp(-0.5), rel=1e-3)


def test_an_infarct_stays_on_its_side(head: Volume) -> None:
    for number in range(4):
        with_lesions, _ = pair(head, "stroke", number=number, spacing_mm=2.0)
        across = np.argwhere(truth_of(with_lesions)) @ [1, 0, 0]
        assert with_lesions.volume.mask is not None
        middle = np.argwhere(with_lesions.volume.mask)[:, 0].mean()
        share = (across > middle).mean()
        assert max(share, 1 - share) > 0.9


def test_strega_blobs_have_soft_edges_and_truth_at_half_weight(head: Volume) -> None:
    with_lesions, without = pair(head, "strega", number=1)
    truth = truth_of(with_lesions)
    change = np.abs(with_lesions.volume.data - without.volume.data)
    inner, far = ndimage.binary_erosion(truth, iterations=3), ndimage.distance_transform_edt(~truth) > 9
    rim = truth ^ ndimage.binary_dilation(truth)
    assert change[far].max() < 0.1 * change[inner].mean()
    assert 0.15 < change[rim].mean() / change[inner].mean() < 0.65


def test_structural_changes_bring_no_new_brightness(head: Volume) -> None:
    for number in range(4):
        with_lesions, without = pair(head, "structural", number=number, sequence="T1")
        known = np.unique(without.volume.data)
        assert np.isin(with_lesions.volume.data, known).all()
        assert (with_lesions.volume.data != without.volume.data).any()


def test_no_place_is_said(head: Volume) -> None:
    plain = head.with_data(np.where(np.isin(head.data, [2, 41]), 16, 0).astype(np.float32))
    for kind in ("tumour", "stroke", "structural"):
        with pytest.raises(InputError, match="no place"):
            Population([plain], SimulationParams(lesions=kind, pose="scanner"))[0]
