"""The JSON file that BIDS and dcm2niix put beside an image: what the scanner said of the acquisition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.checks import Finding
from ..core.sequence_tags import FIELDS

DESCRIPTIONS = ("SeriesDescription", "ProtocolName")

_LARGEST = 4_000_000
"""Bytes. Sidecars have some kilobytes; slice timings and conversion records make some larger."""


def read_sidecar(path: Path) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The fields of a sidecar that tell the sequence; nothing else of it is kept, since some hold the patient's name.

    Parameters
    ----------
    path : Path
        The JSON file; it need not be there.

    Returns
    -------
    fields, findings
        No fields when there is no such file; a finding when there is one that cannot be used.
    """
    try:
        if not path.is_file():
            return {}, ()
        if path.stat().st_size > _LARGEST:
            return {}, (_unusable("it is too large for one"),)
        content = json.loads(path.read_text("utf-8-sig"), parse_int=float)
    except (OSError, ValueError, RecursionError):
        return {}, (_unusable("it cannot be read"),)
    if not isinstance(content, dict):
        return {}, (_unusable("it holds no fields"),)
    return {name: content[name] for name in (*FIELDS, *DESCRIPTIONS) if name in content}, ()


def _unusable(why: str) -> Finding:
    return Finding("sidecar", "warning", f"the JSON file beside it was not used: {why}", "Repair it, or remove it")
