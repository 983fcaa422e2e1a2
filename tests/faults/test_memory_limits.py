"""Fault 24: a real command under ten limits of memory. Each run ends with a right result or a clear error, never with a traceback."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import read_map, write_volume
from napari_brain_uad.workflows.detect.detect import detect

MEGABYTE = 1 << 20
LIMITS = (200, 400, 620, 720, 780, 860, 940, 1050, 1300, 4000)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stripped brain of 140^3 voxels."""
    axes = np.meshgrid(*(np.linspace(-1, 1, 140, dtype=np.float32),) * 3, indexing="ij", sparse=True)
    brain = sum(axis**2 for axis in axes) < 0.5
    data = np.where(brain, 300 + np.random.default_rng(0).normal(0, 20, brain.shape), 0).astype(np.float32)
    data[60:70, 60:70, 60:70] += 250
    path = tmp_path_factory.mktemp("scan") / "brain_FLAIR.nii.gz"
    write_volume(path, Volume(data, Grid(data.shape, np.eye(4))))
    return path


@pytest.fixture(scope="module")
def expected(scan: Path) -> np.ndarray:
    return detect(scan, prepare_with="never").map.score


@pytest.mark.parametrize("limit", LIMITS)
def test_a_right_result_or_a_clear_error(limit: int, scan: Path, expected: np.ndarray, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit * MEGABYTE, limit * MEGABYTE))

    command = [sys.executable, "-m", "napari_brain_uad.cli", "detect", str(scan), "--prepare", "never", "--out", str(tmp_path), "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited, timeout=120)
    assert "Traceback" not in run.stderr
    if run.returncode == 0:
        assert limit >= 940
        (written,) = tmp_path.rglob("*_anomalymap.nii.gz")
        np.testing.assert_array_equal(read_map(written).score, expected)
        return
    assert limit < 4000
    assert run.returncode in (2, 4)
    said = run.stderr.splitlines()[-1]
    assert said.startswith("brain-uad: ")
    assert "memory" in said
    assert "free" in said
    assert not list(tmp_path.rglob("*regions*"))


def test_what_a_file_unpacks_to_is_known_from_its_header(tmp_path: Path) -> None:
    """A small file of a large empty image: refused before it is unpacked, with the figure."""
    import gzip

    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header()
    header.set_data_shape((900, 900, 900))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), 2)
    header["vox_offset"] = 352
    path = tmp_path / "empty_T1.nii.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(90):
            file.write(bytes(8_100_000))
    assert path.stat().st_size < 5_000_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2000 * MEGABYTE, 2000 * MEGABYTE))

    command = [sys.executable, "-m", "napari_brain_uad.cli", "detect", str(path), "--out", str(tmp_path / "out"), "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited, timeout=60)
    assert run.returncode == 2
    assert "empty_T1.nii.gz: reading it takes 4.5 GB of memory, and 1." in run.stderr
