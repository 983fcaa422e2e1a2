"""How old the person scanned is, as the docks that judge a scan ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from ...datasets.covariates import OLDEST
from .editors import IntBox
from .layer_box import LayerBox

if TYPE_CHECKING:
    from napari.components import ViewerModel

_NO_AGE = -1


class _Ages(QObject):
    """The ages that were given in a viewer, in whichever dock, by person."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.years: dict[str, int] = {}

    def keep(self, person: str, age: int) -> None:
        """Take over what was given."""
        if self.years.get(person, _NO_AGE) != age:
            self.years[person] = age
            self.changed.emit()


_AGES: WeakKeyDictionary[ViewerModel, _Ages] = WeakKeyDictionary()


class AgeBox(IntBox):
    """Years, or "not known": what was given for the chosen scan, since another may be another person's.

    Parameters
    ----------
    viewer : ViewerModel
        All docks of a viewer know the same ages.
    scan : LayerBox
        Where the scan is chosen.
    """

    def __init__(self, viewer: ViewerModel, scan: LayerBox) -> None:
        super().__init__()
        self._scan = scan
        self._ages = _AGES.setdefault(viewer, _Ages())
        self.setRange(_NO_AGE, int(OLDEST))
        self.setSpecialValueText("not known")
        self.setSuffix(" years")
        self.setToolTip(
            "<qt>Of the person scanned: the verdict compares with healthy brains of similar age, where their ages are known.</qt>"
        )
        self._show()
        self.valueChanged.connect(self._keep)
        self._ages.changed.connect(self._show)
        scan.layer_changed.connect(self._show)

    @property
    def years(self) -> float | None:
        """The age; None when it is not known."""
        return None if self.value() == _NO_AGE else float(self.value())

    def _show(self) -> None:
        self.setValue(self._ages.years.get(self._person(), _NO_AGE))

    def _keep(self, age: int) -> None:
        self._ages.keep(self._person(), age)

    def _person(self) -> str:
        """Whose age it is: the scan's file, which a picture and the scan of one slice taken for it share; its layer without one."""
        layer = self._scan.layer
        return "" if layer is None else str(layer.source.path or layer.name)
