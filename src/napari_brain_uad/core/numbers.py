"""How a score is written: the same on axes, in boxes and in sentences."""

from __future__ import annotations

_DIGITS = 5
_LONGEST = 1e7
"""From here on a number is written with an exponent."""


def number_text(value: float) -> str:
    """A number in short, to five digits: 0.51467 and 12346, never thousandths with a factor beside them."""
    return f"{value:.0f}" if 10**_DIGITS <= abs(value) < _LONGEST else f"{value:.{_DIGITS}g}"
