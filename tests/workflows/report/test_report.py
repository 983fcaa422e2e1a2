"""What the page about a cohort is made of; `test_in_a_browser` uses the whole."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import postprocess
from napari_brain_uad.workflows.compare.compare_table import Row
from napari_brain_uad.workflows.report import cards
from napari_brain_uad.workflows.report.contents import PageContents
from napari_brain_uad.workflows.report.details import KNOWN, others
from napari_brain_uad.workflows.report.markup import Line, TableCell, anything, table
from napari_brain_uad.workflows.report.pictures import case_jpeg
from napari_brain_uad.workflows.report.plot_style import plot_text
from napari_brain_uad.workflows.report.slices import (
    FALSE_ALARM,
    HIT,
    MOST_FALSE,
    MOST_MISSED,
    MOST_TRUTH,
    NOTHING,
    CaseSlices,
    ShownCases,
    case_slices,
    telling_slices,
)

SHAPE = (20, 22, 30)


def box(*sides: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[sides] = True
    return mask


BRAIN = box(slice(2, 18), slice(2, 20), slice(1, 29))
TRUTH = box(slice(4, 10), slice(4, 10), slice(5, 8)) | box(slice(12, 15), slice(12, 15), slice(14, 17))
FOUND = box(slice(4, 11), slice(4, 10), slice(5, 8)) | box(slice(4, 7), slice(14, 17), slice(22, 25))


def test_slices_show_what_is_true_missed_and_false() -> None:
    assert telling_slices(TRUTH, FOUND, BRAIN, 3) == ((5, MOST_TRUTH), (14, MOST_MISSED), (22, MOST_FALSE))
    near = telling_slices(TRUTH, FOUND, BRAIN, 13)  # 14 is too near to 5, and nothing else is missed
    assert MOST_MISSED not in [reason for _, reason in near]
    assert all(b - a >= 13 for (a, _), (b, _) in pairwise(near))
    nothing = np.zeros(SHAPE, bool)
    healthy = telling_slices(None, nothing, BRAIN, 3)
    assert len(healthy) == 3
    assert {reason for _, reason in healthy} == {""}
    assert telling_slices(None, nothing, nothing, 3) == ()


@pytest.fixture(scope="module")
def slices() -> CaseSlices:
    """A score of 1 where it was found, 0.2 elsewhere in the brain; threshold 0.5."""
    grid = Grid(SHAPE, np.array([[2.0, 0, 0, -20], [0, 3.0, 0, 5], [0, 0, 4.0, 40], [0, 0, 0, 1]]))
    volume = Volume(np.where(BRAIN, np.arange(SHAPE[2]) + 10.0, 0).astype(np.float32), grid, mask=BRAIN)
    score = np.where(BRAIN, np.where(FOUND, 1.0, 0.2), 0).astype(np.float32)
    amap = AnomalyMap(score, grid, BRAIN, "u", "m", "scan", ThresholdRule("value", 0.5))
    result = postprocess(amap, PostParams(opening=0, threshold="0.5"), truth=TRUTH)
    found = case_slices("a scan", "a method", volume, amap, result, TRUTH)
    assert found is not None
    return found


def test_slices_hold_scan_score_truth_and_result(slices: CaseSlices) -> None:
    planes = [5, 14, 22]
    # 6 mm around the brain: 3 voxels of 2 mm (cut at the border) across, 2 of 3 mm up.
    rows, columns = slice(0, 20), slice(0, 22)
    assert slices.heights == tuple(40.0 + 4 * k for k in planes)
    np.testing.assert_array_equal(slices.truth, TRUTH[rows, columns][:, :, planes])
    np.testing.assert_array_equal(slices.heat > 0, FOUND[rows, columns][:, :, planes])
    assert slices.heat.max() == 255
    kinds = np.where(FOUND, FALSE_ALARM, NOTHING)
    kinds[FOUND & (np.arange(SHAPE[2]) < 10)] = HIT
    np.testing.assert_array_equal(slices.flagged, kinds[rows, columns][:, :, planes])
    brain = BRAIN[rows, columns][:, :, planes]
    assert (slices.grey[~brain] == 0).all()
    middle = [int(slices.grey[:, :, at][brain[:, :, at]][0]) for at in range(3)]
    assert middle == sorted(middle)
    assert len(set(middle)) == 3
    assert slices.limits[0] == 0.5


def test_a_picture_shows_the_outlines(slices: CaseSlices) -> None:
    from io import BytesIO

    from PIL import Image

    data, size = case_jpeg(slices)
    picture = Image.open(BytesIO(data)).convert("RGB")
    assert picture.size == size
    pixels = np.asarray(picture).astype(int)
    green = (pixels[..., 1] > pixels[..., 0] + 60) & (pixels[..., 1] > pixels[..., 2] + 20)
    below = np.arange(size[1])[:, None] > size[1] / 2
    assert (green & below).sum() > 50  # the region that touches the truth, in the lower row alone
    assert (green & ~below).sum() == 0
    plain = np.asarray(Image.open(BytesIO(case_jpeg(replace(slices, flagged=np.zeros_like(slices.flagged)))[0])).convert("RGB")).astype(int)
    assert ((plain[..., 1] > plain[..., 0] + 60) & (plain[..., 1] > plain[..., 2] + 20)).sum() == 0


def row(dice: float | None, flagged_ml: float) -> Row:
    return Row("m", None, None, dice, 0.5, None, None, None, None, 0, flagged_ml, 0.0, None, 0.0, "", 0.0, None, False)


def test_the_same_few_cases_are_shown_whatever_the_order(slices: CaseSlices) -> None:
    scans = [(0.4, 1.0), (0.1, 2.0), (0.9, 3.0), (0.1, 2.0), (None, 7.0), (None, 9.0)]
    told = set()
    for order in permutations(range(6)):
        shown = ShownCases(2)
        for number in order:
            dice, ml = scans[number]
            shown.add(number, replace(slices, case=str(number), method="m"), row(dice, ml), lesions=0 if dice is None else 1)
        told.add(tuple((one.role, one.slices.case) for one in shown.shown(["m"])))
    assert told == {(("worst", "1"), ("worst", "3"), ("best", "2"), ("most flagged", "5"))}


def test_the_best_case_is_not_shown_twice(slices: CaseSlices) -> None:
    shown = ShownCases(3)
    shown.add(0, replace(slices, method="m"), row(0.5, 1.0), lesions=1)
    shown.add(1, None, row(0.7, 1.0), lesions=1)
    assert [one.role for one in shown.shown(["m", "other"])] == ["worst"]


def test_texts_in_plots_are_no_formulas() -> None:
    r"""Bokeh sets what stands between $$, \[ or \( by a script that it fetches."""
    for text in (r"$$\frac12$$", "$$$$", r"\[x\]", r"a \(b\) $$ c", "$$$"):
        assert not re.search(r"\$\$|\\\[|\\\(", plot_text(text))
    assert plot_text("vae@latent=64 ($5)") == "vae@latent=64 ($5)"


def test_tables_escape_and_carry_numbers() -> None:
    page = table(["<b>"], [Line([TableCell('"x" <i>', 0.25, "&")], 1, "'s\"")], name="t")
    assert "<b>" not in page
    assert "<i>" not in page
    assert 'data-v="0.25"' in page
    assert 'data-method="1" data-scan="&#x27;s&quot;"' in page


def test_what_the_page_does_not_know_is_shown_as_tables() -> None:
    unknown = {"new_figures": {"vae": {"<k>": 1.5, "of": {"mean": 0.5, "low": 0.25, "high": 0.75}}, "other": {"<k>": None}}, "tests": [1]}
    shown = others(PageContents(unknown))
    assert "New figures" in shown
    assert "[0.250, 0.750]" in shown
    assert "&lt;k&gt;" in shown
    assert "<k>" not in shown
    assert "tests" in KNOWN
    assert "Tests" not in shown
    for value in (None, [], {}, [1, [2, {"a": None}]], {"a": {"b": {"c": [{"d": True}]}}}, "<x>"):
        assert "<x>" not in anything(value)


def test_the_citation_is_that_of_the_repository(repository: Path) -> None:
    facts = (repository / "CITATION.cff").read_text(encoding="utf-8")
    for line in (f"title: {cards.TITLE}", f"- name: {cards.AUTHORS}", f"license: {cards.LICENCE}"):
        assert line in facts
    for part in (cards.TITLE, cards.AUTHORS, cards.LICENCE):
        assert part in cards.software_citation()
