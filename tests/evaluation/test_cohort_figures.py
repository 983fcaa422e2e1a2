from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from napari_brain_uad.evaluation.cohort_figures import curves_figure, violin_figure
from napari_brain_uad.evaluation.pooled import BrainScores, pool


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_curves_are_the_pooled_ones() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.2
    found = pool([BrainScores((rng.normal(size=500) + truth).astype(np.float32), truth, np.zeros(500, np.uint16), 3)])
    figure = curves_figure(
        {"threshold": found, "nothing": pool([BrainScores(np.zeros(4, np.float32), np.zeros(4, bool), np.zeros(4, np.uint16), 0)])}
    )
    left, right = figure.axes
    np.testing.assert_array_equal(left.lines[0].get_xydata(), found.pr_curve[:2].T)
    np.testing.assert_array_equal(right.lines[0].get_xydata(), found.roc_curve[:2].T)
    said = texts(figure)
    assert f"threshold ({found.auprc:.3f})" in said
    assert "nothing (undefined)" in said
    assert "Research use only" in said


def test_every_scan_is_a_point_and_two_make_no_violin() -> None:
    values = {"threshold": [0.1, 0.5, 0.3, 0.4], "vae": [0.2, 0.3], "none": []}
    figure = violin_figure({"Dice": values})
    (axes,) = figure.axes
    points = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert [sorted(one.get_offsets()[:, 1]) for one in points] == [sorted(values["threshold"]), sorted(values["vae"])]
    bodies = [one for one in axes.collections if isinstance(one, PolyCollection)]
    assert len(bodies) == 1
    assert bodies[0].get_paths()[0].get_extents().y1 == pytest.approx(0.5, abs=0.1)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(values)
