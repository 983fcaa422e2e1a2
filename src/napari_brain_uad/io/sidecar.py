"""The JSON file that BIDS and dcm2niix put beside an image: what the scanner said of the acquisition."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..core.checks import Finding
from ..core.errors import InputError
from ..core.sequence_tags import FIELDS
from .json_files import read_json
from .streams import is_file

DESCRIPTIONS = ("SeriesDescription", "ProtocolName")

_LARGEST = 4_000_000
"""Bytes. Sidecars have some kilobytes; slice timings and conversion records make some larger."""


def read_sidecar(path: Path, names: Collection[str] = (*FIELDS, *DESCRIPTIONS)) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Some fields of a sidecar; nothing else of it is kept, since some hold the patient's name.

    Parameters
    ----------
    path : Path
        The JSON file; it need not be there.
    names : collection of str
        The fields; those that tell the sequence when left out.

    Returns
    -------
    fields, findings
        No fields when there is no such file; a finding when there is one that cannot be used.
    """
    if not is_file(path):
        return {}, ()
    try:
        content = read_json(path, most_bytes=_LARGEST)
    except InputError as error:
        return {}, (_unusable(error.why),)
    if not isinstance(content, dict):
        return {}, (_unusable("it holds no fields"),)
    return {name: content[name] for name in names if name in content}, ()


def _unusable(why: str) -> Finding:
    return Finding("sidecar", "warning", f"the JSON file beside it was not used: {why}", "Repair it, or remove it")
