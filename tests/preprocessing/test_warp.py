"""Deformations: their inverse, their way through grids and files, and the pipeline with one; against a deformation known as a formula."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.displacement import read_displacements, write_displacements
from napari_brain_uad.preprocessing.geometry import resample_array, resample_volume
from napari_brain_uad.preprocessing.pipeline import replay, run_pipeline
from napari_brain_uad.preprocessing.prepared import Prepared
from napari_brain_uad.preprocessing.registration import Alignment
from napari_brain_uad.preprocessing.steps import register_mni
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.preprocessing.warp import STEP_MM, DisplacementField, Route, Warp, invert
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.prepare import prepare, prepare_patient, save_prepared

GRID = Grid((46, 55, 46), np.array([[4.0, 0, 0, -90], [0, 4.0, 0, -126], [0, 0, 4.0, -72], [0, 0, 0, 1]]))


def displacement(world: np.ndarray) -> np.ndarray:
    """Up to 7 mm, which bends no more than a deformation between two brains does."""
    x, y, z = np.moveaxis(world, -1, 0)
    return np.stack([5 * np.sin(y / 18) * np.cos(z / 25), 4 * np.cos(x / 20) + 2 * np.sin(z / 15), 4 * np.sin(x / 17 + y / 30)], -1)


def analytic(grid: Grid = GRID) -> DisplacementField:
    return DisplacementField.of(displacement(grid.to_world(np.moveaxis(np.indices(grid.shape), 0, -1))), grid)


@pytest.fixture(scope="module")
def warp() -> Warp:
    forward = analytic()
    return Warp(forward, invert(forward, np.ones(GRID.shape, bool), Progress()))


def inner_points(count: int = 400) -> np.ndarray:
    return np.random.default_rng(3).uniform((-60, -95, -40), (60, 60, 75), (count, 3))


def test_the_inverse_undoes_the_deformation(warp):
    points = inner_points()
    np.testing.assert_allclose(warp.inverse.moved(points) + displacement(warp.inverse.moved(points)), points, atol=0.25)
    nodes = GRID.to_world(np.argwhere(np.ones((20, 20, 20))) + 10)
    assert np.linalg.norm(warp.forward.moved(warp.inverse.moved(nodes)) - nodes, axis=1).max() < 0.05


def test_a_deformation_that_folds_is_refused():
    world = GRID.to_world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    folding = DisplacementField.of(np.stack([25 * np.sin(world[..., 0] / 9), *2 * [np.zeros(GRID.shape)]], -1), GRID)
    with pytest.raises(InputError, match="folds"):
        invert(folding, np.ones(GRID.shape, bool), Progress())
    progress = Progress()
    progress.cancel()
    forward = analytic()
    with pytest.raises(Cancelled):
        invert(forward, np.ones(GRID.shape, bool), progress)


def test_images_go_where_points_go(warp):
    """A sheared grid to the template and back: the value found at a voxel is that of the place its centre is sent to."""
    matrix = np.array([[0.95, 0.05, 0, 3], [-0.04, 1.02, 0.1, -5], [0, 0.02, 0.9, 8], [0, 0, 0, 1]])
    affine = np.array([[2.0, 0.3, 0, -95], [0, 2.5, 0, -125], [0, 0, 3.0, -70], [0, 0, 0, 1]])
    scan = Grid((90, 90, 55), affine)
    out = Route(np.eye(4), warp.forward, matrix)
    for axis in range(3):
        ramp = scan.to_world(np.moveaxis(np.indices(scan.shape), 0, -1))[..., axis].astype(np.float32)
        seen = resample_array(ramp, scan, GRID, out, fill=np.nan)
        voxels = np.argwhere(np.isfinite(seen) & (seen != 0))[::50]
        world = GRID.to_world(voxels)
        truth = (world + displacement(world)) @ matrix[:3, :3].T + matrix[:3, 3]
        inside = ((scan.to_index(truth) > 0) & (scan.to_index(truth) < np.array(scan.shape) - 1)).all(axis=1)
        np.testing.assert_allclose(seen[tuple(voxels[inside].T)], truth[inside, axis], atol=0.02)
    np.testing.assert_allclose(out.points(world), truth, atol=0.02)


def test_files_say_the_same_to_itk(warp, tmp_path):
    path = tmp_path / "x_warp.nii.gz"
    write_displacements(path, warp.forward.steps, STEP_MM, GRID)
    steps, grid = read_displacements(path, STEP_MM)
    assert DisplacementField(steps, grid).digest() == warp.forward.digest()
    itk = sitk.DisplacementFieldTransform(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkVectorFloat64))
    lps = np.array([-1.0, -1.0, 1.0])
    points = inner_points(40)
    theirs = np.array([itk.TransformPoint((point * lps).tolist()) for point in points]) * lps
    np.testing.assert_allclose(theirs, warp.forward.moved(points), atol=1e-4)


def test_files_that_are_no_deformation_are_refused(tmp_path, warp):
    path = tmp_path / "x_warp.nii.gz"
    write_displacements(path, warp.forward.steps, STEP_MM, GRID)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_displacements(path, STEP_MM)
    nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)).to_filename(path)
    with pytest.raises(InputError, match="no displacements"):
        read_displacements(path, STEP_MM)
    nibabel.Nifti1Image(np.full((4, 4, 4, 1, 3), 1e6, np.float32), np.eye(4)).to_filename(path)
    with pytest.raises(InputError, match="larger than any head"):
        read_displacements(path, STEP_MM)
    with pytest.raises(InputError, match="cannot be read"):
        read_displacements(tmp_path / "none.nii.gz", STEP_MM)


MATRIX = np.array([[0.98, 0.03, 0, 1], [-0.02, 1.01, 0.04, -2], [0, -0.03, 0.97, 3], [0, 0, 0, 1]])
PIPELINE = [
    {"step": "brain_extraction"},
    {"step": "register_mni", "params": {"deformable": True}},
    {"step": "slice_range", "params": {"first": 30}},
]


@pytest.fixture
def scan(tmp_path, monkeypatch, warp):
    """A brain on a grid of its own; what searches is replaced by a matrix and a deformation that are known."""
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(register_mni, "greedy_warp", lambda *_: warp)
    monkeypatch.setattr(register_mni, "align", lambda *_: Alignment(MATRIX, 1.0))
    monkeypatch.setattr(register_mni, "fit_correlation", lambda *_: MATRIX)
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    affine[:3, 3] = (-93.3, -128.2, -74.1)
    volume = resample_volume(template(), Grid((94, 112, 74), affine))
    image = nibabel.Nifti1Image(np.asarray(volume.data), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    path = tmp_path / "sub-01_T1w.nii.gz"
    image.to_filename(path)
    return path


@pytest.mark.slow
def test_markers_come_back_within_half_a_voxel(scan, warp):
    volume = load(scan)
    prepared, _ = run_pipeline(PIPELINE, volume)
    assert prepared.warp is warp
    np.testing.assert_array_equal(prepared.matrix, MATRIX)
    assert "deformation by greedy" in prepared.record[1]["said"]
    rng = np.random.default_rng(5)
    inside = np.argwhere(prepared.volume.mask)
    for voxel in inside[rng.choice(len(inside), 12, replace=False)]:
        # A ball of 5 mm on the model's grid; its centre on the way back is a point's.
        world = prepared.volume.grid.to_world(np.moveaxis(np.indices(prepared.volume.grid.shape), 0, -1))
        centre = prepared.volume.grid.to_world(voxel)
        ball = np.exp(-((world - centre) ** 2).sum(-1) / (2 * 2.5**2)).astype(np.float32)
        back = prepared.to_native(ball)
        truth = (centre + displacement(centre)) @ prepared.matrix[:3, :3].T + prepared.matrix[:3, 3]
        if ((volume.grid.to_index(truth) < 6) | (volume.grid.to_index(truth) > np.array(volume.grid.shape) - 7)).any():
            continue
        peak = np.argwhere(back > 0.5 * back.max())
        found = np.average(peak, axis=0, weights=back[back > 0.5 * back.max()])
        assert np.abs(found - volume.grid.to_index(truth)).max() < 0.5


def test_maps_come_back_on_the_scans_grid(scan):
    volume = load(scan)
    prepared, _ = run_pipeline(PIPELINE, volume)
    shown = prepared.volume
    amap = AnomalyMap(shown.data, shown.grid, shown.mask, "intensity", "threshold", shown.name, ThresholdRule.parse("otsu"))
    back = prepared.map_to_native(amap)
    assert back.score.shape == volume.data.shape
    inner = volume.data > 0.9 * np.percentile(volume.data, 99)
    inner[:, :, :16] = False
    assert np.corrcoef(back.score[inner], volume.data[inner])[0, 1] > 0.4
    assert np.abs(back.score[back.mask] - volume.data[back.mask]).mean() < 0.05 * volume.data.max()


@pytest.mark.slow
def test_a_recorded_run_is_repeated_with_its_deformation_only(scan, warp):
    volume = load(scan)
    prepared, _ = run_pipeline(PIPELINE, volume)
    again = replay(prepared.record, volume, warp=warp)
    np.testing.assert_array_equal(again.volume.data, prepared.volume.data)
    with pytest.raises(InputError, match="is not given"):
        replay(prepared.record, volume)
    with pytest.raises(InputError, match="another deformation"):
        replay(prepared.record, volume, warp=replace(warp, inverse=warp.forward))


def test_it_comes_from_the_cache_and_from_its_files(scan, warp, tmp_path):
    volume = load(scan)
    first = prepare(volume, PIPELINE)
    kept = prepare(volume, PIPELINE)
    assert kept.warp is not first.warp
    assert kept.warp.sha256 == warp.sha256 == first.record[1]["outcome"]["warp_sha256"]
    files = save_prepared(first, volume, tmp_path / "out", "clinical", figure=False)
    fields = [DisplacementField(*read_displacements(files[key], STEP_MM)) for key in ("warp", "inverse_warp")]
    np.testing.assert_array_equal(replay(first.record, volume, warp=Warp(*fields)).volume.data, first.volume.data)


@pytest.mark.slow
def test_further_sequences_take_the_deformation_over(scan, warp):
    volume = load(scan)
    other = replace(volume.with_data(volume.data.max() - volume.data), sequence="T2", name="other")
    pipeline = [{"step": "brain_extraction"}, {"step": "register_mni", "params": {"deformable": True}}]
    done = prepare_patient({"T1": volume, "T2": other}, pipeline, use_cache=False)
    assert done["T2"].warp is done["T1"].warp
    assert done["T2"].record[1]["outcome"]["warp_sha256"] == warp.sha256
    both = done["T1"].volume.mask & done["T2"].volume.mask
    total = (done["T1"].volume.data + done["T2"].volume.data)[both]
    np.testing.assert_allclose(total, volume.data.max(), rtol=2e-3)


@pytest.mark.slow
def test_nothing_moves_the_patient_after_a_deformation(scan):

    volume = load(scan)
    twice = [*PIPELINE[:2], {"step": "register_mni", "params": {"deformable": True}}]
    with pytest.raises(InputError, match="after a deformation"):
        run_pipeline(twice, volume)


def test_there_is_one_way_back_without_a_deformation_too(scan):
    prepared = Prepared(template(), MNI_GRID, None, None, np.diag([2.0, 2, 2, 1]), ())
    np.testing.assert_allclose(prepared.way_back, np.diag([0.5, 0.5, 0.5, 1]))


def test_a_mask_of_the_scan_goes_to_the_models_grid():
    """The scan's world is twice as large: one of its voxels of 2 mm is one of the model's of 1 mm."""
    model = Volume(np.zeros((6, 6, 6), np.float32), Grid((6, 6, 6), np.eye(4)))
    scan = Grid((6, 6, 6), np.diag([2.0, 2.0, 2.0, 1.0]))
    prepared = Prepared(model, scan, None, None, np.diag([2.0, 2, 2, 1]), ())
    mask = np.zeros((6, 6, 6), bool)
    mask[1:4, 2, 3:5] = True
    assert np.array_equal(prepared.mask_to_model(mask), mask)
    assert np.array_equal(prepared.to_native(prepared.mask_to_model(mask)), mask)
    with pytest.raises(InputError):
        prepared.mask_to_model(mask[:3])
