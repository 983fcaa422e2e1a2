"""A scroll area that is as high as its content where there is room, and scrolls only where there is not."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

_LEAST_HEIGHT, _BORDER = 90, 1
"""Of the area; and of the line that napari's theme leaves room for around it."""


class WidgetColumn(QWidget):
    """Widgets below each other, each as high as it is at the column's width.

    A layout's own least height is reckoned for labels that wrap at their narrowest, and would leave a gap below them.
    """

    def __init__(self, parts: Sequence[QWidget], filling: QWidget | None = None) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for part in parts:
            layout.addWidget(part, int(part is filling))
        # What there is stays together at the top, also while the part that fills is hidden.
        layout.addStretch(0)

    def minimumSizeHint(self) -> QSize:
        """What has to be there; the height follows from the width."""
        least, layout = super().minimumSizeHint(), self.layout()
        return QSize(least.width(), 0) if layout is not None and layout.hasHeightForWidth() else least


class FittingScroll(QScrollArea):
    """Scrolls `content` up and down, never sideways.

    Parameters
    ----------
    content : QWidget
        With a layout; its height may depend on its width (wrapping labels).
    fills : bool
        Take more room than the content needs, where there is some.
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None, *, fills: bool = False) -> None:
        super().__init__(parent)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding if fills else QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """As high as the content is at the present width."""
        content = self.widget()
        layout = None if content is None else content.layout()
        hint = super().sizeHint()
        if content is not None and layout is not None:
            # As if there were a bar: labels may wrap once more with it than without, and it would keep itself in place.
            bar = self.verticalScrollBar()
            width = self.width() - 2 * _BORDER - (0 if bar is None else bar.sizeHint().width())
            # -1 where no height depends on a width. The scroll area will give the content no less than its least height.
            height = max(layout.totalHeightForWidth(width), content.minimumSizeHint().height())
            hint.setHeight(height + 2 * _BORDER if height > 0 else 0)
        return hint

    def minimumSizeHint(self) -> QSize:
        """Room for a few rows."""
        return QSize(super().minimumSizeHint().width(), min(_LEAST_HEIGHT, self.sizeHint().height()))

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Another width is another height of labels that wrap."""
        super().resizeEvent(a0)
        if a0 is not None and a0.size().width() != a0.oldSize().width():
            self.updateGeometry()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Follow the content when rows appear or go."""
        if a1 is not None and a0 is self.widget() and a1.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(a0, a1)
