"""Both tutorials of the README, walked in the real window of a laptop with the mouse: what the text names is there and does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication, QFileDialog
from tutorials import FIVE, TEN, five_minutes, like_make_demo, ten_minutes
from walk import Walk, steps

LAPTOP = (1366, 768)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    made = make_napari_viewer(show=True)
    window = made.window._qt_window
    window.move(0, 0)
    window.resize(*LAPTOP)
    QApplication.processEvents()
    yield made
    while docks := list(made.window.dock_widgets.values()):  # a dock may take another along
        made.window.remove_dock_widget(docks[0])


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files go: the dialogs that ask for it are the system's."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args, **_more: str(tmp_path))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda _parent, _title, name, _kinds: (str(tmp_path / Path(name).name), ""))
    return tmp_path


def _nothing(_name: str) -> None:
    """No picture is taken."""


@pytest.mark.slow
def test_five_minutes_in_the_window(viewer: Any, repository: Path, out: Path) -> None:
    five_minutes(viewer, Walk(viewer.window._qt_window, FIVE, repository / "README.md"), out, _nothing)


@pytest.mark.slow
def test_ten_minutes_methods_side_by_side(viewer: Any, repository: Path, out: Path) -> None:
    like_make_demo(viewer, ("threshold", "thresh-raw"))  # quick ones; the methods compared below take long enough
    ten_minutes(viewer, Walk(viewer.window._qt_window, TEN, repository / "README.md"), out, _nothing)


def test_names_are_read_from_bold_and_italics() -> None:
    text = "## A\n1. Click **One >\n   Two**, then *three* (2 * 3).\n2. *x*\n\n![picture](a.png)\n*caption*\n## B\n1. **no**\n"
    assert steps(text, "A") == [["One > Two", "three"], ["x"]]
