"""Names of files that a run writes."""

from __future__ import annotations

import re


def output_stem(name: str, what: str) -> str:
    """First part of all file names of a run: scan, and method or preset, with what file systems dislike replaced."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    return f"{safe or 'scan'}_{what}"
