"""Registration by greedy: alignments and deformations known as formulas are found again; it is cancelled, missing, failing, folding."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from interrupted import running

from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing.geometry import resample_mask, resample_volume
from napari_brain_uad.preprocessing.pipeline import run_pipeline
from napari_brain_uad.preprocessing.registration import correlation
from napari_brain_uad.preprocessing.steps import greedy
from napari_brain_uad.preprocessing.steps.greedy import greedy_affine, greedy_warp
from napari_brain_uad.preprocessing.template import template
from napari_brain_uad.preprocessing.warp import STEP_MM, DisplacementField, Route, invert

needs_greedy = pytest.mark.skipif(find_spec("picsl_greedy") is None, reason="picsl-greedy is not installed")

COARSE = Grid((46, 55, 46), np.array([[4.0, 0, 0, -90], [0, 4.0, 0, -126], [0, 0, 4.0, -72], [0, 0, 0, 1]]))
SCAN = Grid((60, 70, 40), np.array([[3.3, 0, 0, -97], [0, 3.4, 0, -127], [0, 0, 4.4, -78], [0, 0, 0, 1]]))
MATRIX = np.array([[0.96, 0.06, 0, 4], [-0.05, 1.03, 0.07, -5], [0, -0.04, 0.94, 6], [0, 0, 0, 1]])


def displacement(world: np.ndarray) -> np.ndarray:
    """Up to 6 mm."""
    x, y, z = np.moveaxis(world, -1, 0)
    return np.stack([3 * np.sin(y / 22) * np.cos(z / 30), 3 * np.cos(x / 25), 3 * np.sin(x / 24 + y / 35)], -1)


@pytest.fixture(scope="module")
def fixed() -> Volume:
    """The template on voxels of 4 mm."""
    volume = template()
    mask = resample_mask(volume.mask, volume.grid, COARSE)
    return replace(resample_volume(volume, COARSE), mask=mask, name="template")


def brain_points(volume: Volume) -> np.ndarray:
    return volume.grid.to_world(np.argwhere(volume.mask)[::17])


def moved_by(way: object) -> Volume:
    """The template's brain as a scan that lies elsewhere; `way` leads from the scan to the template."""
    volume = template()
    moving = resample_volume(volume, SCAN, way)
    mask = resample_mask(volume.mask, volume.grid, SCAN, way)
    return replace(moving, data=np.where(mask, 900 * moving.data / volume.data.max(), 0).astype(np.float32), mask=mask, name="scan")


@pytest.fixture(scope="module")
def deformed() -> Volume:
    """A brain that the template is brought to by `displacement`, then by `MATRIX`."""
    forward = DisplacementField.of(displacement(COARSE.to_world(np.moveaxis(np.indices(COARSE.shape), 0, -1))), COARSE)
    back = invert(forward, np.ones(COARSE.shape, bool), Progress())
    return moved_by(Route(np.linalg.inv(MATRIX), back, np.eye(4)))


@needs_greedy
@pytest.mark.parametrize(("alike", "off_mm"), [(True, 0.5), (False, 2.0)])
def test_an_affine_alignment_is_found_again(fixed: Volume, alike: bool, off_mm: float) -> None:
    """From 6 mm off, on voxels of 4 mm: correlation is exact to a fraction of a voxel, mutual information to half of one."""
    moving = moved_by(np.linalg.inv(MATRIX))
    if not alike:
        moving = moving.with_data(np.where(moving.mask, 1000 - moving.data, 0).astype(np.float32))
    start = np.eye(4)
    start[:3, 3] = MATRIX[:3, 3] + (2, -2, 1)
    found = greedy_affine(fixed, moving, start, alike, Progress())
    points = brain_points(fixed)
    off = np.linalg.norm(points @ (found - MATRIX)[:3, :3].T + (found - MATRIX)[:3, 3], axis=1)
    assert off.mean() < off_mm
    np.testing.assert_array_equal(greedy_affine(fixed, moving, start, alike, Progress()), found)


@needs_greedy
@pytest.mark.parametrize(("alike", "left", "gain"), [(True, 0.4, 0.15), (False, 0.8, 0.05)])
def test_a_deformation_is_found_again_and_undone(fixed: Volume, deformed: Volume, alike: bool, left: float, gain: float) -> None:
    told: list[float] = []
    progress = Progress(lambda fraction, _message: told.append(fraction))
    warp = greedy_warp(fixed, deformed, MATRIX, alike, progress)
    np.testing.assert_array_equal(greedy_warp(fixed, deformed, MATRIX, alike, Progress()).forward.steps, warp.forward.steps)
    points = brain_points(fixed)
    before, after = displacement(points), displacement(points) - warp.forward.at(points)
    assert np.median(np.linalg.norm(after, axis=1)) < left * np.median(np.linalg.norm(before, axis=1))
    straight, bent = resample_volume(deformed, COARSE, MATRIX), resample_volume(deformed, COARSE, Route(np.eye(4), warp.forward, MATRIX))
    assert correlation(bent.data, fixed.data, fixed.mask) > correlation(straight.data, fixed.data, fixed.mask) + gain
    nodes = COARSE.to_world(np.argwhere(fixed.mask))
    assert np.linalg.norm(warp.forward.moved(warp.inverse.moved(nodes)) - nodes, axis=1).max() < 0.05
    assert told == sorted(told)


@needs_greedy
def test_cancelling_ends_the_program(fixed: Volume, deformed: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "_WARP_ROUNDS", (100_000,))
    monkeypatch.setenv("BRAIN_UAD_TEST_RUN", "greedy is cancelled")
    seen: list[dict[int, str]] = []
    progress = Progress()

    def cancel() -> None:
        seen.append(running("greedy is cancelled"))
        progress.cancel()

    timer = threading.Timer(2.0, cancel)
    timer.start()
    with pytest.raises(Cancelled):
        greedy_warp(fixed, deformed, MATRIX, True, progress)
    timer.join()
    assert len([line for line in seen[0].values() if "Greedy3D" in line and "_guard.py" not in line]) == 1
    # Its guard has been told to end it: the kernel may take a moment to.
    soon = time.monotonic() + 2.0
    while running("greedy is cancelled") and time.monotonic() < soon:
        time.sleep(0.02)
    assert running("greedy is cancelled") == {}


def test_without_the_program_it_says_what_to_install(fixed: Volume, deformed: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    with pytest.raises(InputError, match=r"picsl-greedy is not installed.*\[greedy\]"):
        greedy_affine(fixed, deformed, MATRIX, True, Progress())


def test_a_failing_program_is_told_with_its_last_words(fixed: Volume, deformed: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setattr(greedy, "_CHILD", "import sys; print('reading'); sys.exit('no memory for images')")
    with pytest.raises(InputError, match="greedy failed: no memory for images"):
        greedy_warp(fixed, deformed, MATRIX, True, Progress())


def test_a_deformation_that_folds_is_refused(fixed: Volume, deformed: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "_CHILD", "")
    x = COARSE.to_world(np.moveaxis(np.indices(COARSE.shape), 0, -1))[..., 0]
    folding = np.stack([25 * np.sin(x / 9), *2 * [np.zeros(COARSE.shape)]], -1)
    monkeypatch.setattr(greedy, "read_displacements", lambda *_: (np.round(folding / STEP_MM).astype(np.int16), COARSE))
    with pytest.raises(InputError, match="folds"):
        greedy_warp(fixed, deformed, MATRIX, True, Progress())


@pytest.mark.slow
@needs_greedy
def test_the_step_takes_it_as_its_backend(deformed: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "_AFFINE_ROUNDS", (100, 20, 0))
    scan = replace(deformed, sequence="T1")
    prepared, _ = run_pipeline([{"step": "register_mni", "params": {"backend": "greedy"}}], scan)
    outcome = prepared.record[0]["outcome"]
    assert outcome["origin"] == "affine by greedy"
    assert outcome["dice"] > 0.93
