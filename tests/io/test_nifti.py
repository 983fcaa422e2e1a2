"""Reading and writing scans, masks and maps; nibabel and SimpleITK are the other readers (fault 6)."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.io.nifti import (
    count_volumes,
    image_stem,
    read_map,
    read_volume,
    write_map,
    write_mask,
    write_volume,
)

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() @ np.array([[0, 0, 3.3], [-0.9, 0, 0], [0, 0.9, 0]])
OBLIQUE[:3, 3] = [-71.3, 102.9, -55.1]
SHAPE = (12, 14, 9)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A clinical scan: oblique, anisotropic, int16, patient's name in the free texts, an extension."""
    rng = np.random.default_rng(11)
    image = nib.Nifti1Image(rng.integers(0, 900, SHAPE).astype(np.int16), OBLIQUE)
    image.set_qform(OBLIQUE, 1)
    image.set_sform(OBLIQUE, 2)
    image.header.set_xyzt_units("mm", "sec")
    for key in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[key] = b"DOE^JANE 1961"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE 1961"))
    nib.save(image, tmp_path / "sub-01_FLAIR.nii.gz")
    return tmp_path / "sub-01_FLAIR.nii.gz"


def make_map(volume: Volume, name: str = "sub-01_FLAIR") -> AnomalyMap:
    rng = np.random.default_rng(12)
    mask = np.zeros(volume.data.shape, bool)
    mask[2:-2, 1:-1, 2:-1] = True
    score = np.where(mask, rng.normal(3.0, 40.0, mask.shape), -500.0).astype(np.float32)
    rule = ThresholdRule("percentile", 98.0)
    return AnomalyMap(score, volume.grid, mask, "z", "covariance", name, rule, volume.source, {"seed": 4}, -500.0)


def itk_world(path: Path, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """World mm (RAS) of stored voxel indices as SimpleITK sees them; ITK's own world is LPS."""
    image = sitk.ReadImage(str(path))
    points = np.array([image.TransformIndexToPhysicalPoint([int(n) for n in row]) for row in index])
    return points * np.array([-1.0, -1.0, 1.0])


def test_round_trip_is_exact(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    write_volume(tmp_path / "out.nii.gz", volume)
    first, second = nib.load(scan), nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(np.asarray(second.dataobj), np.asarray(first.dataobj))
    assert second.get_data_dtype() == np.float32
    np.testing.assert_array_equal(second.header.get_sform(), first.header.get_sform())
    np.testing.assert_allclose(second.header.get_qform(), first.header.get_qform(), atol=1e-5)
    assert second.header.get_sform(coded=True)[1] == 2
    assert second.header.get_qform(coded=True)[1] == 1
    assert second.header.get_xyzt_units()[0] == "mm"


def test_no_free_text_of_the_source_is_taken_over(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    write_volume(tmp_path / "out.nii", volume)
    write_map(tmp_path / "map.nii", make_map(volume))
    write_mask(tmp_path / "mask.nii", volume.data > 5, volume)
    for name in ("out.nii", "map.nii", "mask.nii"):
        content = (tmp_path / name).read_bytes()
        assert b"DOE" not in content
        assert b"Research use only" in content[148:228]
        assert not nib.load(tmp_path / name).header.extensions
    assert b"DOE" in nib.load(scan).header.binaryblock


def test_gzip_keeps_neither_time_nor_name(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = read_volume(scan)
    amap = make_map(volume)
    write_map(tmp_path / "first.nii.gz", amap)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    write_map(tmp_path / "second.nii.gz", amap)
    first = (tmp_path / "first.nii.gz").read_bytes()
    assert first == (tmp_path / "second.nii.gz").read_bytes()
    assert first[3:8] == bytes(5)  # RFC 1952: no flags (so no name), modification time 0


def test_map_round_trip_alone(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    amap = make_map(volume)
    path = tmp_path / "x_anomalymap.nii.gz"
    write_map(path, amap)
    back = read_map(path)
    np.testing.assert_array_equal(back.score, amap.score)  # raw scores: negative ones, beyond 1, not rescaled
    np.testing.assert_array_equal(back.mask, amap.mask)
    np.testing.assert_allclose(back.grid.affine, volume.grid.affine, atol=1e-5)
    assert (back.name, back.method, back.unit, back.background) == ("x", "unknown", "unknown", -500.0)
    stored = nib.load(path)
    np.testing.assert_array_equal(stored.affine, nib.load(scan).affine)
    assert stored.shape == SHAPE


def test_map_with_its_record_and_brain_mask(scan: Path, tmp_path: Path) -> None:
    volume = read_volume(scan)
    amap = make_map(volume)
    brain = amap.mask.copy()
    brain[3, 3, 3] = True
    write_map(tmp_path / "x_anomalymap.nii.gz", amap)
    write_mask(tmp_path / "x_brainmask.nii.gz", brain, amap)
    record = {
        "method": {"id": "covariance"},
        "input": {"name": "sub-01_FLAIR"},
        "map": {"unit": "z", "background": -500.0, "default_threshold": "percentile:98"},
        "seed": 4,
    }
    (tmp_path / "x_provenance.json").write_text(json.dumps(record))
    back = read_map(tmp_path / "x_anomalymap.nii.gz")
    np.testing.assert_array_equal(back.mask, brain)
    assert (back.name, back.method, back.unit) == ("sub-01_FLAIR", "covariance", "z")
    assert back.default_threshold == ThresholdRule("percentile", 98.0)
    assert back.provenance["seed"] == 4


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"map": 3}', '{"map": {"background": "x"}}', '{"method": "covariance"}', "\x00"])
def test_damaged_record_is_refused(scan: Path, tmp_path: Path, text: str) -> None:
    write_map(tmp_path / "x_anomalymap.nii.gz", make_map(read_volume(scan)))
    (tmp_path / "x_provenance.json").write_text(text)
    with pytest.raises(InputError, match=r"x_provenance\.json"):
        read_map(tmp_path / "x_anomalymap.nii.gz")


def test_map_of_background_only_covers_everything(tmp_path: Path) -> None:
    grid = Grid((3, 4, 5), np.eye(4))
    ones = np.ones(grid.shape, bool)
    amap = AnomalyMap(np.zeros(grid.shape, np.float32), grid, ones, "q", "threshold", "x", ThresholdRule("otsu"))
    write_map(tmp_path / "x_anomalymap.nii.gz", amap)
    assert read_map(tmp_path / "x_anomalymap.nii.gz").mask.all()


@pytest.mark.parametrize("codes", [(1, 2), (1, 0), (0, 1), (2, 2)])
def test_nibabel_and_simpleitk_agree_on_our_outputs(tmp_path: Path, codes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(codes))
    corners = np.array([[i, j, k] for i in (0, 11) for j in (0, 13) for k in (0, 8)])
    for n in range(25):
        affine = np.eye(4)
        flips = np.diag(rng.choice([-1.0, 1.0], 3))[rng.permutation(3)]
        turn = Rotation.from_euler("xyz", rng.uniform(-25, 25, 3) if n % 5 else np.zeros(3), degrees=True)
        affine[:3, :3] = turn.as_matrix() @ flips * rng.uniform(0.4, 6.0, 3)
        affine[:3, 3] = rng.uniform(-150, 150, 3)
        image = nib.Nifti1Image(rng.integers(0, 99, SHAPE).astype(np.int16), affine)
        image.set_qform(affine, codes[0])
        image.set_sform(affine if codes[1] else None, codes[1])
        nib.save(image, tmp_path / "in.nii")
        volume = read_volume(tmp_path / "in.nii")
        assert volume.source is not None
        expected = volume.source.grid.to_world(corners)
        write_map(tmp_path / "map.nii", make_map(volume))
        write_mask(tmp_path / "mask.nii", volume.data > 50, volume)
        write_volume(tmp_path / "volume.nii", volume)
        for name in ("map.nii", "mask.nii", "volume.nii"):
            by_nibabel = nib.affines.apply_affine(nib.load(tmp_path / name).affine, corners)
            by_itk = itk_world(tmp_path / name, corners)
            assert np.abs(by_nibabel - expected).max() < 1e-3
            assert np.abs(by_itk - expected).max() < 1e-3
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "volume.nii"))).T
        np.testing.assert_array_equal(voxels, np.asarray(image.dataobj))


def test_volume_without_source(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    volume = Volume(rng.random((4, 5, 6), np.float32), Grid((4, 5, 6), np.diag([1.0, 2.0, 3.0, 1.0])))
    write_volume(tmp_path / "a.nii.gz", volume)
    back = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_array_equal(back.grid.affine, volume.grid.affine)
    assert back.source is not None
    assert back.source.orientation_known


def test_sheared_affine_stays_and_claims_no_qform(tmp_path: Path) -> None:
    affine = np.array([[2.0, 0.4, 0, -8], [0, 2, 0, -9], [0, 0, 3, -10], [0, 0, 0, 1]])
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.int16), None)
    image.set_sform(affine, 2)
    image.set_qform(np.diag([2.0, 2, 3, 1]), 1)
    nib.save(image, tmp_path / "in.nii")
    volume = read_volume(tmp_path / "in.nii")
    assert {"sheared", "qform-sform"} <= {finding.code for finding in volume.findings}
    write_volume(tmp_path / "out.nii", volume)
    out = nib.load(tmp_path / "out.nii")
    np.testing.assert_allclose(out.affine, affine, atol=1e-5)
    assert int(out.header["qform_code"]) == 0


def test_unknown_orientation_stays_unknown(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), None)
    image.header.set_zooms((1.5, 2.0, 2.5))
    nib.save(image, tmp_path / "in.nii")
    volume = read_volume(tmp_path / "in.nii")
    write_volume(tmp_path / "out.nii", volume)
    first, second = nib.load(tmp_path / "in.nii"), nib.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(second.affine, first.affine)
    np.testing.assert_array_equal(np.asarray(second.dataobj), np.asarray(first.dataobj))
    assert (int(second.header["qform_code"]), int(second.header["sform_code"])) == (0, 0)
    cropped = Volume(volume.data[1:], Grid((3, 5, 6), volume.grid.affine), source=volume.source)
    with pytest.raises(InputError, match="which side is left"):
        write_volume(tmp_path / "cropped.nii", cropped)


def test_other_suffixes_are_not_written(tmp_path: Path) -> None:
    volume = Volume(np.ones((3, 3, 3), np.float32), Grid((3, 3, 3), np.eye(4)))
    for name in ("a.mgz", "a.img", "a.png", "a"):
        with pytest.raises(InputError, match=r"\.nii\.gz"):
            write_volume(tmp_path / name, volume)
    with pytest.raises(InputError, match="4x3x3"):
        write_mask(tmp_path / "a.nii", np.ones((4, 3, 3), bool), volume)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_mgh(tmp_path: Path, suffix: str, dtype: type) -> None:
    rng = np.random.default_rng(8)
    image = nib.MGHImage(rng.integers(0, 200, SHAPE).astype(dtype), OBLIQUE)
    nib.save(image, tmp_path / f"brain{suffix}")
    volume = read_volume(tmp_path / f"brain{suffix}")
    content = (tmp_path / f"brain{suffix}").read_bytes()
    # nib.load leaves .mgh files open, which is a warning and so an error here.
    stored = nib.MGHImage.from_bytes(gzip.decompress(content) if suffix == ".mgz" else content)
    oracle = nib.as_closest_canonical(stored)
    np.testing.assert_array_equal(volume.data, np.asarray(oracle.dataobj))
    np.testing.assert_allclose(volume.grid.affine, oracle.affine, atol=1e-4)
    write_volume(tmp_path / "out.nii.gz", volume)
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii.gz").affine, stored.affine, atol=1e-5)


def test_mgh_without_orientation_is_refused(tmp_path: Path) -> None:
    nib.save(nib.MGHImage(np.ones((4, 4, 4), np.float32), np.eye(4)), tmp_path / "brain.mgh")
    content = bytearray((tmp_path / "brain.mgh").read_bytes())
    content[28:30] = bytes(2)
    (tmp_path / "brain.mgh").write_bytes(bytes(content))
    with pytest.raises(InputError, match="left and right are unknown"):
        read_volume(tmp_path / "brain.mgh")


def test_mgh_series_and_tags(tmp_path: Path) -> None:
    data = np.arange(3 * 4 * 5 * 2, dtype=np.int16).reshape(3, 4, 5, 2)
    nib.save(nib.MGHImage(data, np.eye(4)), tmp_path / "a.mgh")
    with (tmp_path / "a.mgh").open("ab") as file:
        file.write(b"\0\0\0\x03tags of FreeSurfer")
    assert count_volumes(tmp_path / "a.mgh") == 2
    np.testing.assert_array_equal(read_volume(tmp_path / "a.mgh", index=1).data, data[..., 1])


@pytest.mark.parametrize("name", ["a.hdr", "a.img"])
def test_pair(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(8)
    data = rng.integers(0, 200, SHAPE).astype(np.int16)
    nib.save(nib.Nifti1Pair(data, OBLIQUE), tmp_path / "a.img")
    volume = read_volume(tmp_path / name)
    oracle = nib.as_closest_canonical(nib.load(tmp_path / "a.img"))
    np.testing.assert_array_equal(volume.data, np.asarray(oracle.dataobj))
    np.testing.assert_allclose(volume.grid.affine, oracle.affine, atol=1e-4)
    (tmp_path / "a.img").write_bytes((tmp_path / "a.img").read_bytes()[:-1])
    with pytest.raises(InputError, match="cut off"):
        read_volume(tmp_path / name)
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"a\.img"):
        read_volume(tmp_path / "a.hdr")


def test_analyze_is_refused(tmp_path: Path) -> None:
    nib.save(nib.AnalyzeImage(np.ones((4, 5, 6), np.int16), np.eye(4)), tmp_path / "old.img")
    with pytest.raises(InputError, match="ANALYZE"):
        read_volume(tmp_path / "old.hdr")


def test_nifti2(tmp_path: Path) -> None:
    data = np.arange(120, dtype=np.int32).reshape(4, 5, 6)
    nib.save(nib.Nifti2Image(data, OBLIQUE), tmp_path / "two.nii.gz")
    volume = read_volume(tmp_path / "two.nii.gz")
    oracle = nib.as_closest_canonical(nib.load(tmp_path / "two.nii.gz"))
    np.testing.assert_array_equal(volume.data, np.asarray(oracle.dataobj))
    np.testing.assert_allclose(volume.grid.affine, oracle.affine, atol=1e-6)


def test_suffix_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.dcm: its suffix"):
        read_volume(tmp_path / "a.dcm")


def test_sha256_is_of_the_contents(scan: Path, tmp_path: Path) -> None:
    """The same scan packed and unpacked has one fingerprint."""
    plain = gzip.decompress(scan.read_bytes())
    (tmp_path / "plain.nii").write_bytes(plain)
    sources = [read_volume(path).source for path in (scan, tmp_path / "plain.nii")]
    assert [source.sha256 for source in sources if isinstance(source, Source)] == [hashlib.sha256(plain).hexdigest()] * 2


def test_memory_order_suits_axial_slices(scan: Path) -> None:
    assert read_volume(scan).data.T.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.nii.gz", "a"), ("a.b.nii", "a.b"), ("A.NII.GZ", "A"), ("x.mgz", "x"), ("notes.txt", "notes.txt"), (".nii", ".nii")],
)
def test_stem(name: str, stem: str) -> None:
    assert image_stem(Path("some.nii") / name) == stem
