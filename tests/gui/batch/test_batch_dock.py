"""The Batch dock: scan by scan, cancelled soon, a failed scan named, a result opened by a double click."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from promptness import assert_within
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest

from napari_brain_uad.detectors.intensity.threshold import HistogramThreshold
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.batch.dock import BatchDock
from napari_brain_uad.gui.layers.layers import is_map, map_of
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import post_option
from tests.gui.scans import head, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three patients; the second one's scan is damaged, the first one has a ground truth."""
    data, truth = head()
    for name in ("pat1", "pat2", "pat3"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        write(tmp_path / "scans" / name / "FLAIR.nii.gz", data)
    broken = tmp_path / "scans" / "pat2" / "FLAIR.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-300])
    write(tmp_path / "scans" / "pat1" / "lesions.nii.gz", truth)
    return tmp_path / "scans"


@pytest.fixture
def dock(make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any) -> Iterator[BatchDock]:
    viewer = make_napari_viewer(show=True)
    made = open_dock(viewer, "Batch")
    made.inputs.choose_folder(folder)
    qtbot.waitUntil(made.button.isEnabled, timeout=20_000)
    yield made
    viewer.window.remove_dock_widget(made)


def _finished(dock: BatchDock, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not dock.running, timeout=60_000)
    qtbot.wait(20)


def test_images_of_no_subject_are_named_before_the_run(dock: BatchDock, folder: Path, qtbot: Any) -> None:
    more = shutil.copytree(folder, folder.parent / "more")
    (more / "other").mkdir()
    (more / "other" / "tumour_part.nii.gz").write_bytes((folder / "pat1" / "lesions.nii.gz").read_bytes())
    dock.inputs.choose_folder(more)
    qtbot.waitUntil(lambda: "Left out: image files of no subject: 1" in dock.inputs.words.text(), timeout=20_000)
    assert dock.button.text() == "Run on 3 scans"


def test_every_scan_is_done_the_damaged_one_is_named_and_a_double_click_opens_a_result(dock: BatchDock, folder: Path, qtbot: Any) -> None:
    assert dock.button.text() == "Run on 3 scans"
    assert "1 with ground truth" in dock.inputs.words.text()
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    _finished(dock, qtbot)
    assert dock.results.states() == ["done", "failed", "done"]
    assert not dock.settings.isExpanded()
    assert dock.messages.level == "warning"
    assert "pat2" in dock.messages.text
    item = dock.results.item(0, 4)
    assert item is not None
    assert float(item.text()) > 0
    out = dock.inputs.results
    assert (out / "batch.html").is_file()
    assert out.parent == folder.parent
    place = dock.results.visualItemRect(dock.results.item(2, 0)).center()
    for press in (QTest.mouseClick, QTest.mouseDClick):  # what a double click is
        press(dock.results.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: any(is_map(layer) for layer in dock.viewer.layers), timeout=30_000)
    shown = next(layer for layer in dock.viewer.layers if is_map(layer))
    written = read_map(next((out / "pat3").glob("*_anomalymap.nii.gz")))
    np.testing.assert_array_equal(map_of(shown).score, written.score)
    qtbot.waitUntil(lambda: dock._showing is None, timeout=20_000)


def test_on_a_laptop_a_run_shows_its_scans_and_the_settings_come_back(dock: BatchDock, folder: Path, qtbot: Any) -> None:
    window = dock.viewer.window._qt_window
    window.resize(1366, 768)
    assert dock.inputs.isVisible()
    (folder / "pat3" / "FLAIR.nii.gz").rename(folder / "pat3" / "T1.nii.gz")
    dock.inputs.look()
    qtbot.waitUntil(lambda: "or several sequences" in dock.inputs.method.fit.text())
    qtbot.waitUntil(dock.button.isEnabled)
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    _finished(dock, qtbot)
    assert not dock.inputs.isVisible()
    assert dock.results.viewport().visibleRegion().boundingRect().height() >= 10 * 22
    qtbot.mouseClick(dock.settings.toggleButton(), Qt.MouseButton.LeftButton)
    assert dock.inputs.isVisible()


def test_a_failed_row_opens_nothing(dock: BatchDock, qtbot: Any) -> None:
    opened: list[object] = []
    dock.results.opened.connect(opened.append)
    dock.run()
    _finished(dock, qtbot)
    dock.results._open(1)
    assert opened == []


def test_enter_opens_a_row_and_tab_leaves_the_table(dock: BatchDock, qtbot: Any) -> None:
    opened: list[Any] = []
    dock.results.opened.disconnect()
    dock.results.opened.connect(opened.append)
    dock.run()
    _finished(dock, qtbot)
    done = dock.results.states().index("done")
    dock.results.setCurrentCell(done, 0)
    qtbot.keyClick(dock.results, Qt.Key.Key_Return)
    assert [outcome.case.name for outcome in opened] == [dock.results.item(done, 0).text()]  # type: ignore[union-attr]
    assert not dock.results.tabKeyNavigation()


def test_cancelling_takes_two_seconds_at_most_and_keeps_what_is_done(dock: BatchDock, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, scored = HistogramThreshold._score, []

    def slow_the_second_time(self: Any, *args: Any, progress: Any, **more: Any) -> Any:
        scored.append(1)
        if len(scored) > 1:
            for _ in range(600):
                progress.check()
                time.sleep(0.1)
        return usual(self, *args, progress=progress, **more)

    monkeypatch.setattr(HistogramThreshold, "_score", slow_the_second_time)
    dock.inputs.method.choose("threshold")
    dock.run()
    qtbot.waitUntil(lambda: len(scored) > 1, timeout=60_000)
    qtbot.mouseClick(dock.run_bar.button, Qt.MouseButton.LeftButton)
    start = time.monotonic()
    qtbot.waitUntil(lambda: not dock.running)
    assert_within(time.monotonic() - start, 2.0)
    qtbot.wait(20)
    assert dock.results.states() == ["done", "failed", "not run"]
    assert "Cancelled" in dock.messages.text
    assert list((dock.inputs.results / "pat1").glob("*_mask.nii.gz"))
    assert dock.button.isEnabled()


def test_the_copied_command_says_what_is_set(dock: BatchDock, folder: Path, qtbot: Any) -> None:
    dock.inputs.method.choose("threshold")
    dock.inputs.clean_up.set_value(type(dock.inputs.clean_up.value()).from_dict({"min_voxels": 7, "threshold": "otsu"}))
    dock.inputs.sequence.setCurrentIndex(dock.inputs.sequence.findData("FLAIR"))
    qtbot.mouseClick(dock.copy, Qt.MouseButton.LeftButton)
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    words = shlex.split(clipboard.text())
    assert words[:3] == ["brain-uad", "batch", str(folder)]
    for option, value in (("--sequence", "FLAIR"), ("--threshold", "otsu"), (post_option("min_voxels"), "7"), ("--method", "threshold")):
        assert words[words.index(option) + 1] == value


def test_scans_of_unknown_sequence_are_done(dock: BatchDock, tmp_path: Path, qtbot: Any) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    write(mixed / "a.nii.gz", head()[0])
    write(mixed / "b_T2w.nii.gz", head()[0])
    dock.inputs.choose_folder(mixed)
    box = dock.inputs.sequence
    qtbot.waitUntil(lambda: box.count() > 2, timeout=20_000)
    assert dock.messages.text == ""
    assert [box.itemData(row) for row in range(box.count())] == ["", "T2", "FLAIR", "T1", "T1c", "PD"]
    assert {case.name: case.sequence for case in dock.inputs.scans} == {"a": None, "b": "T2"}
    # Who has no FLAIR is left out; a scan of which nothing is known is taken to be one.
    box.setCurrentIndex(box.findData("FLAIR"))
    assert {case.name: case.sequence for case in dock.inputs.scans} == {"a": "FLAIR"}
    box.setCurrentIndex(0)
    dock.button.click()
    _finished(dock, qtbot)
    assert dock.results.states() == ["done", "done"]


def test_two_scans_at_a_time_give_the_same(dock: BatchDock, folder: Path, qtbot: Any) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core")
    found = {}
    for jobs in (1, 2):
        dock.inputs.jobs.setValue(jobs)
        dock.inputs.out.setText(str(folder.parent / f"out{jobs}"))
        dock.button.click()
        _finished(dock, qtbot)
        assert dock.results.states() == ["done", "failed", "done"]
        found[jobs] = {path.name: path.read_bytes() for path in (folder.parent / f"out{jobs}").glob("*/*.nii.gz")}
    assert found[1] == found[2] != {}
    dock.copy.click()
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[words.index("--jobs") + 1] == "2"


def test_pictures_are_done(dock: BatchDock, tmp_path: Path, qtbot: Any) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    slice_ = head()[0][:, :, head()[0].shape[2] // 2]
    PIL.Image.fromarray((255 * slice_ / slice_.max()).astype(np.uint8)).save(folder / "one.png")
    dock.inputs.choose_folder(folder)
    qtbot.waitUntil(lambda: len(dock.inputs.scans) == 1, timeout=20_000)
    dock.button.click()
    _finished(dock, qtbot)
    assert dock.results.states() == ["done"]


def test_a_folder_without_scans_is_an_error_in_the_dock(dock: BatchDock, tmp_path: Path, qtbot: Any) -> None:
    (tmp_path / "empty").mkdir()
    dock.inputs.folder.setText(str(tmp_path / "empty"))
    qtbot.waitUntil(lambda: dock.messages.level == "error", timeout=20_000)
    assert not dock.button.isEnabled()
