"""Colours of hits, false alarms and misses, the same in the window and in figures; apart from the metrics, which import scipy."""

from __future__ import annotations

HIT_COLOUR, FALSE_ALARM_COLOUR, MISS_COLOUR = "#009E73", "#E69F00", "#56B4E9"
"""Okabe and Ito's green, orange and sky blue: told apart with every common form of colour blindness."""
