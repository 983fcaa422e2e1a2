"""Both tutorials of the README, walked in the real window of a laptop with the mouse: what the text names is there and does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QPoint
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication, QFileDialog
from walk import Walk, steps, wait

from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.contrib.demo import _Runs
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.layers.layers import is_map, record
from napari_brain_uad.gui.tune.dock import TuneDock

FIVE, TEN = "Five minutes in the window", "Ten minutes: methods side by side"
LAPTOP = (1366, 768)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    made = make_napari_viewer(show=True)
    window = made.window._qt_window
    window.move(0, 0)
    window.resize(*LAPTOP)
    QApplication.processEvents()
    yield made
    for widget in list(made.window.dock_widgets.values()):
        made.window.remove_dock_widget(widget)


def _walk(viewer: Any, title: str, repository: Path) -> Walk:
    return Walk(viewer.window._qt_window, title, repository / "README.md")


def _dock(viewer: Any, kind: type[Any]) -> Any:
    return next(widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind))


def _clipboard() -> str:
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    return clipboard.text()


def test_five_minutes_in_the_window(viewer: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = _walk(viewer, FIVE, repository)
    walk.step(1)
    walk.menu("File > Open Sample > Brain UAD > Multiple sclerosis, FLAIR-like (simulated)")
    wait(lambda: len(viewer.layers) >= 2, "the sample")

    walk.step(2)
    walk.menu("Plugins > Brain UAD > Detect anomalies")
    detect: DetectDock = _dock(viewer, DetectDock)
    wait(lambda: "FLAIR" in detect.inputs.facts.text(), "the scan's facts")
    assert detect.inputs.truth.layer is not None

    walk.step(3)
    chosen = walk.read("Threshold (histogram equalised)")
    assert detect.inputs.method.box.currentText().startswith(chosen)
    walk.press("Detect anomalies")
    wait(lambda: detect.detection is not None and not detect.running, "the run")
    assert {record(layer).get("kind") for layer in viewer.layers} >= {"map", "regions", "boxes"}

    walk.step(4)
    walk.read("Tune")
    tune: TuneDock = _dock(viewer, TuneDock)
    wait(lambda: tune.settled is not None, "Tune")
    before = tune.settled
    assert before is not None
    plot = tune.histogram
    walk.click(plot, QPoint(plot.width() // 2, plot.height() // 2))  # the line is dragged in Tune's own tests
    walk.pick(tune.threshold.rule, walk.read("best Dice"))
    wait(lambda: tune.settled is not None and tune.post.threshold == "best-dice", "best Dice")
    assert tune.settled is not None
    assert tune.settled.figures.dice is not None
    assert before.figures.dice is not None
    assert tune.settled.figures.dice > before.figures.dice

    walk.step(5)
    walk.row(tune.table, 1)
    assert tune.table.current == 2

    walk.step(6)
    for name, sign in (("Accept", "accepted"), ("Reject", "rejected")):
        walk.press(name)
        wait(lambda sign=sign: tune.settled is not None and tune.settled.result.regions[1].review == sign, name)
    walk.press("Undo")
    wait(lambda: tune.settled is not None and tune.settled.result.regions[1].review == "accepted", "Undo")

    walk.step(7)
    # The dialog that asks for the folder is the system's.
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args, **_more: str(tmp_path / "out"))
    walk.press("Export")
    wait(lambda: tune.messages.level == "info" and "Saved" in tune.messages.text, "the export")
    assert (tmp_path / "out" / "ms-flair-simulated_threshold_regions.tsv").is_file()
    walk.press("Copy as command")
    assert _clipboard().startswith("brain-uad detect ")
    walk.done(7)


def test_ten_minutes_methods_side_by_side(viewer: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = _walk(viewer, TEN, repository)
    _like_make_demo(viewer)
    walk.step(1)
    walk.menu("File > Open Sample > Brain UAD > Multiple sclerosis, FLAIR-like (simulated)")
    detect: DetectDock = _dock(viewer, DetectDock)
    walk.press("Detect anomalies")  # its tab
    wait(lambda: "FLAIR" in detect.inputs.facts.text(), "the scan's facts")
    assert detect.inputs.scan.layer is not None
    assert detect.inputs.scan.layer.name.startswith("ms-flair")
    assert detect.inputs.truth.layer is not None

    walk.step(2)
    maps = sum(is_map(layer) for layer in viewer.layers)
    walk.press("Detect anomalies")
    wait(lambda: sum(is_map(layer) for layer in viewer.layers) == maps + 1 and not detect.running, "the first map")
    walk.click(*walk.find("Detect anomalies"))  # Tune lies over it
    walk.pick(detect.inputs.method.box, walk.read("Variational autoencoder"))
    walk.click(detect.button)
    wait(lambda: sum(is_map(layer) for layer in viewer.layers) == maps + 2 and not detect.running, "the second map")
    walk.read("Tune")

    walk.step(3)
    walk.menu("Plugins > Brain UAD > Compare")
    compare: CompareDock = _dock(viewer, CompareDock)
    wait(lambda: compare.button.isEnabled(), "Compare")
    methods = compare.inputs.methods
    names = ("Threshold (histogram equalised)", "Threshold (raw intensity)", "Variational autoencoder")
    for name in names:
        walk.tick(methods.tree, walk.read(name))
    methods.variant.setEditText("threshold@bins=64")
    walk.press("+ variant")
    walk.press("Compare")
    wait(lambda: compare.comparing and compare.result.isVisible(), "the comparison", 120.0)
    walk.done(3)
    assert tmp_path
    assert monkeypatch


def _like_make_demo(viewer: Any) -> None:
    """What `make demo` leaves: a tumour and two methods' maps."""
    from napari_brain_uad.gui.app.docks import PLUGIN, open_dock

    dock = open_dock(viewer, "Detect anomalies")
    viewer.open_sample(PLUGIN, "tumour-t1c")
    runs = _Runs(dock, ("threshold", "strega"))
    wait(lambda: runs.done, "the demo's runs", 120.0)
    assert runs.succeeded


def test_names_are_read_from_bold_and_italics() -> None:
    text = "## A\n1. Click **One >\n   Two**, then *three* (2 * 3).\n2. *x*\n\n![picture](a.png)\n*caption*\n## B\n1. **no**\n"
    assert steps(text, "A") == [["One > Two", "three"], ["x"]]
