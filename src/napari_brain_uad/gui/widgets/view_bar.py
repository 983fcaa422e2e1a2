"""Plane and convention: axial, coronal, sagittal; radiological or neurological."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from ..layers.view import CONVENTIONS, PLANES, attach, show_plane
from .editors import ComboBox

if TYPE_CHECKING:
    from napari.components import ViewerModel

_TIPS = {
    "radiological": "The patient's left is on the right of the screen",
    "neurological": "The patient's left is on the left of the screen",
}


class ViewBar(QWidget):
    """Buttons for the planes and the left-right switch of one viewer."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._overlay = viewer, attach(viewer)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for number, plane in enumerate(PLANES, start=1):
            button = QToolButton()
            button.setText(plane.capitalize())
            button.setToolTip(f"Show {plane} slices (Ctrl+{number})")
            button.clicked.connect(lambda _checked=False, plane=plane: show_plane(viewer, plane))
            layout.addWidget(button)
        self.convention = ComboBox()
        for name in CONVENTIONS:
            self.convention.addItem(name)
            self.convention.setItemData(self.convention.count() - 1, _TIPS[name], 3)
        self._follow()
        self.convention.setToolTip("Which side of the screen the patient's left is on")
        self.convention.currentTextChanged.connect(self._overlay.set_convention)
        layout.addWidget(self.convention, 1)
        # There may be one bar in each of several docks.
        viewer.scene.camera.events.orientation.connect(self._follow)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self._viewer.scene.camera.events.orientation.disconnect(self._follow)

    def _follow(self, _event: object = None) -> None:
        self.convention.setCurrentText(self._overlay.convention)
