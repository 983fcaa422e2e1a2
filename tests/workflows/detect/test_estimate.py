"""Estimates count what the user waits for, from the click to the picture."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import method_class, method_ids
from napari_brain_uad.workflows.detect.estimate import comparison_parts, estimate, parts

_SCAN = Volume(np.zeros((100, 100, 100), np.float32), Grid((100, 100, 100), np.eye(4)), name="scan")


@pytest.mark.parametrize("method", method_ids())
def test_larger_scans_take_more(method: str) -> None:
    small, large = (Volume(np.zeros((n, n, n), np.float32), Grid((n, n, n), np.eye(4))) for n in (20, 120))
    few, many = estimate(method, small), estimate(method, large)
    assert few.seconds < many.seconds
    assert few.bytes < many.bytes
    assert "MB" in few.words


@pytest.mark.parametrize("method", method_ids())
def test_truth_and_window_take_longer_and_the_sum_is_told(method: str) -> None:
    bare, full = parts(method, _SCAN), parts(method, _SCAN, truth=True, window=True)
    assert bare.score == full.score == method_class(method).INFO.seconds_per_megavoxel
    assert full.finish > bare.finish
    assert full.show > bare.show == 0.0
    apart = method_class(method).INFO.devices != ("cpu",)
    assert (full.start > bare.start) == apart  # a process is started for learned methods
    assert estimate(method, _SCAN, truth=True, window=True).seconds == full.total == full.start + full.score + full.finish + full.show


def test_a_comparison_starts_one_process_and_shows_a_cell_a_method() -> None:
    one, two = comparison_parts(["vae"], _SCAN), comparison_parts(["vae", "tissue-ensemble"], _SCAN)
    assert two.start == one.start
    assert two.score == one.score + parts("tissue-ensemble", _SCAN).score
    assert two.show > one.show
    assert comparison_parts(["vae"], _SCAN, truth=True).finish > one.finish
