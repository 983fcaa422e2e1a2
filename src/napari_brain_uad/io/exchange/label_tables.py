"""What the values of a label image mean, as ITK-SNAP and 3D Slicer read it.

ITK-SNAP's label description holds a line a value: index, red, green, blue (0 to 255), opacity (0 to 1), visibility, visibility of the mesh,
and the name in double quotes. 3D Slicer's colour table begins with ``# Color table file``; its lines are index, name without spaces, red,
green, blue and opacity (0 to 255).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.text import readable

MOST_LABELS = 65_535
"""Both programs keep labels in 16 bits; higher ones are left out of the tables, not of the image."""

_LONGEST = 120
_SNAP_HEAD = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
"""


@dataclass(frozen=True)
class NamedLabel:
    """A value of a label image.

    Parameters
    ----------
    index : int
        The value, from 1.
    name : str
        Any text: what a program would trip over is replaced when it is written.
    colour : str
        ``#RRGGBB``.
    """

    index: int
    name: str
    colour: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour.removeprefix("#"))
        return red, green, blue


def itk_snap_table(labels: Sequence[NamedLabel]) -> str:
    """A label description file of ITK-SNAP; the background is "Clear Label", as the program writes it."""
    rows = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in _kept(labels):
        red, green, blue = label.rgb
        rows.append(f'{label.index:5d}   {red:3d}  {green:3d}  {blue:3d}        1  1  1    "{_quotable(label.name)}"')
    return _SNAP_HEAD + "\n".join(rows) + "\n"


def slicer_table(labels: Sequence[NamedLabel], title: str) -> str:
    """A colour table of 3D Slicer (``.ctbl``).

    Parameters
    ----------
    labels : sequence of NamedLabel
        In any order.
    title : str
        The file's name, which the first line repeats.
    """
    kept = _kept(labels)
    rows = [f"# Color table file {readable(title)}", f"# {len(kept) + 1} values", "0 Background 0 0 0 0"]
    rows += [" ".join(map(str, (label.index, _word(label.name), *label.rgb, 255))) for label in kept]
    return "\n".join(rows) + "\n"


def _kept(labels: Sequence[NamedLabel]) -> list[NamedLabel]:
    return sorted((label for label in labels if 0 < label.index <= MOST_LABELS), key=lambda label: label.index)


def _quotable(name: str) -> str:
    """A name between double quotes, on one line; a backslash may be an escape to who reads it."""
    return readable(name)[:_LONGEST].replace('"', "'").replace("\\", "/").strip() or "unnamed"


def _word(name: str) -> str:
    """A name without spaces, and without what separates or comments in tables of other programs."""
    return re.sub(r"[^\w.+-]+", "_", readable(name)[:_LONGEST]).strip("_") or "unnamed"
