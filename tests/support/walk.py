"""Walking a tutorial of the README in a real window: names come from its text, clicks go to places on the screen.

A step of a tutorial names in **bold** what is clicked and in *italics* what is chosen. A walker takes these names one by one, so that a
name that the text does not hold, or one that nobody takes, fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from qtpy.QtCore import QEventLoop, QPoint, QRect, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QCheckBox,
    QComboBox,
    QMainWindow,
    QMenu,
    QTabBar,
    QTreeWidget,
    QWidget,
)

_NAME = re.compile(r"\*\*(.+?)\*\*|(?<!\*)\*([^*]+?)\*(?!\*)", re.DOTALL)
_LEFT = Qt.MouseButton.LeftButton
_PLUGIN = " (Brain UAD)"
"""What napari adds to the names of a plugin's docks."""


def steps(readme: str, title: str) -> list[list[str]]:
    """The names in bold and in italics of every numbered step of a section, as they are read."""
    section = readme.partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = re.split(r"(?m)^\d+\. ", section.partition("\n![")[0])[1:]
    return [[" ".join((bold or italic).split()) for bold, italic in _NAME.findall(step)] for step in found]


class Mouse(Protocol):
    """What clicks on the screen."""

    def move(self, at: QPoint) -> None:
        """Point at a place on the screen, and let the window answer."""
        ...

    def click(self, at: QPoint, *, held: bool = False) -> None:
        """Click where it points, which is `at`, with Ctrl when `held`."""
        ...


class QtMouse:
    """Clicks through Qt, on whatever it shows at a place."""

    def move(self, at: QPoint) -> None:
        """See `Mouse.move`."""
        widget, place = _seen_at(at)
        QTest.mouseMove(widget, place)
        QApplication.processEvents()

    def click(self, at: QPoint, *, held: bool = False) -> None:
        """See `Mouse.click`."""
        keys = Qt.KeyboardModifier.ControlModifier if held else Qt.KeyboardModifier.NoModifier
        widget, place = _seen_at(at)
        QTest.mouseClick(widget, _LEFT, keys, place)


def _seen_at(at: QPoint) -> tuple[QWidget, QPoint]:
    """What Qt shows at a place on the screen, and where in it that is."""
    end = time.monotonic() + _PATIENCE
    # Right after a menu or a list has closed, the screen may have nothing of ours there yet.
    while (seen := QApplication.widgetAt(at)) is None and time.monotonic() < end:
        pause(_REST_MS)
    assert seen is not None, f"nothing is seen at {at.x()}, {at.y()}"
    return seen, seen.mapFromGlobal(at)


class Walk:
    """Hands and eyes of somebody who reads a tutorial.

    Parameters
    ----------
    window : QMainWindow
        napari's, on the screen.
    title : str
        The tutorial's section.
    readme : Path
        The text.
    mouse : Mouse, optional
        What clicks.
    """

    def __init__(self, window: QMainWindow, title: str, readme: Path, mouse: Mouse | None = None) -> None:
        self.window = window
        self._mouse = mouse or QtMouse()
        self.steps = steps(readme.read_text(encoding="utf-8"), title)
        assert self.steps, f"the README has no steps under '{title}'"
        self._left: list[str] = []
        self.clicked: list[str] = []

    def step(self, number: int) -> None:
        """Begin a step; the one before has to be done."""
        assert not self._left, f"the README names {self._left}, which nobody clicked"
        self._left = list(self.steps[number - 1])

    def done(self, number: int) -> None:
        """The last step has this number and is done."""
        assert not self._left, f"the README names {self._left}, which nobody clicked"
        assert len(self.steps) == number, f"the README has {len(self.steps)} steps"

    def read(self, name: str) -> str:
        """Take a name from the step's text."""
        assert name in self._left, f"the README's step does not name '{name}' (any more): {self._left}"
        self._left.remove(name)
        return name

    # What is clicked

    def press(self, name: str) -> None:
        """A button, a tick box or a tab whose visible text is this."""
        self.read(name)
        self.click(*self.find(name))

    def click(self, widget: QWidget, place: QPoint | None = None, *, held: bool = False) -> None:
        """Click on a widget, or on a place in it, where the screen shows it."""
        place = widget.rect().center() if place is None else place
        end = time.monotonic() + _PATIENCE
        # What was just shown, or lies below what was just shown, may still be moving to its place, also from under the pointer.
        at = None
        while ((wrong := _in_the_way(widget, place)) or at != widget.mapToGlobal(place)) and time.monotonic() < end:
            pause(_REST_MS)
            at = widget.mapToGlobal(place)
            if not wrong:
                self._mouse.move(at)
        assert not wrong, wrong
        assert at is not None
        self._mouse.click(at, held=held)
        self.clicked.append(_called(widget))
        QApplication.processEvents()

    def find(self, text: str) -> tuple[QWidget, QPoint]:
        """What has this text and is wholly in sight, a button, a tick box or a tab, and where to click in it."""
        found = [one for one in self.window.findChildren(QAbstractButton) if _plain(one.text()) == text and one.isVisible()]
        for one in found:
            if _wholly_seen(one, one.rect()):
                # A tick box answers only where its mark and its words are.
                return one, QPoint(8, one.rect().center().y()) if isinstance(one, QCheckBox) else one.rect().center()
        for bar in self.window.findChildren(QTabBar):
            for index in range(bar.count()):
                if _plain(bar.tabText(index)).partition(" (")[0] == text and _wholly_seen(bar, bar.tabRect(index)):
                    return bar, bar.tabRect(index).center()
        raise AssertionError(f"'{text}' is {'cut off or hidden' if found else 'not in the window'}")

    def menu(self, path: str) -> None:
        """An entry of the menu bar, written as "Plugins > Brain UAD > Tune": click by click."""
        self.read(path)
        bar: Any = self.window.menuBar()
        words = path.split(" > ")
        for number, word in enumerate(words):
            action = next((one for one in bar.actions() if _plain(one.text()).removesuffix(_PLUGIN) == word), None)
            assert action is not None, f"the menu has no '{word}': {[one.text() for one in bar.actions()]}"
            at = bar.mapToGlobal(bar.actionGeometry(action).center())
            assert _screen().contains(at), f"'{word}' lies off the screen"
            self._mouse.move(at)
            self._mouse.click(at)
            QApplication.processEvents()
            if number + 1 < len(words):
                bar = action.menu()
                wait(lambda bar=bar: bar is not None and bar.isVisible(), f"the menu '{word}'")
        self.clicked.append(path)
        for menu in self.window.findChildren(QMenu):
            menu.hide()

    def pick(self, box: QComboBox, text: str) -> None:
        """Open a list and click on the entry of this text."""
        self.click(box)
        view = box.view()
        wait(view.isVisible, "the list")
        pause(_OPENING_MS)
        row = next((row for row in range(box.count()) if box.itemText(row) == text or box.itemText(row).startswith(f"{text} - ")), None)
        assert row is not None, f"the list has no '{text}': {[box.itemText(row) for row in range(box.count())]}"
        self._click_index(view, view.model().index(row, box.modelColumn()))
        wait(lambda: not view.isVisible(), "the list to close")

    def row(self, view: QAbstractItemView, row: int, *, held: bool = False) -> None:
        """Click on a row of a table, with Ctrl when `held`."""
        model = view.model()
        assert model is not None
        assert row < model.rowCount(), "the table has too few rows"
        self._click_index(view, model.index(row, 0), held=held)

    def tick(self, tree: QTreeWidget, text: str) -> None:
        """Tick an entry of a tree unless it is ticked."""
        item = next(iter(tree.findItems(text, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)), None)
        assert item is not None, f"the list has no '{text}'"
        if item.checkState(0) == Qt.CheckState.Checked:
            return
        tree.scrollToItem(item)
        index = tree.indexFromItem(item)
        rect = tree.visualRect(index)
        port = tree.viewport()
        assert port is not None
        self.click(port, QPoint(rect.left() + 8, rect.center().y()))
        assert item.checkState(0) == Qt.CheckState.Checked, f"'{text}' could not be ticked"

    def _click_index(self, view: Any, index: Any, *, held: bool = False) -> None:
        view.scrollTo(index)
        QApplication.processEvents()
        self.click(view.viewport(), view.visualRect(index).center(), held=held)


def pause(ms: int) -> None:
    """Let the window work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


_PATIENCE = 20.0
_REST_MS = 50
_OPENING_MS = 500
"""A list that has just opened takes no click: it may be the second half of the one that opened it."""


def wait(ready: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Let the window work until something is so."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        pause(20)


def _plain(text: str) -> str:
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").strip()


def _screen() -> QRect:
    screen = QApplication.primaryScreen()
    assert screen is not None
    return screen.geometry()


def _wholly_seen(widget: QWidget, part: QRect) -> bool:
    """Whether a part of a widget is cut off neither by what is around it nor by the edge of the screen."""
    on_screen = QRect(widget.mapToGlobal(part.topLeft()), part.size())
    return widget.isVisible() and widget.visibleRegion().boundingRect().contains(part) and _screen().contains(on_screen)


def _in_the_way(widget: QWidget, place: QPoint) -> str:
    """Why a place in a widget cannot be clicked; empty when it can."""
    at = widget.mapToGlobal(place)
    seen = QApplication.widgetAt(at)
    if not _screen().contains(at):
        return f"{_called(widget)} lies off the screen, at {at.x()}, {at.y()}"
    if seen is None or not widget.isVisible():
        return f"nothing is seen where {_called(widget)} should be"
    if not widget.isEnabled():
        return f"{_called(widget)} is greyed out"
    covered = widget is not seen and not widget.isAncestorOf(seen) and not seen.isAncestorOf(widget)
    if covered or not widget.visibleRegion().contains(place):
        return f"{_called(widget)} is covered by {_called(seen)}"
    return ""


def _called(widget: QWidget) -> str:
    text = getattr(widget, "text", None)
    return f"'{_plain(text())}'" if callable(text) and text() else f"{type(widget).__name__} {widget.objectName()}".strip()
