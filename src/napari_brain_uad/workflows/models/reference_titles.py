"""Whom the healthy references hold, for lists and cards: from their JSON alone, without what reads and uses them."""

from __future__ import annotations

from contextlib import suppress

from ...calibration.names import reference_file
from ...core.errors import ModelError
from ...core.sequence import SEQUENCES
from ...io.checkpoint import read_record
from .models import shipped_dir, user_dir


def reference_titles(stem: str) -> dict[str, str]:
    """Whom the healthy references of a model (or a method without one) hold, by sequence; the user's own before the shipped ones."""
    titles: dict[str, str] = {}
    for sequence in SEQUENCES:
        for folder in (user_dir(), shipped_dir()):
            with suppress(ModelError):
                titles.setdefault(sequence, str(read_record(reference_file(folder, stem, sequence)).meta.get("title", "")))
    return titles
