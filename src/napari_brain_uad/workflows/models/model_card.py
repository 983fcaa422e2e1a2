"""What is said of a model besides its arrays: from a card file beside it, or else from the record of its training."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from ...core.errors import ModelError
from ...io.checkpoint import CheckpointRecord
from ...io.json_files import read_json
from ...io.streams import is_file

CARD_SUFFIX = ".card.json"
_MOST_BYTES = 1 << 20
_TEXTS = ("title", "data", "licences", "machine", "notes")
_NUMBERS = ("seed", "steps", "seconds", "scans")
_FIGURE = ("metric", "data", "source")
_SEQUENCES = "sequences"


def card_of(record: CheckpointRecord, file: Path) -> dict[str, Any]:
    """The card of a model.

    Parameters
    ----------
    record : CheckpointRecord
        The model's own record; its ``meta`` says how it was trained.
    file : Path
        ``ID.card.json``, which may be missing and then is not asked.

    Returns
    -------
    dict
        "title", "data", "licences", "machine", "notes" (str), "seed", "steps", "seconds", "scans" (numbers), "sequences" (list of
        str), "measured" (list of dict with metric, value, data, source); what is not known is not there.

    Raises
    ------
    ModelError
        If the file is no card.
    """
    told = _told(record.meta)
    if is_file(file):
        told |= _checked(file)
    return told


def card_lines(card: dict[str, Any]) -> list[tuple[str, str]]:
    """A card as rows of (name, text), for the terminal and for the window; its figures are those of `figure_lines`."""
    rows = [("Made for", ", ".join(card.get(_SEQUENCES, ())) or "any sequence")]
    rows += [(name.capitalize(), card[name]) for name in ("data", "notes", "licences") if card.get(name)]
    trained = [f"{card['scans']} scans"] if "scans" in card else []
    trained += [f"{card['steps']:,} steps"] if card.get("steps") else []
    trained += [_duration(card["seconds"])] if "seconds" in card else []
    trained += [card["machine"]] if card.get("machine") else []
    trained += [f"seed {card['seed']}"] if "seed" in card else []
    rows += [("Training", ", ".join(trained))] if trained else []
    return [*rows, ("Measured", _main_source(card) or "no figures yet")]


def figure_lines(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What was measured, as rows of (data, figures); where they come from stands in `card_lines` once, here only where it differs."""
    source = _main_source(card)
    rows: dict[str, list[str]] = {}
    for one in card.get("measured", ()):
        # "AUPRC (thresh-raw: 0.365)": the figure belongs before what it is compared with.
        metric, bracket, rest = one["metric"].partition(" (")
        elsewhere = "" if one["source"] == source else f" [{one['source']}]"
        rows.setdefault(one["data"], []).append(f"{metric} {one['value']:.3g}{bracket}{rest}{elsewhere}")
    return [(data, ", ".join(figures)) for data, figures in rows.items()]


def _main_source(card: dict[str, Any]) -> str:
    sources = Counter(one["source"] for one in card.get("measured", ()))
    return sources.most_common(1)[0][0] if sources else ""


def _told(meta: dict[str, Any]) -> dict[str, Any]:
    """What of a training's record has the right type: it was written by any version of this package."""
    known: dict[str, Any] = {name: meta[name] for name in _TEXTS if isinstance(meta.get(name), str)}
    known |= {name: meta[name] for name in _NUMBERS if _is_number(meta.get(name))}
    if isinstance(meta.get("scans"), list):
        known["scans"] = len(meta["scans"])
    if _are_texts(meta.get(_SEQUENCES)):
        known[_SEQUENCES] = list(meta[_SEQUENCES])
    return known


def _checked(file: Path) -> dict[str, Any]:
    card = read_json(file, most_bytes=_MOST_BYTES, error=ModelError, fix="Leave the card out, or write it again")
    if not isinstance(card, dict):
        raise ModelError(file.name, why="it is not a card", fix="Leave the card out, or write it again")
    for name, value in card.items():
        if not _fits(name, value):
            raise ModelError(
                file.name, why=f"'{str(name)[:40]}' is not what a card says there", fix="Leave the card out, or write it again"
            )
    return card


def _fits(name: str, value: Any) -> bool:
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _NUMBERS:
        return _is_number(value)
    if name == _SEQUENCES:
        return _are_texts(value)
    if name == "measured":
        return isinstance(value, list) and all(_is_figure(one) for one in value)
    return False


def _is_figure(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"value", *_FIGURE}:
        return False
    return _is_number(value["value"]) and all(isinstance(value[name], str) for name in _FIGURE)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
