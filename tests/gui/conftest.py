"""Scans and detections for the tests of the window."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import NapariSettings
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import head, write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test takes what another computed."""
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _napari_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares each viewer of a test what its fixture does anew and is the same every time: half a second for each.

    The manifests of the installed plugins are read once, and what is chosen in a window is not written to napari's file of settings,
    which the fixture resets before and after.
    """
    monkeypatch.setattr(PluginManifest, "discover", lambda paths=(): iter(_installed() if not paths else _DISCOVER(paths)))
    monkeypatch.setattr(NapariSettings, "_maybe_save", lambda _self: None)


_DISCOVER = PluginManifest.discover


@cache
def _installed() -> tuple[Any, ...]:
    return tuple(_DISCOVER())


_LONGEST_WAIT = 180_000


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QtBot:
    """Waits for what has to come until it comes, on a busy machine too; tests of promises measure the time themselves (`promptness`)."""
    waiting = qtbot.waitUntil
    monkeypatch.setattr(qtbot, "waitUntil", lambda ready, *, timeout=0: waiting(ready, timeout=max(timeout, _LONGEST_WAIT)))
    return qtbot


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    return write(tmp_path / "sub-01_FLAIR.nii.gz", head()[0])


@pytest.fixture
def scan(scan_file: Path) -> Volume:
    volume = load(scan_file)
    return volume.with_mask(volume.data > 0)


@pytest.fixture
def detection(scan: Volume) -> Detection:
    # LPS to RAS: the first two axes run the other way.
    canonical_truth = np.flip(head()[1], (0, 1)) > 0
    return detect(scan, "thresh-raw", truth=canonical_truth, post=PostParams(threshold="150.0", min_voxels=5))


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """As in the application: in the tests' process, what was there before the first test is frozen."""
    gc.unfreeze()
    yield
    gc.freeze()
