"""Fault 2: named header faults, each with the finding or the error it must give."""

from __future__ import annotations

import gzip
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.headers import parse_header
from napari_brain_uad.io.nifti import count_volumes, read_volume
from napari_brain_uad.io.nifti_checks import MEANING_CHECKS, STRUCTURE_CHECKS

NAN, INF = float("nan"), float("inf")
SHAPE = (8, 9, 7)
AFFINE = np.array([[2.0, 0, 0, -8], [0, 2, 0, -9], [0, 0, 3, -10], [0, 0, 0, 1]])

# Byte offsets and struct codes of NIfTI-1 fields, from the standard (nifti1.h), written independently of the reader.
OFFSETS = {
    "sizeof_hdr": (0, "i"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern_b": (256, "f"),
    "quatern_d": (264, "f"),
    "qoffset_x": (268, "f"),
    **{f"dim{n}": (40 + 2 * n, "h") for n in range(8)},
    **{f"pixdim{n}": (76 + 4 * n, "f") for n in range(8)},
    **{f"srow_{row}{column}": (280 + 16 * r + 4 * column, "f") for r, row in enumerate("xyz") for column in range(4)},
}
MAGIC = 344

QFORM_ONLY = {"qform_code": 1, "sform_code": 0}
NO_CODES = {"qform_code": 0, "sform_code": 0}
SFORM_ONLY = {"qform_code": 0, "sform_code": 2}
FLAT = {"srow_z0": 0.0, "srow_z1": 0.0, "srow_z2": 0.0}

# name, changed fields, code of the finding, whether the file is refused
FAULTS: list[tuple[str, dict[str, float], str, bool]] = [
    ("dim[0] zero", {"dim0": 0}, "dim-count", True),
    ("dim[0] negative", {"dim0": -3}, "dim-count", True),
    ("dim[0] huge", {"dim0": 4096}, "dim-count", True),
    ("dim[1] zero", {"dim1": 0}, "dim-size", True),
    ("dim[2] negative", {"dim2": -9}, "dim-size", True),
    ("dims huge", {"dim1": 32767, "dim2": 32767, "dim3": 32767}, "too-large", True),
    ("dims larger than the file", {"dim3": 700}, "cut off", True),
    ("dims smaller than the file", {"dim3": 6}, "more than", True),
    ("one-dimensional", {"dim0": 1}, "not-3d", True),
    ("two-dimensional", {"dim0": 2}, "not-3d", True),
    ("five-dimensional", {"dim0": 5, "dim4": 1, "dim5": 3}, "not-3d", True),
    ("datatype unknown", {"datatype": 77}, "datatype", True),
    ("datatype RGB", {"datatype": 128, "bitpix": 24}, "datatype", True),
    ("datatype complex", {"datatype": 32, "bitpix": 64}, "datatype", True),
    ("bitpix disagrees", {"bitpix": 32}, "bitpix", True),
    ("vox_offset zero", {"vox_offset": 0}, "vox-offset", True),
    ("vox_offset inside the header", {"vox_offset": 340}, "vox-offset", True),
    ("vox_offset NaN", {"vox_offset": NAN}, "vox-offset", True),
    ("vox_offset not whole", {"vox_offset": 352.5}, "vox-offset", True),
    ("vox_offset behind the file", {"vox_offset": 1e6}, "cut off", True),
    ("vox_offset shifted by two voxels", {"vox_offset": 356}, "cut off", True),
    ("slope 0", {"scl_slope": 0}, "slope-zero", False),
    ("slope 0 with an offset", {"scl_slope": 0, "scl_inter": 5}, "intercept-unused", False),
    ("slope inf", {"scl_slope": INF}, "slope", True),
    ("slope 1e30", {"scl_slope": 1e30}, "slope", True),
    ("slope 1e-30", {"scl_slope": 1e-30}, "slope", True),
    ("slope negative", {"scl_slope": -1}, "slope-negative", False),
    ("intercept NaN", {"scl_slope": 1, "scl_inter": NAN}, "intercept", True),
    ("intercept inf", {"scl_slope": 2, "scl_inter": INF}, "intercept", True),
    ("units unknown", {"xyzt_units": 0}, "units-unknown", False),
    ("units metres", {"xyzt_units": 1}, "units", True),
    ("units microns", {"xyzt_units": 3}, "units", True),
    ("units of no meaning", {"xyzt_units": 7}, "units", True),
    ("qform != sform", {"srow_x3": 12.0}, "qform-sform", False),
    ("codes 0/0", NO_CODES, "orientation-unknown", False),
    ("sform_code of no meaning", {"sform_code": 9}, "orientation-code", True),
    ("qform_code negative", {"qform_code": -1}, "orientation-code", True),
    ("sform NaN", {"srow_y1": NAN}, "affine-not-finite", True),
    ("sform origin inf", {"srow_y3": INF}, "affine-not-finite", True),
    ("sform singular", FLAT, "affine-singular", True),
    ("sform with two equal axes", {"srow_x1": 2.0, "srow_y1": 0.0}, "affine-singular", True),
    ("sform all zero", {f"srow_{r}{c}": 0.0 for r in "xyz" for c in range(3)}, "affine-singular", True),
    ("sform sheared", {"srow_x1": 0.5}, "sheared", False),
    ("sform axis too long", {"srow_x0": 2e4}, "voxel-size", True),
    ("sform axis unusual", {"srow_x0": 50.0}, "voxel-size", False),
    ("sform far away", {"srow_z3": 1e8}, "origin", True),
    ("pixdim 0 with sform", {"pixdim1": 0.0}, "pixdim", False),
    ("pixdim NaN with sform", {"pixdim2": NAN}, "pixdim", False),
    ("pixdim disagrees with sform", {"pixdim3": 4.0}, "pixdim-sform", False),
    ("pixdim 0 with qform", {**QFORM_ONLY, "pixdim1": 0.0}, "pixdim", True),
    ("pixdim NaN with qform", {**QFORM_ONLY, "pixdim3": NAN}, "pixdim", True),
    ("pixdim negative with qform", {**QFORM_ONLY, "pixdim2": -2.0}, "pixdim", True),
    ("pixdim 0, codes 0/0", {**NO_CODES, "pixdim2": 0.0}, "pixdim", True),
    ("qfac 0", {**QFORM_ONLY, "pixdim0": 0.0}, "qfac-zero", False),
    ("qfac 7", {**QFORM_ONLY, "pixdim0": 7.0}, "qfac", True),
    ("qfac NaN", {**QFORM_ONLY, "pixdim0": NAN}, "qfac", True),
    ("quaternion too long", {**QFORM_ONLY, "quatern_b": 1.5}, "affine-not-finite", True),
    ("quaternion NaN", {**QFORM_ONLY, "quatern_d": NAN}, "affine-not-finite", True),
    ("quaternion too long beside a sform", {"quatern_b": 1.5}, "qform-sform", False),
    ("qoffset inf", {**QFORM_ONLY, "qoffset_x": INF}, "affine-not-finite", True),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    data = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    image = nib.Nifti1Image(data, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(1, 0)
    path = tmp_path_factory.mktemp("sound") / "sound.nii"
    nib.save(image, path)
    return path.read_bytes()


def with_fields(content: bytes, fields: dict[str, float]) -> bytes:
    changed = bytearray(content)
    for name, value in fields.items():
        offset, code = OFFSETS[name]
        struct.pack_into("<" + code, changed, offset, value)
    return bytes(changed)


def codes(path: Path) -> set[str]:
    return {finding.code for finding in read_volume(path).findings}


def test_there_are_forty() -> None:
    assert len(FAULTS) >= 40
    assert len({name for name, *_ in FAULTS}) == len(FAULTS)


def test_sound_file_has_no_finding(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "sound.nii").write_bytes(sound)
    assert codes(tmp_path / "sound.nii") == set()


@pytest.mark.parametrize(("name", "fields", "code", "refused"), FAULTS, ids=[fault[0] for fault in FAULTS])
@pytest.mark.parametrize("packed", [False, True], ids=["nii", "nii.gz"])
def test_header_fault(sound: bytes, tmp_path: Path, name: str, fields: dict[str, Any], code: str, refused: bool, packed: bool) -> None:
    path = tmp_path / ("scan.nii.gz" if packed else "scan.nii")
    content = with_fields(sound, fields)
    path.write_bytes(gzip.compress(content) if packed else content)
    if refused:
        with pytest.raises(InputError) as caught:
            read_volume(path)
        assert path.name in caught.value.what
        assert caught.value.why
        assert caught.value.fix
        if " " in code:
            assert code in caught.value.why
    else:
        volume = read_volume(path)
        assert code in {finding.code for finding in volume.findings}
        assert np.isfinite(volume.grid.affine).all()


def test_errors_are_the_named_ones(sound: bytes) -> None:
    """The checks themselves, without files: each fault that is refused is refused by the check of its name."""
    for name, fields, code, refused in FAULTS:
        if " " in code:
            continue
        header = parse_header(with_fields(sound, fields)[:544], Path("scan.nii"))
        found: list[tuple[str, str]] = []
        for check in STRUCTURE_CHECKS + MEANING_CHECKS:
            finding = check(header)
            found += [] if finding is None else [(finding.code, finding.level)]
            if finding is not None and finding.level == "error":
                break
        assert any(seen == code and (level == "error") == refused for seen, level in found), (name, found)


@pytest.mark.parametrize(
    ("magic", "refused"), [(b"n+1\0", False), (b"ni1\0", True), (b"\0\0\0\0", True), (b"n+2\0", True), (b"N+1\0", True), (b"n+1x", True)]
)
def test_magic(sound: bytes, tmp_path: Path, magic: bytes, refused: bool) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(sound[:MAGIC] + magic + sound[MAGIC + 4 :])
    if not refused:
        assert codes(path) == set()
        return
    with pytest.raises(InputError, match="magic"):
        read_volume(path)


def test_sizeof_hdr(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(with_fields(sound, {"sizeof_hdr": 347}))
    with pytest.raises(InputError, match="not a NIfTI file"):
        read_volume(path)


def test_forms_apart_says_how_far_and_uses_the_sform(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(with_fields(sound, {"srow_x3": -8.0 + 12.5}))
    volume = read_volume(path)
    assert volume.grid.affine[0, 3] == pytest.approx(4.5)
    (finding,) = volume.findings
    assert finding.code == "qform-sform"
    assert "12.5 mm" in finding.message


def test_unknown_orientation_is_read_as_nibabel_does(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(with_fields(sound, NO_CODES))
    volume = read_volume(path)
    assert volume.source is not None
    assert not volume.source.orientation_known
    np.testing.assert_allclose(volume.source.grid.affine, nib.load(path).affine)


def test_slope_and_intercept_are_applied(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(with_fields(sound, {"scl_slope": 0.25, "scl_inter": -3.0}))
    expected = np.arange(np.prod(SHAPE)).reshape(SHAPE) * 0.25 - 3
    np.testing.assert_array_equal(read_volume(path).data, expected.astype(np.float32))


@pytest.mark.parametrize("order", [">", "<"])
def test_byte_orders(tmp_path: Path, order: str) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(data, AFFINE, header), tmp_path / "scan.nii")
    volume = read_volume(tmp_path / "scan.nii")
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_array_equal(volume.grid.affine, AFFINE)


def test_every_single_changed_header_byte(sound: bytes, tmp_path: Path) -> None:
    """348 bytes, each inverted: our own error, or a volume of finite numbers at a finite place; never another exception."""
    path = tmp_path / "scan.nii"
    for place in range(352):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0xFF]) + sound[place + 1 :])
        with suppress(InputError):
            assert np.isfinite(read_volume(path).data).all()


def test_count_volumes_judges_the_header(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(with_fields(sound, {"dim1": 0}))
    with pytest.raises(InputError):
        count_volumes(path)
