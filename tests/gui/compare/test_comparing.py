"""What the Compare dock works on, without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.gui.compare.comparing import AT_REST, ShownComparison, live_figures, make_ready, recoloured, settle
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import head, write

METHODS = ["threshold", "thresh-raw"]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShownComparison:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    data, truth = head()
    scan, healthy = write(tmp_path / "scan_FLAIR.nii.gz", data), write(tmp_path / "healthy_FLAIR.nii.gz", np.minimum(data, 140))
    lesions = write(tmp_path / "truth.nii.gz", truth)
    post = PostParams(median=3, threshold="healthy-ml:0.5", opening=0, min_voxels=1)
    comparison = compare(scan, METHODS, truth=lesions, healthy=[load(healthy)], post=post)
    return make_ready(comparison, "auto", Progress())


@pytest.mark.parametrize(("kind", "number"), [("percentile", 0.0), ("percentile", 97.3), ("percentile", 100.0), ("healthy-ml", 0.2)])
def test_a_moving_threshold_is_that_of_the_workflow(ready: ShownComparison, kind: str, number: float) -> None:
    exact = ready.comparison.with_threshold(f"{kind}:{number:g}")
    for cell, run in zip(ready.cells, exact.runs, strict=True):
        assert cell.at(ThresholdRule(kind, number)).value == pytest.approx(run.result.threshold.value, rel=1e-6)


def test_figures_of_a_moving_threshold_are_those_at_rest_where_nothing_is_cleaned_up(ready: ShownComparison) -> None:
    thresholds = [cell.at(ThresholdRule("percentile", 96.0)) for cell in ready.cells]
    moving = live_figures(ready.rows, ready.cells, thresholds)
    exact = ready.comparison.with_threshold("percentile:96").table()
    for row, wanted in zip(moving, exact, strict=True):
        for name in ("flagged_ml", "dice", "threshold"):
            assert row[name] == pytest.approx(getattr(wanted, name), rel=1e-6)
        assert row["auprc"] == wanted.auprc
        assert all(row[name] is None for name in AT_REST)


def test_settling_method_by_method_is_settling_all(ready: ShownComparison) -> None:
    for mode in ("otsu", "best-dice", "percentile:95", "healthy-ml:1"):
        one, other = settle(ready.comparison, ThresholdRule.parse(mode), Progress()), ready.comparison.with_threshold(mode)
        assert one.table() == other.table()
        assert one.rule == other.rule
        assert one.truth is other.truth


def test_settling_stops_between_methods(ready: ShownComparison) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        settle(ready.comparison, ThresholdRule("otsu"), progress)


def test_colours(ready: ShownComparison) -> None:
    assert not ready.one_unit
    flagged = [float((cell.run.map.brain_scores() > cell.run.result.threshold.value).mean()) for cell in ready.cells]
    assert (ready.scale.low, ready.scale.high) == pytest.approx((100.0 * (1.0 - max(flagged)), 100.0))
    # The same rule for other thresholds, and a range that is left above the highest of all.
    low, high = ready.colour_limits([float(cell.ranked[cell.ranked.size // 2]) for cell in ready.cells])
    assert (low, high) == (pytest.approx(50.0, abs=1.0), 100.0)
    low, high = ready.colour_limits([float(cell.ranked[-1]) for cell in ready.cells])
    assert low < high == 100.0
    again = recoloured(ready, "percentile")
    assert again.comparison is ready.comparison
    assert again.cells is ready.cells
    scores = np.concatenate([run.result.score[run.result.brain] for run in ready.comparison.runs])
    assert ready.span == (scores.min(), scores.max())
