"""Copies in MNI space of a scan that is the template moved by a known affine: SimpleITK, with the transform file, says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from small_heads import save as save_head

from napari_brain_uad import cli
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.geometry import resample_volume
from napari_brain_uad.preprocessing.mni_way import MniWay, moved
from napari_brain_uad.preprocessing.steps.register_mni import RegisterMni
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.preprocessing.warp import DisplacementField, Warp
from napari_brain_uad.workflows.detect import save
from napari_brain_uad.workflows.detect.detect import Detection, finish_detection
from napari_brain_uad.workflows.detect.mni import check_mni, mni_map, with_mni
from napari_brain_uad.workflows.detect.region_files import regions_record
from napari_brain_uad.workflows.detect.region_names import mni_relation

TURN = np.deg2rad(12.0)
TO_SCAN = np.array([[np.cos(TURN), -np.sin(TURN), 0, 31.0], [np.sin(TURN), np.cos(TURN), 0.05, -12.5], [0, 0, 1.1, 40.0], [0, 0, 0, 1]])
"""World mm of the template to world mm of the scan."""
LESIONS = {(-28.0, -20.0, 30.0): 8.0, (12.0, -16.0, 8.0): 6.0}
"""Centres in MNI152 mm, and radii."""


@dataclass(frozen=True)
class Moved:
    detection: Detection
    files: dict[str, Path]


def _scan() -> tuple[Volume, np.ndarray]:
    """The template on a grid of 2.5 mm in the scan's world, and the score of its lesions."""
    corner = TO_SCAN @ np.array([-88.0, -122.0, -70.0, 1.0]) + (-5.0, -24.0, 0.0, 0.0)
    affine = np.diag([2.5, 2.5, 2.5, 1.0])
    affine[:, 3] = corner
    grid = Grid((82, 100, 86), affine)
    volume = replace(template(), name="moved", source=Source(grid))
    volume = resample_volume(volume, grid, np.linalg.inv(TO_SCAN))
    home = moved(np.linalg.inv(TO_SCAN), grid.to_world(np.indices(grid.shape).transpose(1, 2, 3, 0).reshape(-1, 3)))
    score = np.zeros(len(home), np.float32)
    for number, (centre, radius) in enumerate(LESIONS.items()):
        score += (2.0 - number) * (((home - centre) ** 2).sum(axis=1) < radius**2)
    assert volume.mask is not None
    return volume, np.asfortranarray(score.reshape(grid.shape) * volume.mask)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    volume, score = _scan()
    record = [{"step": "register_mni", "outcome": {"matrix": TO_SCAN.tolist(), "dice": 0.96, "origin": "known"}}]
    about = {"preprocessing": record, "seed": 0, "method": {"id": "thresh-raw", "params": {}}, "input": {"name": "moved", "sequence": "T1"}}
    assert volume.mask is not None
    given = ThresholdRule("value", 0.5)
    amap = AnomalyMap(score, volume.grid, volume.mask, "unit", "thresh-raw", "moved", given, volume.source, about)
    post = PostParams(threshold="0.5", opening=0, min_voxels=0)
    detection = with_mni(finish_detection(volume, amap, post, truth=None, command="brain-uad detect moved.nii.gz --out OUT"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(save, "draw_figure", lambda _detection, path: path.write_bytes(b""))  # half of the time
        return Moved(detection, save.save_detection(detection, tmp_path_factory.mktemp("out")))


def _resampled(case: Moved, kind: str, nearest: bool) -> np.ndarray:
    """What SimpleITK makes of a native file, with the transform file and the grid of a copy alone."""
    like = sitk.ReadImage(str(case.files["mni_labels"]))
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    image = sitk.Resample(sitk.ReadImage(str(case.files[kind])), like, sitk.ReadTransform(str(case.files["mni_transform"])), how, 0.0)
    return sitk.GetArrayFromImage(image).T


def test_the_copies_lie_on_the_templates_grid_where_the_truth_is(case: Moved) -> None:
    score = nib.load(case.files["mni_map"])
    np.testing.assert_allclose(score.affine, MNI_GRID.affine, atol=1e-6)
    assert score.shape == MNI_GRID.shape
    assert int(score.header["sform_code"]) == 4, "NIfTI's code for MNI152"
    labels = np.asarray(nib.load(case.files["mni_labels"]).dataobj)
    for (centre, radius), number in zip(LESIONS.items(), (1, 2), strict=True):
        own = MNI_GRID.to_world(np.argwhere(labels == number))
        assert np.abs(own.mean(axis=0) - centre).max() < 0.5
        assert np.linalg.norm(own - centre, axis=1).max() < radius + 2.2, "half the diagonal of a voxel of the scan"
        assert len(own) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.12)
    assert set(np.unique(labels)) == {0, 1, 2}, "nearest: no number in between"
    assert ((np.asarray(nib.load(case.files["mni_mask"]).dataobj) > 0) == (labels > 0)).all()


def test_another_program_makes_the_same_of_the_transform_file(case: Moved) -> None:
    labels = np.asarray(nib.load(case.files["mni_labels"]).dataobj)
    assert (_resampled(case, "labels", nearest=True) != labels).mean() < 1e-6
    score, brain = nib.load(case.files["mni_map"]).get_fdata(), np.asarray(nib.load(case.files["mni_brainmask"]).dataobj) > 0
    inner = _resampled(case, "brainmask", nearest=False) > 0.999  # linear on both sides where no edge is near
    assert inner.sum() > 1e6
    assert np.abs(_resampled(case, "map", nearest=False) - score)[inner & brain].max() < 1e-4
    own = nib.load(case.files["mni_scan"]).get_fdata()[inner]
    assert np.corrcoef(own, template().data[inner])[0, 1] > 0.97


def test_centres_of_regions_go_there_and_back(case: Moved) -> None:
    about = json.loads(case.files["mni_provenance"].read_text())["space"]
    assert about["template"] == "MNI152NLin2009aSym"
    to_scan = sitk.ReadTransform(str(case.files["mni_transform"]))
    flip = np.array([-1.0, -1.0, 1.0])
    for region in case.detection.result.regions:
        there = np.array(about["region_centroids_mm"][str(region.number)])
        back = flip * np.array(to_scan.TransformPoint((flip * there).tolist()))
        assert np.linalg.norm(back - region.centroid_mm) < 0.05
    np.testing.assert_allclose(np.array(about["matrix_to_template_mm"]) @ TO_SCAN, np.eye(4), atol=1e-9)


def test_a_copy_is_read_as_a_map_that_lies_in_mni(case: Moved, tmp_path: Path) -> None:
    amap = read_map(case.files["mni_map"])
    assert amap.method == "thresh-raw"
    relation = mni_relation(amap)
    assert relation.to_mni is not None
    np.testing.assert_array_equal(relation.to_mni, np.eye(4))  # the scan's own registration is not applied a second time
    assert case.detection.mni is not None
    np.testing.assert_array_equal(mni_relation(mni_map(case.detection, case.detection.mni)).to_mni, np.eye(4))
    assert "--mni" in json.loads(case.files["provenance"].read_text())["command"]
    for kind in ("mni_map", "mni_provenance", "mni_brainmask", "manifest"):
        (tmp_path / case.files[kind].name).write_bytes(case.files[kind].read_bytes())
    (tmp_path / case.files["mni_provenance"].name).write_text("{}")
    with pytest.raises(InputError, match="not as moved_thresh-raw_manifest"):
        read_map(tmp_path / case.files["mni_map"].name)


def test_a_deformation_goes_along_and_comes_back() -> None:
    steps = np.zeros((*MNI_GRID.shape[:3], 3), np.int16)
    steps[..., 1] = 300  # 3 mm everywhere
    way = MniWay(TO_SCAN, Warp(DisplacementField(steps, MNI_GRID), DisplacementField(-steps, MNI_GRID)), {})
    points = np.array([[10.0, -20.0, 5.0], [-30.0, 40.0, 12.0]])
    there = moved(way.to_scan, points)
    np.testing.assert_allclose(there, moved(TO_SCAN, points + np.array([0.0, 3.0, 0.0])), atol=1e-9)
    np.testing.assert_allclose(moved(way.to_template, there), points, atol=1e-9)


def test_a_poor_registration_is_said(case: Moved) -> None:
    record = [{"step": "register_mni", "outcome": {"matrix": TO_SCAN.tolist(), "dice": 0.6}}]
    poor = replace(case.detection, map=replace(case.detection.map, provenance={"preprocessing": record}))
    found = [finding.code for finding in with_mni(poor).warnings]
    assert found.count("poor-registration") == 1
    assert "poor-registration" not in [finding.code for finding in case.detection.warnings]


def test_regions_of_a_scan_that_was_registered_for_the_copies_have_names(case: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegisterMni, "_affine", lambda *_: (TO_SCAN, {"origin": "test"}))
    before = finish_detection(
        case.detection.volume, replace(case.detection.map, provenance={}), case.detection.post, truth=None, command=""
    )
    assert [region.name for region in before.result.regions] == ["", ""]
    after = with_mni(before)
    assert [region.name for region in after.result.regions] == ["left cerebral white matter", "right thalamus"]
    assert "copies" in regions_record(after)["region_names"]["position"]
    assert regions_record(before)["region_names"]["position"].startswith("no MNI coordinates")


def test_a_brain_on_the_templates_grid_that_keeps_its_own_size_gets_no_names(case: Moved) -> None:
    """MSLUB is handed out so: rigidly registered, the brain two thirds of the template's. Its places are not the template's."""
    inside = template().mask
    assert inside is not None
    small = ndimage.binary_erosion(inside, iterations=9)
    amap = replace(case.detection.map, score=small.astype(np.float32), mask=small, grid=MNI_GRID, provenance={}, source=None, scan=None)
    relation = mni_relation(amap)
    assert relation.to_mni is None
    assert "on MNI152's grid, but the brain overlaps the template's by 0." in relation.words
    assert relation.words.endswith("; copies in MNI space (--mni, or Export in Tune) register it and name the regions")
    elsewhere = replace(amap, grid=replace(MNI_GRID, affine=MNI_GRID.affine + np.array([[0, 0, 0, 0.4], *[[0.0] * 4] * 3])))
    assert "the scan was not registered to MNI152; copies" in mni_relation(elsewhere).words


def test_what_has_no_left_or_no_height_is_refused_before_it_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume = template()
    with pytest.raises(InputError, match="which side is left"):
        check_mni(replace(volume, source=Source(volume.grid, qform_code=0, sform_code=0)))
    flat = save_head(np.random.default_rng(0).random((20, 20, 1), np.float32), tmp_path / "slice_T1.nii.gz")
    assert cli.main(["detect", str(flat), "--mni", "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert "it is a single slice" in capsys.readouterr().err


@pytest.mark.slow  # it registers a whole brain
def test_the_projects_own_registration_finds_the_way() -> None:
    volume, score = _scan()
    assert volume.mask is not None
    amap = AnomalyMap(score, volume.grid, volume.mask, "unit", "thresh-raw", "moved", ThresholdRule("value", 0.5), volume.source, {})
    detection = with_mni(finish_detection(volume, amap, PostParams(), truth=None, command=""))
    assert detection.mni is not None
    points = np.array(list(LESIONS))
    apart = np.linalg.norm(moved(detection.mni.to_scan, points) - moved(TO_SCAN, points), axis=1)
    assert apart.max() < 2.5, "within a voxel of the scan"
    assert detection.mni.outcome["dice"] > 0.9
