"""The steps of the README's two tutorials, as somebody walks them who does what the text says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QPoint
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QTableView
from walk import Walk, wait

from napari_brain_uad.gui.app.docks import PLUGIN, open_dock
from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.contrib.demo import _Runs
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.layers.layers import is_map, record
from napari_brain_uad.gui.tune.dock import TuneDock

FIVE, TEN = "Five minutes in napari", "Ten minutes: methods side by side"
SAMPLE = "File > Open Sample > Brain UAD > Multiple sclerosis, FLAIR-like (simulated)"

Seen = Callable[[str], None]
"""Gets a name for what the window shows now: the place to take a picture."""


def five_minutes(viewer: Any, walk: Walk, out: Path, seen: Seen) -> None:
    """Walk the first tutorial; `out` is where Export writes."""
    walk.step(1)
    walk.menu(SAMPLE)
    wait(lambda: len(viewer.layers) >= 2, "the sample")

    walk.step(2)
    walk.menu("Plugins > Brain UAD > Detect anomalies")
    detect: DetectDock = _dock(viewer, DetectDock)
    wait(lambda: "FLAIR" in detect.inputs.facts.text(), "the scan's facts")
    assert detect.inputs.truth.layer is not None
    seen("detect")

    walk.step(3)
    chosen = walk.read("Robust intensity")
    assert detect.inputs.method.box.currentText().startswith(chosen)
    assert " s" in detect.cost.text(), "the line above the button does not say how long it will take"
    walk.press("Detect anomalies")
    wait(lambda: detect.detection is not None and not detect.running, "the run")
    assert {record(layer).get("kind") for layer in viewer.layers} >= {"map", "regions", "boxes"}

    walk.step(4)
    walk.read("Tune")
    tune: TuneDock = _dock(viewer, TuneDock)
    wait(lambda: tune.settled is not None, "Tune")
    assert tune.settled is not None
    before = tune.settled.result.threshold.value
    seen("tune")
    plot = tune.histogram
    walk.click(plot, QPoint(plot.width() // 2, plot.height() // 2))  # the line is dragged in Tune's own tests
    walk.pick(tune.threshold.rule, walk.read("best Dice"))
    wait(lambda: tune.settled is not None and tune.post.threshold == "best-dice", "best Dice")
    assert tune.settled.result.threshold.value != before
    assert "Dice" in tune.threshold.origin.text()
    walk.press("Clean-up")
    seen("clean_up")

    walk.step(5)
    walk.press("Regions")
    walk.row(tune.table, 1)
    assert tune.table.current == 2
    assert tune.table.regions[1].name.partition(" ")[0] in ("left", "right")

    walk.step(6)
    for name, sign in (("Accept", "accepted"), ("Reject", "rejected")):
        walk.press(name)
        wait(lambda sign=sign: tune.settled is not None and tune.settled.result.regions[1].review == sign, name)
    count = len(tune.table.regions)
    walk.row(tune.table, 0)
    walk.row(tune.table, 1, held=True)
    walk.press("Merge")
    wait(lambda: tune.settled is not None and len(tune.table.regions) == count - 1, "Merge")
    seen("review")
    walk.press("Undo")
    wait(lambda: tune.settled is not None and len(tune.table.regions) == count, "Undo")

    walk.step(7)
    walk.press("Export")
    wait(lambda: "Saved" in tune.messages.text, "the export")
    assert (out / "ms-flair-simulated_robust-intensity_regions.tsv").is_file()
    assert (out / "ms-flair-simulated_robust-intensity_reviewed_mask.nii.gz").is_file()
    walk.press("Copy as command")
    wait(lambda: _clipboard().startswith("brain-uad detect "), "the command")
    walk.done(7)


def like_make_demo(viewer: Any, methods: tuple[str, str] = ("threshold", "tissue-ensemble")) -> None:
    """What `make demo` leaves, where the second tutorial begins: a tumour and two methods' maps, which it does not look at again."""
    dock = open_dock(viewer, "Detect anomalies")
    viewer.open_sample(PLUGIN, "tumour-t1c")
    runs = _Runs(dock, methods)
    wait(lambda: runs.done, "the demo's runs", 300.0)
    assert runs.succeeded


def ten_minutes(viewer: Any, walk: Walk, out: Path, seen: Seen) -> None:
    """Walk the second tutorial, after `like_make_demo`; `out` is where files are saved."""
    walk.step(1)
    walk.menu(SAMPLE)
    detect: DetectDock = _dock(viewer, DetectDock)
    walk.press("Detect")
    wait(lambda: "FLAIR" in detect.inputs.facts.text(), "the scan's facts")
    assert detect.inputs.scan.layer is not None
    assert detect.inputs.scan.layer.name.startswith("ms-flair")
    assert detect.inputs.truth.layer is not None

    walk.step(2)
    maps = sum(is_map(layer) for layer in viewer.layers)
    walk.press("Detect anomalies")
    wait(lambda: sum(is_map(layer) for layer in viewer.layers) == maps + 1 and not detect.running, "the first map")
    walk.press("Detect")
    walk.pick(detect.inputs.method.box, walk.read("Variational autoencoder"))
    walk.press("Detect anomalies")
    wait(lambda: sum(is_map(layer) for layer in viewer.layers) == maps + 2 and not detect.running, "the second map", 120.0)
    walk.press("Tune")
    seen("two_methods")

    walk.step(3)
    walk.menu("Plugins > Brain UAD > Compare")
    compare: CompareDock = _dock(viewer, CompareDock)
    wait(compare.button.isEnabled, "Compare")
    for name in ("Threshold (raw intensity)", "Variational autoencoder"):
        walk.tick(compare.inputs.methods.tree, walk.read(name))
    compare.inputs.methods.variant.setEditText("threshold@bins=64")
    walk.press("+ variant")
    seen("compare")
    walk.press("Compare")
    wait(lambda: compare.comparing and not compare.running and compare.comparison is not None, "the comparison", 300.0)
    assert compare.comparison is not None
    assert len(compare.comparison.runs) == 6
    seen("cells")

    walk.step(4)
    walk.read("each method's own")
    assert compare.threshold.rule.currentText() == "each method's own"
    walk.pick(compare.threshold.rule, walk.read("percentile"))
    slider = compare.threshold.slider
    walk.click(slider, QPoint(slider.width() // 2, slider.height() // 2))
    wait(lambda: compare.comparison is not None, "the masks")
    rows = compare.table.findChild(QTableView)
    assert rows is not None
    walk.row(rows, 0)
    walk.press("Regions")
    walk.row(compare.regions.table, 0)
    walk.press("Worst false alarm")

    walk.step(5)
    walk.press("View")
    for name in ("Agreement", "Difference"):
        walk.press(name)
    seen("agreement")
    walk.press("Export")
    for name, ending in (("Montage (PNG)", "*.png"), ("Table (CSV)", "*.csv")):
        walk.press(name)
        wait(lambda ending=ending: list(out.glob(ending)), name)
    wait(lambda: not compare.run_bar.isVisible(), "the exports")
    walk.press("Copy as command")
    wait(lambda: _clipboard().startswith("brain-uad compare "), "the command")
    walk.press("Leave comparison")
    wait(lambda: not compare.comparing and not compare.running, "the viewer as it was")
    walk.done(5)


def _dock(viewer: Any, kind: type[Any]) -> Any:
    return next(widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind))


def _clipboard() -> str:
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    return clipboard.text()
