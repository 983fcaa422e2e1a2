"""Shows a `Picture` in a dock, as wide as there is room, with letters for left and right."""

from __future__ import annotations

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from ..app.settings import remembered
from .preview_picture import TILE, Picture

_CAPTION = 18
"""Pixels above each row."""

_GAP = 3

_SIDES = (("L", "R"), ("L", "R"), ("P", "A"))
"""Letters at the left and right edge of each tile as it was drawn; a radiological view turns picture and letters round."""


class Preview(QWidget):
    """A picture, or nothing.

    Attributes
    ----------
    picture : Picture or None
        What is shown.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture: Picture | None = None
        self._image: QImage | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName("Picture of the step")
        self.hide()

    def show_picture(self, picture: Picture | None) -> None:
        """Show a picture; None shows nothing and takes no room."""
        self.picture = picture
        self._image = None
        if picture is not None:
            height, width, _ = picture.pixels.shape
            # A copy: QImage only borrows the bytes.
            self._image = QImage(picture.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            self.setAccessibleDescription("; ".join(picture.captions))
        self.setVisible(picture is not None)
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """The tiles are square."""
        return True

    def heightForWidth(self, a0: int) -> int:
        """Two rows of tiles with a caption each."""
        return 2 * (a0 // 3 + _CAPTION)

    def sizeHint(self) -> QSize:
        """For a dock of the usual width."""
        return QSize(360, self.heightForWidth(360))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Draw tiles, captions and letters."""
        if self._image is None or self.picture is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = self.width() // 3
        turned = remembered("convention") != "neurological"
        for row, caption in enumerate(self.picture.captions):
            top = row * (side + _CAPTION)
            painter.setPen(self.palette().windowText().color())
            painter.drawText(QRect(0, top, self.width(), _CAPTION), Qt.AlignmentFlag.AlignVCenter, caption)
            for column, sides in enumerate(_SIDES):
                tile = self._image.copy(column * TILE, row * TILE, TILE, TILE)
                place = QRect(column * side, top + _CAPTION, side - _GAP, side - _GAP)
                painter.drawImage(place, tile.mirrored(True, False) if turned else tile)
                self._letters(painter, place, sides[::-1] if turned else sides)
        painter.end()

    def _letters(self, painter: QPainter, place: QRect, sides: tuple[str, ...]) -> None:
        font = QFont(self.font())
        font.setPointSize(8)
        painter.setFont(font)
        painter.setPen(QColor("#ffe15a"))
        inside = place.adjusted(3, 0, -3, 0)
        for letter, side in zip(sides, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), strict=True):
            painter.drawText(inside, side | Qt.AlignmentFlag.AlignVCenter, letter)
        painter.setFont(self.font())
