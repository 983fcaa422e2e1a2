"""What a person does to the regions of the Tune dock: accept, reject, merge, note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QMenu

from ...postprocessing.edits import ACCEPTED, REJECTED
from ..layers.tuning import Settled, Tuning, settled_with
from ..widgets.region_table import RegionTable
from .review_bar import ACTS, ReviewBar

_ACTS: dict[str, tuple[str, dict[str, str]]] = {
    "accept": ("marked", {"review": ACCEPTED}),
    "reject": ("marked", {"review": REJECTED}),
    "merge": ("merged", {}),
    "clear": ("cleared", {}),
}
"""Name of the act: the function of `postprocessing.region_edits` that does it, and what it is told."""


@dataclass(frozen=True, eq=False)
class _About:
    """What the line for the note is about: these regions of a state at rest."""

    tuning: Tuning
    settled: Settled
    numbers: list[int]


class Reviewer:
    """Turns buttons, keys and the table's context menu into edits of what is tuned.

    Parameters
    ----------
    table : RegionTable
        Several rows can be chosen in it from now on.
    bar : ReviewBar
        Buttons and note.
    state : callable
        Gives what is tuned and its state at rest; while something moves or runs there is none, and nothing can be done to regions.
    show : callable
        Shows a state at rest.
    settle : callable
        Finds it in the background: a merge measures the regions anew, which takes too long for the main thread.
    """

    def __init__(
        self,
        table: RegionTable,
        bar: ReviewBar,
        state: Callable[[], tuple[Tuning | None, Settled | None]],
        show: Callable[[Settled], None],
        settle: Callable[[], None],
    ) -> None:
        self._table, self._bar = table, bar
        self._state, self._show, self._settle = state, show, settle
        self._places: list[tuple[int, int, int]] = []
        self._about: _About | None = None
        self._left: list[tuple[_About, str]] = []
        self._soon = QTimer(table)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._keep_left)
        table.allow_several()
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._ask)
        table.selected_changed.connect(self._others_chosen)
        bar.acted.connect(self.act)
        bar.noted.connect(self.note)

    def act(self, name: str) -> None:
        """Accept, reject, merge or clear the chosen regions; what was typed about them is kept as their note first."""
        self._bar.keep_note()
        tuning, settled = self._state()
        if tuning is not None and settled is not None and self._table.selected:
            self._edit(*_ACTS[name], _About(tuning, settled, self._table.selected))

    def note(self, text: str) -> None:
        """Note something on the regions that the line is about."""
        if self._about is not None:
            self._note_on(self._about, text)

    def focus_note(self) -> None:
        """Let the user type a note."""
        self._bar.note.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_settled(self, settled: Settled) -> None:
        """Choose again, without going there, what was chosen before an edit; regions have other numbers after a merge."""
        places, self._places = self._places, []
        numbers = (int(settled.result.labels[place]) for place in places)
        self._table.select([number for number in dict.fromkeys(numbers) if number])
        self._others_chosen()

    def _note_on(self, about: _About, text: str) -> None:
        tuning, settled = self._state()
        if tuning is about.tuning and settled is not None:
            self._edit("marked", {"note": text}, about)

    def _edit(self, function: str, told: dict[str, str], about: _About) -> None:
        # Here, because it brings scipy, which would slow the opening of the dock.
        from ...postprocessing import region_edits

        tuning, settled = self._state()
        assert tuning is not None  # its callers have checked both
        assert settled is not None
        edits = getattr(region_edits, function)(tuning.edits, about.settled.result, about.numbers, **told)
        if edits is tuning.edits:
            return
        self._places = [settled.result.regions[number - 1].peak_index for number in self._table.selected]
        tuning.change(edits=edits)
        if edits.merges == settled.edits.merges:
            self._show(settled_with(settled, tuning.amap, tuning.truth, edits))
        else:
            self._settle()

    def _others_chosen(self) -> None:
        typed, before = self._bar.typed, self._about
        (tuning, settled), chosen = self._state(), self._table.selected
        self._about = None if tuning is None or settled is None or not chosen else _About(tuning, settled, chosen)
        self._show_chosen()
        if typed is not None and before is not None:
            # The table is in the middle of choosing rows; with the note it is filled anew.
            self._left.append((before, typed))
            self._soon.start()

    def _keep_left(self) -> None:
        left, self._left = self._left, []
        for about, text in left:
            self._note_on(about, text)

    def _show_chosen(self) -> None:
        regions, chosen = self._table.regions, self._table.selected
        notes = {regions[number - 1].note for number in chosen}
        self._bar.show_chosen(len(chosen), notes.pop() if len(notes) == 1 else "")

    def _ask(self, position: QPoint) -> None:
        menu = self.menu(self._table.selected)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        viewport = self._table.viewport()
        if viewport is not None and not menu.isEmpty():
            menu.popup(viewport.mapToGlobal(position))

    def menu(self, chosen: Sequence[int]) -> QMenu:
        """What can be done to these regions, as a menu."""
        menu = QMenu(self._table)
        for name, (text, key, tip) in ACTS.items():
            if len(chosen) > (1 if name == "merge" else 0) and (action := menu.addAction(f"{text}\t{key}")) is not None:
                action.setToolTip(tip)
                action.triggered.connect(partial(self._triggered, name))
        return menu

    def _triggered(self, name: str, _checked: bool = False) -> None:
        self.act(name)
