"""What lies at the crosshair and under the cursor, as a small table."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from ...core.text import html_text
from ..layers.view import CursorReading

_NOTHING = "-"
_HINT = "Click or drag in a plane: the crosshair goes there. Wheel: slices. Ctrl+wheel: zoom. Double click: all of the scan."


class Readout(QLabel):
    """Millimetres, voxel, intensity, each method's score and the ground truth, at two places."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setAccessibleName("Read-out")
        self.crosshair: CursorReading | None = None
        self.cursor_reading: CursorReading | None = None
        self._shown: tuple[CursorReading | None, CursorReading | None] | None = None
        self.show_readings(None, None)

    def show_readings(self, crosshair: CursorReading | None, cursor: CursorReading | None) -> None:
        """Show what lies at the crosshair and under the cursor; None where there is no scan."""
        if self._shown == (crosshair, cursor):
            return
        self._shown = self.crosshair, self.cursor_reading = crosshair, cursor
        # A table does not wrap, and Qt reckons its height wrong when told that it may.
        self.setWordWrap(crosshair is None and cursor is None)
        if crosshair is None and cursor is None:
            self.setText(_HINT)
            return
        here, there = _cells(crosshair), _cells(cursor)
        rows = "".join(
            f"<tr><td>{html_text(name)}&nbsp;</td><td><b>{here.get(name, _NOTHING)}</b>&nbsp;&nbsp;</td>"
            f"<td>{there.get(name, _NOTHING)}</td></tr>"
            for name in dict.fromkeys([*here, *there])
        )
        self.setText(f"<table cellspacing='1'><tr><td></td><td>crosshair&nbsp;</td><td>cursor</td></tr>{rows}</table>")


def _cells(reading: CursorReading | None) -> dict[str, str]:
    """Row names and texts, in the order they are read."""
    if reading is None:
        return {}
    mm = "mm RAS" if reading.orientation_known else "mm (?)"
    cells = {mm: " ".join(f"{v:.1f}" for v in reading.mm), "voxel": " ".join(map(str, reading.voxel))}
    cells["intensity"] = f"{reading.intensity:.4g}"
    cells |= {method: f"{score:.4g}" for method, score in reading.scores}
    # "<scan> | ground truth" and the like: the scan is known.
    return cells | {name.rpartition("|")[2].strip(): str(label) for name, label in reading.labels}
