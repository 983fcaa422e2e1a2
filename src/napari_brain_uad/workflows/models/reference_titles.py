"""Whom the healthy references hold, for lists and cards: from their JSON alone, without what reads and uses them."""

from __future__ import annotations

from contextlib import suppress

from ...calibration.names import borrowed, borrowers, reference_file
from ...core.errors import ModelError
from ...core.sequence import SEQUENCES
from ...io.checkpoint import read_record
from .models import shipped_dir, user_dir


def reference_titles(stem: str) -> dict[str, str]:
    """Whom the healthy references of a model (or a method without one) hold, by sequence; the user's own before the shipped ones.

    Those of methods that borrow the model follow, by sequence and method.
    """
    folders = (user_dir(), shipped_dir())
    methods = sorted({method for folder in folders for method in borrowers(folder, stem)})
    wanted = {sequence: (stem, sequence) for sequence in SEQUENCES}
    wanted |= {f"{sequence}, {method}": (borrowed(stem, method), sequence) for method in methods for sequence in SEQUENCES}
    titles: dict[str, str] = {}
    for label, (whose, sequence) in wanted.items():
        for folder in folders:
            with suppress(ModelError):
                titles.setdefault(label, str(read_record(reference_file(folder, whose, sequence)).meta.get("title", "")))
    return titles
