"""Walk both tutorials of the README under a window manager, with the X server's own mouse, and take a picture of every step.

    xvfb-run -s "-screen 0 1366x768x24" sh -c 'openbox & python tools/walk_tutorials.py OUT [five|ten]'

Needs openbox (or another window manager) and xdotool. What `tests/gui/test_tutorials.py` checks on every run is done here once more by
events that come from outside the process, for pictures, and for what a window manager changes.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from tutorials import (  # type: ignore[import-not-found]  # noqa: E402  # beside the tests
    FIVE,
    TEN,
    five_minutes,
    like_make_demo,
    ten_minutes,
)
from walk import Walk, pause  # type: ignore[import-not-found]  # noqa: E402  # beside the tests


class XMouse:
    """Moves the pointer of the screen and presses its button."""

    def move(self, at: QPoint) -> None:
        """Point at a place on the screen."""
        self._do("mousemove", str(at.x()), str(at.y()))

    def click(self, at: QPoint, *, held: bool = False) -> None:
        """Click where it points, with Ctrl when `held`."""
        self._do(*(["keydown", "ctrl"] if held else []), "click", "1", *(["keyup", "ctrl"] if held else []))
        pause(150)

    def _do(self, *words: str) -> None:
        with subprocess.Popen(["xdotool", *words]) as doing:
            while doing.poll() is None:
                pause(10)


def main() -> int:
    """Walk, and print what was clicked; 1 when a step could not be done as it is written."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    code = 0
    for title, steps, prepare in ((FIVE, five_minutes, None), (TEN, ten_minutes, like_make_demo)):
        if sys.argv[2:] and title.split(" ", 1)[0].casefold() not in sys.argv[2:]:
            continue
        viewer = napari.Viewer()
        viewer.window._qt_window.showMaximized()
        ended: list[BaseException | None] = []
        QTimer.singleShot(1000, partial(_walk, viewer, title, steps, prepare, out, ended))
        napari.run()
        if ended[0] is not None:
            print(f"{title}: {ended[0]}")
            code = 1
    return code


def _walk(viewer: Any, title: str, steps: Any, prepare: Any, out: Path, ended: list[BaseException | None]) -> None:
    files = out / title.split(" ", 1)[0].casefold()
    # The dialogs that ask for a file or a folder are the system's.
    QFileDialog.getExistingDirectory = staticmethod(lambda *_args, **_more: str(files))  # type: ignore[method-assign]
    QFileDialog.getSaveFileName = staticmethod(  # type: ignore[method-assign,assignment]
        lambda _parent, _title, name, _kinds: (str(files / Path(name).name), "")
    )
    files.mkdir(exist_ok=True)
    walk = Walk(viewer.window._qt_window, title, ROOT / "README.md", XMouse())
    try:
        if prepare is not None:
            prepare(viewer)
        steps(viewer, walk, files, partial(_picture, out, files.name))
    except AssertionError as error:
        _picture(out, files.name, "failed")
        ended.append(error)
    else:
        ended.append(None)
    print(f"{title}: clicked {', '.join(walk.clicked)}")
    viewer.close()


def _picture(out: Path, walk: str, name: str) -> None:
    pause(500)
    screen = QApplication.primaryScreen()
    assert screen is not None
    screen.grabWindow().save(str(out / f"{walk}_{name}.png"))


if __name__ == "__main__":
    sys.exit(main())
