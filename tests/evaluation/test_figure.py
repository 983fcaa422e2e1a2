from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR, heat_table
from napari_brain_uad.evaluation.figure import detection_figure
from napari_brain_uad.evaluation.figure_views import Plane, draw_outline, heat_colours
from napari_brain_uad.evaluation.report import evaluate_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import PostResult, postprocess

SHAPE = (40, 50, 20)
PLAIN = PostParams(opening=0)


def scene(lesion_i: slice, spacing: tuple[float, float, float] = (2.0, 2.0, 4.0), codes: int = 1) -> tuple[Volume, AnomalyMap, np.ndarray]:
    rng = np.random.default_rng(14)
    grid = Grid(SHAPE, np.diag([*spacing, 1.0]))
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.9
    truth = np.zeros(SHAPE, bool)
    truth[lesion_i, 22:30, 8:12] = True
    image = np.where(brain, 100 + 10 * rng.normal(size=SHAPE), 0).astype(np.float32)
    score = np.where(brain, 0.3 * rng.random(SHAPE), 0).astype(np.float32)
    score[truth] = 0.9
    score[18:21, 6:9, 8:12] = 0.8  # a false alarm
    source = Source(grid, qform_code=codes, sform_code=codes)
    amap = AnomalyMap(score, grid, brain, "score (0-1)", "toy", "sub-01_FLAIR", ThresholdRule("value", 0.6))
    return Volume(image, grid, "sub-01_FLAIR", brain, source=source), amap, truth


def drawn(volume: Volume, amap: AnomalyMap, result: PostResult, truth: np.ndarray) -> Figure:
    evaluation = evaluate_map(result.score, truth, amap.grid, post=result)
    return detection_figure(volume, amap, result, truth, evaluation)


def rendered(figure: Figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, dpi=80)
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pixels_near(image: np.ndarray, colour: str) -> np.ndarray:
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return np.abs(image - wanted).max(axis=2) < 25


@pytest.mark.parametrize(("lesion", "side"), [(slice(28, 34), "left"), (slice(6, 12), "right")])
def test_the_patients_right_is_on_the_left_of_the_page(lesion: slice, side: str) -> None:
    volume, amap, truth = scene(lesion)
    figure = drawn(volume, amap, postprocess(amap, PLAIN, truth=truth), truth)
    image = rendered(figure)
    for name in ("Axial", "Coronal"):
        view = next(axes for axes in figure.axes if axes.get_title().startswith(name))
        box = view.get_position()
        height, width = image.shape[:2]
        part = image[int((1 - box.y1) * height) : int((1 - box.y0) * height), int(box.x0 * width) : int(box.x1 * width)]
        columns = np.nonzero(pixels_near(part, HIT_COLOUR))[1]
        assert columns.size
        assert (columns.mean() < part.shape[1] / 2) == (side == "left")
        letters = {text.get_text(): text.get_position()[0] for text in view.texts}
        assert letters["R"] < letters["L"]


def test_what_the_page_says() -> None:
    volume, amap, truth = scene(slice(28, 34))
    result = postprocess(amap, PLAIN, truth=truth)
    said = "\n".join(texts(drawn(volume, amap, result, truth)))
    for words in (
        "Research use only, not for diagnosis.",
        "sub-01_FLAIR",
        "toy",
        "Threshold 0.6",
        "default of the method 'toy': a fixed score",
        "10 mm",
        "score (0-1)",
    ):
        assert words in said
    for words in ("AUPRC", "Dice", "false alarm", "hit", "ground truth", "2 regions"):
        assert words in said
    assert said.count("R\nL\nP\nA") == said.count("R\nL\nI\nS") == said.count("A\nP\nI\nS") == 2


def test_hits_and_false_alarms_have_their_colours_and_without_truth_neither() -> None:
    volume, amap, truth = scene(slice(28, 34))
    # The false alarm lies on the axial plane of the strongest region, too.
    image = rendered(drawn(volume, amap, postprocess(amap, PLAIN, truth=truth), truth))
    assert pixels_near(image, HIT_COLOUR).sum() > 20
    assert pixels_near(image, FALSE_ALARM_COLOUR).sum() > 20
    figure = detection_figure(volume, amap, postprocess(amap, PLAIN))
    assert pixels_near(rendered(figure), HIT_COLOUR).sum() == 0
    assert "Dice" not in "\n".join(texts(figure))


@pytest.mark.parametrize("side", [60, 700, 4000])
def test_an_outline_keeps_to_the_edges_of_voxels_however_fine_they_are(side: int) -> None:
    """Catches a wrong scale where voxels are repeated, or taken together since they are finer than the page."""
    axes = Figure().add_subplot()
    flat = np.zeros((side, side), bool)
    flat[side // 2 :, side // 4 : side // 2] = True  # reaches the border
    grid = Grid((side, side, 1), np.diag((0.5, 0.25, 1.0, 1.0)))
    plane = Plane("Axial", (0, 1), "RLPA", grid, (0, 0, 0), (slice(side), slice(side), slice(1)))
    draw_outline(axes, plane, flat, "#FFFFFF", 1.0)
    edges = axes.collections[0].get_paths()[0].get_extents().get_points()
    expected = np.array([[0.5 * (side // 4), 0.25 * (side // 2)], [0.5 * (side // 2), 0.25 * side]])
    np.testing.assert_allclose(edges, expected, atol=1e-9 if side < 1600 else 3 * 0.5)


@pytest.mark.parametrize("with_truth", [True, False])
@pytest.mark.parametrize("threshold", ["auto", "2"])
def test_nothing_is_cut_off(with_truth: bool, threshold: str) -> None:
    volume, amap, truth = scene(slice(28, 34), spacing=(1.0, 1.2, 7.0))
    result = postprocess(amap, PostParams(threshold=threshold, opening=0, min_voxels=0), truth=truth if with_truth else None)
    figure = drawn(volume, amap, result, truth) if with_truth else detection_figure(volume, amap, result)
    figure.canvas.draw()
    box = figure.get_tightbbox()  # in inches
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()


def test_an_unknown_orientation_is_not_lettered() -> None:
    volume, amap, truth = scene(slice(28, 34), codes=0)
    said = texts(drawn(volume, amap, postprocess(amap, PostParams(opening=0), truth=truth), truth))
    assert said.count("?") == 24
    assert "R" not in said


def test_an_empty_truth_and_a_constant_map_are_drawn() -> None:
    volume, amap, _ = scene(slice(28, 34))
    flat = AnomalyMap(np.zeros(SHAPE, np.float32), amap.grid, amap.mask, "u", "toy", "flat", ThresholdRule("otsu"))
    nothing = np.zeros(SHAPE, bool)
    said = "\n".join(texts(drawn(volume, flat, postprocess(flat, PLAIN, truth=nothing), nothing)))
    assert "undefined: the ground truth is empty" in said
    assert "0 regions" in said


def test_the_figures_heatmap_begins_at_the_threshold_in_the_windows_colours() -> None:
    volume, amap, _ = scene(slice(28, 34))
    fixed = replace(amap, provenance={"method": {"colour_limits": [0.0, 400.0]}})
    np.testing.assert_allclose(heat_colours()(np.linspace(0, 1, 256)), heat_table(), atol=1e-6)
    for threshold in (20.0, 150.0):
        figure = detection_figure(volume, fixed, postprocess(fixed, PostParams(threshold=repr(threshold), opening=0)))
        norms = [image.norm for axes in figure.axes for image in axes.images if image.get_cmap().name == heat_colours().name]
        assert norms
        assert {(norm.vmin, norm.vmax) for norm in norms} == {(threshold, 400.0)}
