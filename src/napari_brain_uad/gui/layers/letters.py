"""Four letters at the edges of a canvas, as one overlay.

Four of napari's text overlays would be four texts and four rectangles to draw on every repaint, in every cell of a grid; these are one
text and one mesh. napari has no public way to say how an overlay is drawn, so its table of overlays is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari._vispy.overlays.base import ViewerOverlayMixin, VispyCanvasOverlay
from napari._vispy.utils.visual import overlay_to_visual
from napari._vispy.visuals.text import Text
from napari.components.overlays import CanvasOverlay
from numpy.typing import NDArray
from vispy.scene.visuals import Mesh

if TYPE_CHECKING:
    from napari._vispy.utils.qt_font import FontInfo

EDGES = {"top": (0.5, 0.0), "bottom": (0.5, 1.0), "left": (0.0, 0.5), "right": (1.0, 0.5)}
"""Where each letter stands, as fractions of the canvas from its left and its top."""

_MARGIN = 6.0
"""Between a plate and the edge of the canvas, in pixels."""

_PLATE = (0.0, 0.0, 0.0, 0.55)
_QUAD = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float32)
_FACES = np.concatenate([np.array(((0, 1, 2), (0, 2, 3)), np.uint32) + 4 * n for n in range(len(EDGES))])


class LettersOverlay(CanvasOverlay):  # type: ignore[misc]  # napari's overlays have no types
    """A letter at each edge of the canvas, or of each cell of a grid; white on dark plates, which reads on black and on white alike.

    Attributes
    ----------
    letters : tuple of str
        One for each edge, in the order of `EDGES`.
    font_size : float
        In points.
    below : float
        Pixels that the upper letter leaves free above it, for what else stands there.
    """

    letters: tuple[str, str, str, str] = ("", "", "", "")
    font_size: float = 16
    below: float = 0.0
    # Not one of napari's places, so that it is not lined up with other overlays.
    position: str = "edges"
    box: bool = False
    gridded: bool = True


class _VispyLetters(ViewerOverlayMixin, VispyCanvasOverlay):  # type: ignore[misc]  # napari's drawing has no types
    """Draws a `LettersOverlay` in one view."""

    def __init__(self, *, font_info: FontInfo, **kwargs: Any) -> None:
        node = Text(text="", color="white", font_info=font_info)
        super().__init__(node=node, font_info=font_info, **kwargs)
        self.box = Mesh(vertices=np.zeros((4 * len(EDGES), 2), np.float32), faces=_FACES, color=_PLATE)
        self._view: Any = None
        self.node.events.parent_change.connect(self._follow)
        self.overlay.events.letters.connect(self._place)
        self.overlay.events.font_size.connect(self._place)
        self.overlay.events.below.connect(self._place)
        self._follow()
        self.reset()

    def close(self) -> None:
        """Let go of the view as well."""
        self.node.events.parent_change.disconnect(self._follow)
        if self._view is not None:
            self._view.events.resize.disconnect(self._place)
        super().close()

    def _follow(self, _event: object = None) -> None:
        """Stand in the view that the text was put into."""
        if self._view is not None:
            self._view.events.resize.disconnect(self._place)
        self._view = self.node.parent
        if self._view is not None:
            self._view.events.resize.connect(self._place)
        self._place()

    def _place(self, _event: object = None) -> None:
        if self._view is None or not any(self.overlay.letters):
            return
        self.node.font_size = self.overlay.font_size
        half = self.node.get_line_height() / 2
        centres = letter_places(self._view.size, half + _MARGIN, self.overlay.below)
        self.node.text = list(self.overlay.letters)
        self.node.pos = centres
        self.box.set_data(vertices=(centres[:, None] + half * _QUAD).reshape(-1, 2), faces=_FACES, color=_PLATE)

    def _on_box_change(self) -> None:
        self.box.parent = self.node.parent if self._should_be_visible() else None
        self.box.order = self.node.order - 1

    def _on_visible_change(self) -> None:
        super()._on_visible_change()
        # The resolution of the screen is known by now.
        self._place()


def letter_places(size: tuple[float, float], inset: float, below: float = 0.0) -> NDArray[np.float32]:
    """Middles of the letters on a canvas of this width and height (pixels), shape (4, 2), x and y.

    They are `inset` away from its edges, the upper one `below` more, but for a canvas too low for that.
    """
    fractions = np.array(list(EDGES.values()), np.float32)
    room = np.maximum(np.array(size, np.float32) - 2 * inset, 0)
    places = np.asarray(inset + fractions * room, np.float32)
    places[0, 1] += min(below, room[1] / 2)
    return places


overlay_to_visual[LettersOverlay] = _VispyLetters
