"""The button that leaves one subject to be seen, out of several that are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from ..app.keys import ONLY_SUBJECT
from ..layers.subjects import scan_of, show_only

if TYPE_CHECKING:
    from napari.components import ViewerModel


class SubjectButton(QPushButton):
    """Shows only the subject of a layer.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    chosen : callable
        Gives the layer, a scan or a map of it, when the button is pressed.
    """

    def __init__(self, viewer: ViewerModel, chosen: Callable[[], Layer | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._chosen = viewer, chosen
        self.setText("Only this")
        self.setAccessibleName("Show only this subject")
        self.setToolTip(f"Show only this subject: the scan, its masks and what methods made of it ({ONLY_SUBJECT})")
        # Qt's own least width for buttons would take half of the box beside it.
        self.setMaximumWidth(self.fontMetrics().horizontalAdvance(self.text()) + 20)
        self.clicked.connect(self.press)

    def press(self) -> None:
        """What a click does, and the key."""
        scan = scan_of(self._viewer, self._chosen())
        if scan is not None:
            show_only(self._viewer, scan)


def beside(box: QWidget, button: QPushButton) -> QWidget:
    """A box with a button to its right."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(box, 1)
    layout.addWidget(button)
    return row
