"""Fault 3: files that claim or unpack to far more than they are. Refused with little memory and in no time."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from promptness import assert_within

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.nifti import count_volumes, read_volume

MEGABYTE = 1 << 20


def header(shape: tuple[int, ...], dtype: type = np.uint8) -> bytes:
    made = nib.Nifti1Header()
    made.set_data_dtype(dtype)
    made.set_data_shape(shape)
    made.set_sform(np.eye(4), 1)
    made["vox_offset"] = 352
    return bytes(made.binaryblock) + bytes(4)


@contextmanager
def frugal(megabytes: float, seconds: float = 5.0) -> Iterator[None]:
    start = time.perf_counter()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes * MEGABYTE, f"{peak / MEGABYTE:.0f} MB were taken"
    assert_within(time.perf_counter() - start, seconds)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_kilobyte_claims_eight_gigabytes(tmp_path: Path, suffix: str) -> None:
    content = header((2000, 2000, 2000)) + bytes(700)
    path = tmp_path / f"claim{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    for read in (read_volume, count_volumes):
        with frugal(4), pytest.raises(InputError, match="8 GB; the limit is 4 GB"):
            read(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_kilobyte_claims_what_is_allowed(tmp_path: Path, suffix: str) -> None:
    """Below the limit of size, but more than a file of this length can hold, however well it was packed."""
    content = header((1200, 1200, 1200), np.int16) + bytes(700)
    path = tmp_path / f"claim{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    with frugal(4), pytest.raises(InputError, match="cut off"):
        read_volume(path)


def test_gzip_of_300_megabytes_behind_a_small_header(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    path = tmp_path / "bomb.nii.gz"
    with path.open("wb") as file:
        file.write(packer.compress(header((10, 10, 10))))
        for _ in range(300):
            file.write(packer.compress(bytes(MEGABYTE)))
        file.write(packer.flush())
    assert path.stat().st_size < MEGABYTE
    with frugal(16), pytest.raises(InputError, match="holds more than"):
        read_volume(path)
    with frugal(16):
        assert count_volumes(path) == 1


def test_long_series_takes_the_memory_of_one_volume(tmp_path: Path) -> None:
    shape = (64, 64, 32, 120)  # 30 MB as stored
    path = tmp_path / "series.nii.gz"
    rng = np.random.default_rng(4)
    data = np.zeros(shape, np.int16)
    data[..., 77] = rng.integers(-5, 5, shape[:3])
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header(shape, np.int16))
        file.write(data.tobytes("F"))
    with frugal(12):
        volume = read_volume(path, index=77)
    np.testing.assert_array_equal(volume.data, data[..., 77])


def test_unpacking_stops_at_a_pickled_or_zipped_file(tmp_path: Path) -> None:
    for content in (b"PK\x03\x04" + bytes(500), b"\x80\x04\x95" + bytes(500)):
        (tmp_path / "scan.nii").write_bytes(content)
        with pytest.raises(InputError, match="not a NIfTI file"):
            read_volume(tmp_path / "scan.nii")
