"""Colours of regions, the same in the viewer and in the tables that other programs read."""

from __future__ import annotations

REGION_COLOURS = ("#00C8C8", "#B55CFF", "#8CFF66", "#3D7BFF", "#FF8FCF")
"""Taken in turn, the strongest region first; none of them occurs in the heatmap, nor is white, which is the boxes'."""


def region_colour(number: int) -> str:
    """Colour of the region of this number, counted from 1."""
    return REGION_COLOURS[(number - 1) % len(REGION_COLOURS)]
