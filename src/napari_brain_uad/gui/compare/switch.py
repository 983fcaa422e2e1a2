"""From what a viewer shows to a comparison, to the next one, or back: a little each turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..app.steps import Steps

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from .scene import CompareScene

_LEAVING = 0.15
"""Part of the time that leaving takes, where another comparison follows."""


class SceneSwitch:
    """Changes scenes; one change at a time.

    Parameters
    ----------
    parent : QWidget
        Whose scenes they are.
    report : callable
        Gets how much is done, and what is being done.
    on_broken : callable
        Called when a step raised, with everything put back as far as it goes.

    Attributes
    ----------
    coming : CompareScene or None
        What is on its way into the viewer.
    done : float
        How much of the latest change is done, 0 to 1.
    """

    def __init__(self, parent: QWidget, report: Callable[[float, str], None], on_broken: Callable[[], None]) -> None:
        self._parent, self._report, self._on_broken = parent, report, on_broken
        self._steps: Steps | None = None
        self._going: CompareScene | None = None
        self.coming: CompareScene | None = None
        self.done = 0.0

    @property
    def running(self) -> bool:
        """Whether a change is under way."""
        return self._steps is not None

    def start(
        self, going: CompareScene | None, coming: CompareScene | None, on_done: Callable[[], None], first: Iterable[object] = ()
    ) -> None:
        """Leave one scene, enter another; the steps of `first` come before."""
        self._going, self.coming, self.done = going, coming, 0.0

        def done() -> None:
            self._steps = self._going = self.coming = None
            on_done()

        self._steps = Steps(self._work(first), parent=self._parent, on_done=done, on_broken=self._broken, on_step=self._tell)

    def stop(self, shown: CompareScene | None = None) -> None:
        """Put the viewer back as it was before any of the scenes, `shown` among them, at once."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.stop()
        for scene in (self._going, self.coming, shown):
            if scene is not None:
                scene.leave()
        self._going = self.coming = None

    def forget(self, shown: CompareScene | None = None) -> None:
        """Stop, for a window that is gone: there is nothing to put back."""
        if self._steps is not None:
            self._steps.stop()
        for scene in (self._going, self.coming, shown):
            if scene is not None:
                scene.forget()
        self._steps = self._going = self.coming = None

    def _work(self, first: Iterable[object]) -> Iterator[float]:
        part = 0.0
        yield from (part for _ in first)
        if self._going is not None:
            part = 1.0 if self.coming is None else _LEAVING
            for done in self._going.leaving():
                yield part * done
        if self.coming is not None:
            for done in self.coming.entering():
                yield part + (1.0 - part) * done

    def _tell(self, done: float) -> None:
        self.done = done
        if self._steps is not None:
            self._report(done, "Putting the viewer back" if self.coming is None else "Showing the maps")

    def _broken(self) -> None:
        self.stop()
        self._on_broken()
