"""A map that has no scan gets the one it was made from, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import read_map, write_map
from napari_brain_uad.workflows.detect.detect import Detection, detect, finish_detection
from napari_brain_uad.workflows.detect.edges import with_scan


@pytest.fixture(scope="module")
def volume() -> Volume:
    data = np.random.default_rng(0).random((20, 18, 16)).astype(np.float32) + 1.0
    grid = Grid(data.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    return Volume(data, grid, name="sub-01", mask=np.ones(data.shape, bool))


@pytest.fixture(scope="module")
def made(volume: Volume) -> Detection:
    return detect(volume, "thresh-raw")


def bare(made: Detection) -> AnomalyMap:
    return replace(made.map, scan=None)


def test_a_run_has_its_scan(made: Detection, volume: Volume) -> None:
    assert made.map.scan is volume.data


def test_a_map_from_its_file_gets_its_own_scan_and_no_other(made: Detection, volume: Volume, tmp_path: Path) -> None:
    write_map(tmp_path / "sub-01_anomalymap.nii.gz", bare(made))
    read = read_map(tmp_path / "sub-01_anomalymap.nii.gz")
    assert read.scan is None
    assert finish_detection(volume, read, made.post, truth=None, command="").map.scan is volume.data
    assert with_scan(read, replace(volume, grid=Grid(volume.grid.shape, np.diag([-2.0, 2.0, 2.0, 1.0])))) is read
    known, other = bare(made), replace(volume, data=volume.data + np.float32(0.5))
    assert with_scan(known, volume).scan is volume.data
    assert with_scan(known, other) is known
    # What it has it keeps.
    assert with_scan(made.map, other) is made.map


def test_of_a_prepared_scan_the_record_knows_other_voxels(made: Detection, volume: Volume) -> None:
    told = {**made.map.provenance, "preprocessing": [{"step": "bias correction"}]}
    other = replace(volume, data=volume.data + np.float32(0.5))
    assert with_scan(replace(bare(made), provenance=told), other).scan is other.data


def test_a_scan_of_another_shape_is_refused(made: Detection) -> None:
    with pytest.raises(InputError, match="scan"):
        replace(made.map, scan=np.zeros((3, 3, 3), np.float32))
