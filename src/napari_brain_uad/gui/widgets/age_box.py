"""How old the person scanned is, as the docks that judge a scan ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QValidator

from ...datasets.covariates import OLDEST
from .editors import FloatBox
from .layer_box import LayerBox

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_NO_AGE = -1.0


class _Ages(QObject):
    """The ages that were given in a viewer, in whichever dock.

    A scan's file says whose age it is, which a picture and the scan of one slice taken for it share; its layer where it has none (arrays,
    DICOM series): names may be anybody's.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._of_files: dict[str, float] = {}
        self._of_layers: WeakKeyDictionary[Layer, float] = WeakKeyDictionary()

    def of(self, layer: Layer | None) -> float:
        """What was given for a scan; `_NO_AGE` for none."""
        if layer is None:
            return _NO_AGE
        file = layer.source.path
        return self._of_files.get(str(file), _NO_AGE) if file else self._of_layers.get(layer, _NO_AGE)

    def keep(self, layer: Layer | None, age: float) -> None:
        """Take over what was given."""
        if layer is None or self.of(layer) == age:
            return
        if layer.source.path:
            self._of_files[str(layer.source.path)] = age
        else:
            self._of_layers[layer] = age
        self.changed.emit()


_AGES: WeakKeyDictionary[ViewerModel, _Ages] = WeakKeyDictionary()


def note_age(viewer: ViewerModel, layer: Layer, years: float) -> None:
    """Let all docks of a viewer know an age, in years, as after restoring a session."""
    _AGES.setdefault(viewer, _Ages()).keep(layer, years)


class AgeBox(FloatBox):
    """Years, or "not known": what was given for the chosen scan, since another may be another person's. A child of 18 months is 1.5.

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
        self.setRange(_NO_AGE, OLDEST)
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
        return None if self.value() < 0 else self.value()

    def validate(self, input: str | None, pos: int) -> tuple[Any, str, int]:  # Qt's name
        """Ages, and the words for none; -1 stands for them and is no age to type."""
        if self._bare(input) == self.specialValueText():
            return QValidator.State.Acceptable, input or "", pos
        state, text, place = super().validate(input, pos)
        negative = state == QValidator.State.Acceptable and float(self._bare(text)) < 0
        return (QValidator.State.Intermediate if negative else state), text, place

    def valueFromText(self, text: str | None) -> float:
        """The age in a text that `validate` accepted."""
        return _NO_AGE if self._bare(text) == self.specialValueText() else super().valueFromText(text)

    def stepBy(self, steps: int) -> None:
        """Below no years nothing is known; the first step from there is to 0."""
        super().stepBy(steps)
        if self.value() < 0:
            self.setValue(_NO_AGE)

    def _show(self) -> None:
        self.setValue(self._ages.of(self._scan.layer))

    def _keep(self, age: float) -> None:
        self._ages.keep(self._scan.layer, age)
