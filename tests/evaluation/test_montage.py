from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.evaluation.montage import DPI, choose_slices, colour_scale, montage_figure, slices_at

SHAPE = (40, 48, 20)
GRID = Grid(SHAPE, np.array([[4.0, 0, 0, -80], [0, 4.0, 0, -96], [0, 0, 5.0, -50], [0, 0, 0, 1]]))


def scene(unit: str = "score", lesion: slice = slice(24, 30)) -> tuple[Volume, AnomalyMap, np.ndarray]:
    rng = np.random.default_rng(5)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.9
    truth = np.zeros(SHAPE, bool)
    truth[lesion, 20:28, 4:16] = True
    data = np.where(brain, 100 + rng.normal(0, 5, SHAPE), 0).astype(np.float32)
    score = np.where(brain, rng.random(SHAPE) + 2 * truth, 0).astype(np.float32)
    volume = Volume(data, GRID, "scan", brain, "FLAIR")
    return volume, AnomalyMap(score, GRID, brain, unit, "toy", "scan", ThresholdRule("otsu")), truth


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_the_page_is_for_print_and_says_what_it_shows() -> None:
    volume, amap, truth = scene(unit="fraction of the brain's voxels that are darker (0-1)")
    figure = montage_figure(volume, [amap, amap], ["vae@code", "threshold"], truth=truth, slices=(5, 12))
    file = io.BytesIO()
    figure.savefig(file, dpi=DPI)
    picture = Image.open(file)
    assert picture.width == pytest.approx(7.1 * 300, abs=2)  # 180 mm at 300 dpi
    said = texts(figure)
    for words in ("FLAIR", "vae@code", "z = -25 mm", "z = 10 mm", "one scale for all methods", "White outline", "Research use only"):
        assert words in said
    assert len([axes for axes in figure.axes if axes.images]) == 2 * 3 + 1  # slices x (scan and methods), colour bar


@pytest.mark.parametrize("count", [1, 2, 7])
def test_nothing_is_cut_off(count: int) -> None:
    volume, amap, truth = scene(unit="fraction of the brain's voxels that are darker (0-1)")
    figure = montage_figure(volume, [amap] * count, ["vae@latent_size=64:my-first-model"] * count, truth=truth, slices=(9,))
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside or not text.get_text(), text.get_text()


def test_the_patients_right_is_on_the_left() -> None:
    for lesion, side in ((slice(26, 34), 0), (slice(6, 14), 1)):
        volume, amap, _ = scene(lesion=lesion)
        figure = montage_figure(volume, [amap], ["toy"], slices=(10,))
        drawn = figure.axes[1].images[-1].get_array()
        half = drawn.shape[1] // 2
        means = [np.ma.mean(part) for part in (drawn[:, :half], drawn[:, half:])]
        assert int(np.argmax(means)) == side


def test_colours_of_one_unit_are_common_and_of_several_percentiles() -> None:
    _, amap, _ = scene()
    _, other, _ = scene(unit="standard deviations")
    common, values = colour_scale([amap, amap], thresholds=(0.7, 0.4))
    assert common.low == 0.4
    assert common.high >= float(np.percentile(amap.score[amap.mask], 99.9))
    assert values[0] is amap.score
    assert common.label == "score"
    mixed, ranked = colour_scale([amap, other], thresholds=(0.7, 0.4))
    # What neither method flags has no colour; what one of them flags has.
    assert mixed.low == pytest.approx(100.0 * float((amap.score[amap.mask] <= 0.4).mean()))
    assert mixed.high == 100.0
    assert "percentile" in mixed.words
    assert ranked[0].max() <= 100.0
    with pytest.raises(InputError, match="different units"):
        colour_scale([amap, other], "common")
    with pytest.raises(InputError, match="Scales"):
        colour_scale([amap], "rainbow")


def test_slices_are_spread_over_the_truth() -> None:
    _, _, truth = scene()
    assert choose_slices(truth) == (5, 9, 13)  # twelve equal slices from 4: the middles of three slabs
    single = np.zeros(SHAPE, bool)
    single[0, 0, 7] = True
    assert choose_slices(single) == (7,)
    assert choose_slices(np.zeros(SHAPE, bool)) == ()


def test_slices_by_height() -> None:
    volume, amap, _ = scene()
    assert slices_at(volume.grid, amap.mask, [-50, -1.0, 44]) == (0, 10, 19)
    with pytest.raises(InputError, match="-50 to 45 mm"):
        slices_at(volume.grid, amap.mask, [90])


def test_what_does_not_fit_is_refused() -> None:
    volume, amap, _ = scene()
    with pytest.raises(InputError, match="no map"):
        montage_figure(volume, [], [])
    with pytest.raises(InputError, match="slices 0 to 19"):
        montage_figure(volume, [amap], ["toy"], slices=(20,))


def test_pyplot_is_left_alone() -> None:
    program = "import sys\nimport napari_brain_uad.evaluation.montage, napari_brain_uad.evaluation.cohort_figures\n"
    done = subprocess.run([sys.executable, "-c", f"{program}sys.exit('matplotlib.pyplot' in sys.modules)"], check=False)
    assert done.returncode == 0
