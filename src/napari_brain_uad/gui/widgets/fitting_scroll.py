"""A scroll area that is as high as its content where there is room, and scrolls only where there is not."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget


class FittingScroll(QScrollArea):
    """Scrolls `content` up and down, never sideways.

    Parameters
    ----------
    content : QWidget
        With a layout; its height may depend on its width (wrapping labels).
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """As high as the content is at the present width."""
        content = self.widget()
        layout = None if content is None else content.layout()
        hint = super().sizeHint()
        if layout is not None:
            # The layout's own height for a width may be less than the least height the scroll area will give the content;
            # a bar would then appear, take width, and keep itself in place.
            heights = (layout.totalHeightForWidth(self.width()), layout.totalSizeHint().height(), layout.totalMinimumSize().height())
            # And two lines more, for labels that wrap once more with the bar than without.
            hint.setHeight(max(heights) + 2 * self.fontMetrics().height())
        return hint

    def minimumSizeHint(self) -> QSize:
        """Room for a few rows."""
        return QSize(super().minimumSizeHint().width(), min(160, self.sizeHint().height()))

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Follow the content when rows appear or go."""
        if a1 is not None and a0 is self.widget() and a1.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(a0, a1)
