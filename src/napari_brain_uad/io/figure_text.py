"""Text from outside for matplotlib: no formulas, no letters that its font lacks."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..core.text import readable


def figure_text(text: str, family: str = "DejaVu Sans") -> str:
    r"""`core.text.readable`, with dollar signs that start no formula, and what the font does not have as escapes (``\u60a3``).

    Parameters
    ----------
    family : str
        The font it is drawn in: matplotlib's own "DejaVu Sans", or "DejaVu Sans Mono".
    """
    known = _font(family)
    shown = "".join(c if known.get_char_index(ord(c)) else c.encode("unicode_escape").decode("ascii") for c in readable(text))
    return shown.replace("$", r"\$")


@cache
def _font(family: str) -> Any:
    # Here, not above: what only reads and writes files need not wait for matplotlib.
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont(family))
