"""What of a comparison is seen, and in which colours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ...core.errors import Cancelled
from ..app import keys
from ..app.workers import run
from ..layers.view import show_plane
from .comparing import ShownComparison, recoloured

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from .dock import CompareDock


_LEAST_PERCENTILES = 10.0
"""Differences below it are faint: the order of equal methods differs by rounding alone."""


class CompareViews:
    """The controls of the dock's page "View".

    Parameters
    ----------
    dock : CompareDock
        Whose page.
    """

    def __init__(self, dock: CompareDock) -> None:
        self._dock = dock
        dock.scale.activated.connect(self._scale_changed)
        dock.difference.toggled.connect(self._difference_changed)
        for box in (dock.first, dock.second):
            box.activated.connect(self._difference_changed)
        for tick, name in ((dock.heat, "heat"), (dock.truth, "truth"), (dock.masks, "masks"), (dock.agreement, "agreement")):
            tick.toggled.connect(partial(self._seen, name))

    def show(self) -> None:
        """Have what is ticked hold for a new comparison too."""
        dock, scene, ready = self._dock, self._dock.scene, self._dock.ready
        if scene is None or ready is None:
            return
        titles = [cell.run.title for cell in ready.cells]
        for place, box in enumerate((dock.first, dock.second)):
            box.clear()
            box.addItems(titles)
            box.setCurrentIndex(min(place, len(titles) - 1))
        dock.difference.setEnabled(len(titles) > 1)
        for tick, name in ((dock.heat, "heat"), (dock.truth, "truth"), (dock.masks, "masks")):
            if not tick.isChecked():
                self._seen(name, False)
        scene.show_agreement(dock.agreement.isChecked())
        dock.scale_words.setText(f"{ready.scale.words}.")
        self._difference_changed()

    def _seen(self, what: str, seen: bool) -> None:
        if self._dock.scene is not None:
            getattr(self._dock.scene, f"show_{what}")(seen)

    def _scale_changed(self) -> None:
        ready, scale = self._dock.ready, str(self._dock.scale.currentData())
        if ready is not None:
            run(lambda _progress: recoloured(ready, scale), parent=self._dock, on_done=self._recolour, on_error=self._failed)

    def _recolour(self, ready: ShownComparison) -> None:
        dock = self._dock
        if dock.take(ready):
            dock.scale_words.setText(f"{ready.scale.words}.")
            self._difference_changed()

    def _difference_changed(self) -> None:
        dock, ready = self._dock, self._dock.ready
        first, second = dock.first.currentIndex(), dock.second.currentIndex()
        if ready is None or dock.scene is None:
            return
        if not dock.difference.isChecked() or first < 0 or second < 0:
            dock.scene.show_difference(None)
            return
        scale = "score" if ready.one_unit and dock.scale.currentData() == "auto" else "percentile"

        def show(values: NDArray[float32]) -> None:
            if dock.ready is ready and dock.scene is not None and dock.difference.isChecked():
                dock.scene.show_difference(values, _LEAST_PERCENTILES if scale == "percentile" else 0.0)

        run(lambda _progress: ready.comparison.difference(first, second, scale), parent=dock, on_done=show, on_error=self._failed)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, Cancelled):
            self._dock.messages.show_error(error, "Changing the view")


def bind_keys(dock: CompareDock) -> None:
    """What keys do while the viewer's window has the focus."""
    actions: dict[str, Callable[[], object]] = {
        keys.NEXT_REGION: lambda: dock.regions.step(1),
        keys.PREVIOUS_REGION: lambda: dock.regions.step(-1),
        keys.THRESHOLD_UP: lambda: dock.threshold.nudge(1),
        keys.THRESHOLD_DOWN: lambda: dock.threshold.nudge(-1),
        keys.HEATMAP: dock.heat.toggle,
        keys.TRUTH: dock.truth.toggle,
        keys.NEXT_METHOD: dock.next_method,
    }
    planes: dict[str, Callable[[], object]] = {key: partial(show_plane, dock.viewer, plane) for key, plane in keys.PLANE_KEYS.items()}
    keys.bind(dock, actions | planes)
