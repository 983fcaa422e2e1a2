"""Rows of small grey pictures: training data, and what a network makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

_CAPTION = 17
_GAP = 3

Row = tuple[str, Sequence[NDArray[np.float32]]]
"""A caption, which may be empty, and pictures of values 0 to 1, shape (height, width)."""


class PictureStrip(QWidget):
    """Pictures side by side, as large as the width allows; nothing, and no room, when there are none.

    Attributes
    ----------
    count : int
        Pictures in a row.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.count = 0
        self._rows: list[tuple[str, list[QImage]]] = []
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(name)
        self.hide()

    def show_rows(self, rows: Sequence[Row], *, hot: int | None = None) -> None:
        """Show these rows; the one with the number `hot` in colours instead of grey."""
        self._rows = [(caption, [_image(one, number == hot) for one in pictures]) for number, (caption, pictures) in enumerate(rows)]
        self.count = max((len(images) for _, images in self._rows), default=0)
        self.setVisible(self.count > 0)
        self.setAccessibleDescription("; ".join(caption for caption, _ in rows if caption))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """The pictures keep their shape."""
        return True

    def heightForWidth(self, a0: int) -> int:
        """All rows with their captions."""
        return sum(self._row_height(a0, *row) for row in self._rows)

    def sizeHint(self) -> QSize:
        """For a dock of the usual width."""
        return QSize(360, self.heightForWidth(360))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Draw captions and pictures."""
        if not self._rows:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(self.palette().windowText().color())
        top, side = 0, self._side(self.width())
        for caption, images in self._rows:
            start = top
            if caption:
                painter.drawText(QRect(0, top, self.width(), _CAPTION), Qt.AlignmentFlag.AlignVCenter, caption)
                start += _CAPTION
            for column, image in enumerate(images):
                height = side * image.height() // max(image.width(), 1)
                painter.drawImage(QRect(column * (side + _GAP), start, side, height), image)
            top += self._row_height(self.width(), caption, images)
        painter.end()

    def _side(self, width: int) -> int:
        # A single picture must not fill the dock.
        return (width - (max(self.count, 3) - 1) * _GAP) // max(self.count, 3)

    def _row_height(self, width: int, caption: str, images: list[QImage]) -> int:
        tallest = max((image.height() / max(image.width(), 1) for image in images), default=0.0)
        return round(self._side(width) * tallest) + _GAP + (_CAPTION if caption else 0)


def _image(picture: NDArray[np.float32], hot: bool) -> QImage:
    level = (255 * np.clip(np.nan_to_num(picture), 0.0, 1.0)).astype(np.uint8)
    if hot:
        table = pg.colormap.get("inferno").getLookupTable(nPts=256)
        pixels = np.ascontiguousarray(table[level][..., :3], dtype=np.uint8)
        height, width, _ = pixels.shape
        return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
    height, width = level.shape
    # A copy: QImage only borrows the bytes.
    return QImage(level.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
