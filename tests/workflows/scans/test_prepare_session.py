"""A preparation with every step kept, and what of it may be kept for the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.workflows.scans.prepare_session import run_session

PIPELINE = ({"step": "reorient", "params": {}}, {"step": "intensity", "params": {"method": "percentile"}})
BRAIN = np.zeros((12, 14, 10), bool)
BRAIN[2:-2, 2:-2, 2:-2] = True


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


def _scan(seed: int) -> Volume:
    data = np.where(BRAIN, np.random.default_rng(seed).uniform(50, 150, BRAIN.shape), 0).astype(np.float32)
    return Volume(data, Grid(BRAIN.shape, np.diag([2.0, 2.0, 2.0, 1.0])), name="scan", sequence="T1", mask=BRAIN)


def test_the_first_steps_of_the_same_scan_are_kept() -> None:
    scan = _scan(0)
    before = run_session({"T1": scan}, PIPELINE)
    again = run_session({"T1": replace(scan, data=scan.data.copy())}, PIPELINE, earlier=before, first=1)
    assert again.sequences["T1"].runs[0] is before.sequences["T1"].runs[0]


@pytest.mark.parametrize(
    "other",
    [
        _scan(1),
        replace(_scan(0), grid=Grid(BRAIN.shape, np.diag([2.0, 2.0, 3.0, 1.0]))),
        replace(_scan(0), mask=None),
        replace(_scan(0), sequence="T2"),
    ],
    ids=["voxels", "grid", "mask", "sequence"],
)
def test_another_scan_gets_no_step_of_an_earlier_one_nor_does_the_cache(other: Volume) -> None:
    before = run_session({"T1": _scan(0)}, PIPELINE)
    alone = run_session({"T1": other}, PIPELINE)
    mixed = run_session({"T1": other}, PIPELINE, earlier=before, first=2)
    kept = run_session({"T1": other}, PIPELINE)
    for found in (mixed, kept):
        np.testing.assert_array_equal(found.sequences["T1"].prepared.volume.data, alone.sequences["T1"].prepared.volume.data)
        assert found.sequences["T1"].prepared.volume.grid.as_dict() == alone.sequences["T1"].prepared.volume.grid.as_dict()
