"""Reviewing regions in the Tune dock: with buttons and keys, undone, kept under another threshold, and exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QShortcut
from qtpy.QtTest import QTest

from napari_brain_uad.gui.app import keys
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import record
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.gui.widgets.region_table import NO_NAMES
from napari_brain_uad.workflows.detect.detect import Detection

LEFT = Qt.MouseButton.LeftButton


class _Bench:
    def __init__(self, viewer: Any, detection: Detection, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        add_volume(viewer, detection.volume)
        add_detection(viewer, detection)
        self.dock = TuneDock(viewer)
        viewer.window.add_dock_widget(self.dock, name="Tune", area="right")
        self.rest()

    def rest(self) -> None:
        self.qtbot.waitUntil(lambda: self.dock.settled is not None, timeout=20_000)

    @property
    def regions(self) -> Any:
        assert self.dock.settled is not None
        return self.dock.settled.result.regions

    def select(self, *numbers: int) -> None:
        """Click on rows, with Ctrl from the second on."""
        table = self.dock.table
        for place, number in enumerate(numbers):
            rect = table.visualRect(table.model().index(number - 1, 0))
            held = Qt.KeyboardModifier.ControlModifier if place else Qt.KeyboardModifier.NoModifier
            QTest.mouseClick(table.viewport(), LEFT, held, rect.center())

    def press(self, act: str) -> None:
        self.qtbot.mouseClick(self.dock.review.buttons[act], LEFT)
        self.rest()

    def voxels(self) -> int:
        layer = next(layer for layer in self.viewer.layers if record(layer).get("kind") == "regions")
        return int(np.isin(np.asarray(layer.data), (1, 3)).sum())


@pytest.fixture
def bench(make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any) -> Iterator[_Bench]:
    made = _Bench(make_napari_viewer(show=True), detection, qtbot)
    yield made
    made.dock._end()


def test_rejecting_takes_a_region_out_of_the_mask_and_undo_brings_it_back(bench: _Bench) -> None:
    before, count = bench.voxels(), len(bench.regions)
    assert count >= 2
    bench.select(2)
    gone = bench.regions[1].voxels
    bench.press("reject")
    assert [region.review for region in bench.regions[:2]] == ["", "rejected"]
    assert bench.voxels() == before - gone
    assert bench.dock.table.selected == [2]
    bench.dock.move_threshold(bench.dock.threshold.number.value() + 1.0)
    bench.rest()
    assert bench.regions[1].review == "rejected"
    bench.dock.undo.click()
    bench.rest()
    bench.dock.undo.click()
    bench.rest()
    assert bench.regions[1].review == ""
    assert bench.voxels() == before
    bench.dock.redo.click()
    bench.rest()
    assert bench.regions[1].review == "rejected"


def test_two_rows_become_one_region_and_clear_parts_them(bench: _Bench) -> None:
    found = bench.regions
    assert not bench.dock.review.buttons["merge"].isEnabled()
    bench.select(1, 2)
    assert bench.dock.table.selected == [1, 2]
    bench.press("merge")
    assert len(bench.regions) == len(found) - 1
    assert bench.regions[0].voxels == found[0].voxels + found[1].voxels
    assert bench.dock.table.selected == [1]
    bench.press("clear")
    assert bench.regions == found


def test_keys_and_the_note_do_what_the_buttons_do(bench: _Bench) -> None:
    bench.select(1)
    for key, review in ((keys.ACCEPT, "accepted"), (keys.REJECT, "rejected")):
        found = {shortcut.key().toString(): shortcut for shortcut in bench.dock.findChildren(QShortcut)}
        found[key].activated.emit()
        bench.qtbot.waitUntil(lambda review=review: bench.regions[0].review == review, timeout=5_000)
    line = bench.dock.review.note
    QTest.keyClicks(line, "cortex, not a lesion")
    QTest.keyClick(line, Qt.Key.Key_Return)
    bench.rest()
    assert (bench.regions[0].review, bench.regions[0].note) == ("rejected", "cortex, not a lesion")
    bench.select(2)
    assert line.text() == ""
    bench.select(1)
    assert line.text() == "cortex, not a lesion"


def test_a_typed_note_is_kept_by_an_act_a_step_to_another_region_and_another_threshold(bench: _Bench) -> None:
    line = bench.dock.review.note
    bench.select(1)
    QTest.keyClicks(line, "vessel")
    bench.dock._reviewer.act("reject")  # by its key: the line is not left
    assert [(region.review, region.note) for region in bench.regions[:2]] == [("rejected", "vessel"), ("", "")]
    QTest.keyClicks(line, " wall")
    bench.dock._step_region(1)
    bench.qtbot.waitUntil(lambda: bench.regions[0].note == "vessel wall")
    assert (bench.dock.table.selected, line.text()) == ([2], "")
    assert bench.regions[1].note == ""
    QTest.keyClicks(line, "unclear")
    bench.dock._nudge(1)
    bench.rest()
    bench.qtbot.waitUntil(lambda: bench.regions[1].note == "unclear")
    bench.dock.undo.click()
    bench.rest()
    assert [region.note for region in bench.regions[:2]] == ["vessel wall", ""]


def test_the_menu_offers_what_can_be_done(bench: _Bench) -> None:
    reviewer = bench.dock._reviewer
    words = [[action.text().partition("\t")[0] for action in reviewer.menu(chosen).actions()] for chosen in ((), (1,), (1, 2))]
    assert words == [[], ["Accept", "Reject", "Clear"], ["Accept", "Reject", "Merge", "Clear"]]


def test_without_mni_the_table_says_so(bench: _Bench) -> None:
    model = bench.dock.table.model()
    heads = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(model.columnCount())]
    assert NO_NAMES in heads
    assert {region.name for region in bench.regions} == {""}


def test_the_export_holds_the_review(bench: _Bench, tmp_path: Path) -> None:
    bench.select(2)
    bench.press("reject")
    bench.dock.export_to(tmp_path)
    bench.qtbot.waitUntil(lambda: "Saved" in bench.dock.messages.text, timeout=30_000)
    rows = json.loads(next(tmp_path.glob("*_regions.json")).read_text())["regions"]
    assert [row["review"] for row in rows[:2]] == ["", "rejected"]
    provenance = json.loads(next(tmp_path.glob("*_provenance.json")).read_text())
    assert provenance["regions_edited_by_hand"]["rejected"] == 1
    whole, kept = (_voxels(next(tmp_path.glob(pattern))) for pattern in ("*raw_mask.nii.gz", "*_reviewed_mask.nii.gz"))
    assert whole - kept == rows[1]["voxels"]


def _voxels(mask: Path) -> int:
    return int(np.asanyarray(nibabel.load(mask).dataobj).sum())
