"""Our docks share one place on the right, and none of them makes the window higher than a laptop's screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import QApplication, QWidget

from napari_brain_uad.gui.app import settings, workers
from napari_brain_uad.gui.app.docks import PLUGIN, open_dock
from napari_brain_uad.gui.app.home import WIDTH, around
from napari_brain_uad.gui.train.dock import TrainDock
from napari_brain_uad.gui.widgets.fitting_scroll import FittingScroll
from tests.gui.scans import head, write
from tests.gui.window import dock_tabs, docks_in_front

TITLES = ("Prepare", "Detect anomalies", "Tune", "Compare", "Train", "Models")
SCREEN = 700
"""Height of a window's client area, without its frame and a panel, on a screen of 1366 x 768."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    settings._store().clear()


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Any]:
    made = make_napari_viewer(show=True)
    made.window._qt_window.resize(1366, SCREEN)
    _settle()
    yield made
    qtbot.waitUntil(lambda: not workers._RUNNING, timeout=20_000)


def _settle() -> None:
    for _ in range(5):
        QApplication.processEvents()


def _from_the_menu(viewer: Any, title: str) -> QWidget:
    """As Plugins > Brain UAD opens a dock: below what is there."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
    _settle()
    return widget


def _least(viewer: Any) -> int:
    _settle()
    window = viewer.window._qt_window
    # A window that grew once stays as high as it was.
    assert window.height() <= SCREEN
    return int(window.minimumSizeHint().height())


def _in_sight(viewer: Any, part: QWidget) -> bool:
    """Whether all of a widget lies inside the window, and in no area that would have to be scrolled to it."""
    window = viewer.window._qt_window
    place = QRect(part.mapTo(window, QPoint(0, 0)), part.size())
    parents = [parent := part]
    while (parent := parent.parentWidget()) is not None:
        parents.append(parent)
    scrolled = any(isinstance(parent, FittingScroll) for parent in parents)
    return part.isVisible() and window.rect().contains(place) and not scrolled


def test_docks_opened_from_the_menu_and_by_scripts_are_tabs_in_the_order_of_the_work(viewer: Any) -> None:
    for title in ("Models", "Tune", "Prepare"):
        opened = _from_the_menu(viewer, title)
        assert docks_in_front(viewer) == [opened]
    script = TrainDock(viewer)
    viewer.window.add_dock_widget(script, name="mine")
    _settle()
    assert docks_in_front(viewer) == [script]
    open_dock(viewer, "Detect anomalies")
    _settle()
    assert dock_tabs(viewer) == ["Prepare", "Detect", "Tune", "Train", "Models"]
    assert viewer.window._qt_window.height() <= SCREEN


def test_a_dock_that_the_user_moved_stays_there(viewer: Any) -> None:
    tune = _from_the_menu(viewer, "Tune")
    dock = around(tune)
    assert dock is not None
    dock.setFloating(True)
    _from_the_menu(viewer, "Models")
    _from_the_menu(viewer, "Prepare")
    assert dock.isFloating()
    assert dock_tabs(viewer) == ["Prepare", "Models"]


def test_a_dock_opened_in_a_narrow_window_is_not_cut_off(viewer: Any) -> None:
    window = viewer.window._qt_window
    window.resize(500, SCREEN)
    _settle()
    docks = [_from_the_menu(viewer, title) for title in ("Tune", "Detect anomalies")]
    assert all(dock.width() >= WIDTH for dock in docks)
    window.resize(1366, SCREEN)
    _settle()
    assert all(dock.width() >= WIDTH for dock in docks)


def test_no_dock_and_no_pair_is_higher_than_a_laptops_screen(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    """Empty, with layers, after a run, and with a comparison and its table."""
    docks = {title: _from_the_menu(viewer, title) for title in TITLES}
    assert _least(viewer) <= SCREEN
    data, truth = head()
    for name, content in (("sub-01_FLAIR.nii.gz", data), ("sub-01_truth.nii.gz", truth)):
        viewer.open(write(tmp_path / name, content), plugin=PLUGIN)
    detect, compare, tune = docks["Detect anomalies"], docks["Compare"], docks["Tune"]
    _check(viewer, docks)
    detect.button.click()
    qtbot.waitUntil(lambda: not detect.running and tune.settled is not None, timeout=60_000)
    _check(viewer, docks)
    compare.inputs.methods.choose(["threshold", "thresh-raw", "threshold@bins=8"])
    compare.button.click()
    qtbot.waitUntil(lambda: not compare.running and compare.comparison is not None, timeout=60_000)
    assert compare.table.isVisible()
    _check(viewer, docks)
    compare.messages.show_message("error", "long " * 60, why="why " * 60, fix="fix " * 60, details="details")
    open_dock(viewer, "Compare")
    _settle()
    assert _in_sight(viewer, compare.leave)
    assert _in_sight(viewer, compare.button)
    compare.leave_comparison()
    qtbot.waitUntil(lambda: not compare.running, timeout=60_000)


def _check(viewer: Any, docks: dict[str, Any]) -> None:
    """The least heights of each dock, each pair, and all; and that the button of each is in sight, whatever is in front."""
    around_them = {title: around(dock) for title, dock in docks.items()}
    shown = [(title,) for title in docks] + list(combinations(docks, 2)) + [tuple(docks)]
    for titles in shown:
        for title, dock in around_them.items():
            assert dock is not None
            dock.setVisible(title in titles)
        least = _least(viewer)
        assert least <= SCREEN, f"{' and '.join(titles)} need {least} px"
    buttons = {"Prepare": "button", "Detect anomalies": "button", "Tune": "export", "Compare": "button", "Train": "start", "Models": "use"}
    for title, name in buttons.items():
        open_dock(viewer, title)
        _settle()
        part = getattr(docks[title], name)
        assert _in_sight(viewer, part) or (title == "Tune" and tune_is_empty(docks[title])), title
        for area in docks[title].findChildren(FittingScroll):
            if area.isVisible() and area.height():
                bar = area.verticalScrollBar().sizeHint().width()
                assert area.widget().minimumSizeHint().width() <= WIDTH - 20 - bar, f"{title} is wider than its dock"
                assert area.widget().width() <= area.viewport().width(), title


def tune_is_empty(tune: Any) -> bool:
    return tune.maps.layer is None
