"""Take the pictures of the docks in docs/images from the window as it is, on the samples.

    xvfb-run -s "-screen 0 1600x1000x24" python -m tools.dock_pictures [prepare detect tune compare ortho train train_running models]

Those of Train learn from simulated subjects: ``$BRAIN_UAD_DATA/labelmaps`` holds label maps.

Each begins with a fresh window. ``demo_window.png`` is what `brain-uad demo --screenshot` leaves.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import QWidget

from napari_brain_uad.gui.app.docks import PLUGIN, open_dock

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "tests" / "support"))

from walk import pause, wait  # type: ignore[import-not-found]  # noqa: E402  # beside the tests

_OUT = _ROOT / "docs" / "images"
_SIZE = (1366, 900)
_FILES = {"ortho": "ortho_view.png", "train_running": "train_dock_running.png"}
_SETTLE_MS = 2500
_TUMOUR_SLICE = 87
_BY_HAND = 0.99
"""Threshold that somebody looking at the MS sample would set."""


_SUBJECTS, _STEPS = 8, 160
"""Of a training that two cores see through in some minutes."""


def main() -> int:
    """Take those that are asked for, or all; 1 when one could not be taken."""
    failed = 0
    for name in sys.argv[1:] or list(_PICTURES):
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*_SIZE)
        try:
            shown = _PICTURES[name](viewer)
            pause(_SETTLE_MS)
            file = _OUT / _FILES.get(name, f"{name}_dock.png")
            if isinstance(shown, QWidget):
                shown.grab().save(str(file))
            else:
                viewer.window.screenshot(path=str(file), canvas_only=False, flash=False)
            print(file.name)
        except AssertionError as error:
            print(f"{name}: {error}")
            failed = 1
        viewer.close()
        pause(500)
    return failed


def _prepare(viewer: Any) -> Any:
    """The whole window after the clinical preset, with the outline of the brain."""
    viewer.open_sample(PLUGIN, "healthy-t1")
    dock = open_dock(viewer, "Prepare")
    wait(dock.button.isEnabled, "Prepare")
    dock.button.click()
    wait(lambda: not dock.running and dock.answer is not None, "the preparation")
    return None


def _detected(viewer: Any, sample: str, method: str) -> Any:
    viewer.open_sample(PLUGIN, sample)
    dock = open_dock(viewer, "Detect anomalies")
    dock.inputs.method.choose(method)
    wait(dock.button.isEnabled, "Detect")
    dock.button.click()
    wait(lambda: not dock.running and dock.detection is not None, "the detection")
    return dock


def _detect(viewer: Any) -> Any:
    return _detected(viewer, "tumour-t1c", "tissue-ensemble")


def _tune(viewer: Any) -> Any:
    _detected(viewer, "ms-flair-simulated", "threshold")
    tune = open_dock(viewer, "Tune")
    wait(lambda: tune.settled is not None, "Tune")
    tune.threshold.number.setValue(_BY_HAND)
    pause(1000)
    wait(lambda: tune.settled is not None, "the threshold")
    return tune


def _compare(viewer: Any) -> Any:
    """The whole window."""
    viewer.open_sample(PLUGIN, "tumour-t1c")
    dock = open_dock(viewer, "Compare")
    wait(dock.button.isEnabled, "Compare")
    dock.inputs.methods.choose(["tissue-ensemble", "vae", "strega", "thresh-raw"])
    dock.button.click()
    wait(lambda: dock.comparing and not dock.running and dock.comparison is not None, "the comparison")
    viewer.dims.set_current_step(0, _TUMOUR_SLICE)
    return None


def _ortho(viewer: Any) -> Any:
    """The whole window."""
    _detected(viewer, "tumour-t1c", "thresh-raw")
    open_dock(viewer, "Ortho view")
    return None


def _training(viewer: Any) -> Any:
    """The dock Train, ready to begin."""
    maps = Path(os.environ.get("BRAIN_UAD_DATA", "")) / "labelmaps"
    assert maps.is_dir(), "label maps are needed: let BRAIN_UAD_DATA name a folder that holds labelmaps"
    # A folder of models without any, and a path that says nothing of this machine.
    place = tempfile.mkdtemp()
    os.environ["BRAIN_UAD_MODELS"] = str(Path(place) / "models")
    os.chdir(place)
    Path("labelmaps").symlink_to(maps)
    dock = open_dock(viewer, "Train")
    dock.inputs.method.choose("vae")
    dock.inputs.data.set_value({"source": "simulation", "path": "labelmaps", "sequence": "T1", "count": _SUBJECTS, "validation": 0.15})
    form = dock.inputs.training
    form.set_value(replace(form.value(), steps=_STEPS, batch_size=8, validate_every=_STEPS // 8))
    dock.inputs.name.setText("vae-t1")
    wait(lambda: dock.inputs.data.summary is not None and dock.inputs.data.pictures.heightForWidth(300) > 0, "the subjects", 300.0)
    return dock


def _train_running(viewer: Any) -> Any:
    """Most of a training, which is stopped with the window."""
    dock = _training(viewer)
    dock.start.click()
    wait(lambda: len(dock.panel.plot.validation) > 5, "the training", 900.0)
    return dock


def _models(viewer: Any) -> Any:
    return open_dock(viewer, "Models")


_PICTURES: dict[str, Callable[[Any], Any]] = {
    "prepare": _prepare,
    "detect": _detect,
    "tune": _tune,
    "compare": _compare,
    "ortho": _ortho,
    "train": _training,
    "train_running": _train_running,
    "models": _models,
}


if __name__ == "__main__":
    sys.exit(main())
