"""Which MRI sequence a scan is, and what says so: evidence in order, the first that is sure counts.

1. The BIDS suffix of the file's name (``space-`` says nothing, ``ce-`` means contrast agent, ``part-`` and ``inv-`` other images).
2. What the scanner wrote: DICOM tags, or the same fields in a BIDS sidecar (times, pulse sequence, contrast agent).
3. Words: the file's name, then SeriesDescription and ProtocolName.
4. The folder's name, for files whose own name says nothing.

Letters that SPM puts before a scan's name are passed over. A name that says it is no scan (a deformation, a tissue map), or speaks of a
mask, a map or another contrast (diffusion, T2*, ...), ends the search: the sequence is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .derived_names import derived_as, without_prefix
from .errors import InputError
from .sequence_names import NameReading, read_name
from .sequence_tags import read_tags, says_contrast
from .text import did_you_mean

SEQUENCES = ("FLAIR", "T1", "T1c", "T2", "PD")
"""T1c is T1 after a contrast agent."""

BIDS_SUFFIXES = ("T1w", "T2w", "FLAIR", "PDw")
"""Of images of these sequences; T1c is a T1w with the entity ``ce``."""

_SPELLINGS = {
    spelling: sequence
    for sequence, spellings in {
        "FLAIR": "flair fl t2flair t2f flairw",
        "T1": "t1 t1w t1wi t1n t1pre mprage mp2rage t1mprage",
        "T1c": "t1c t1ce t1gd t1gad t1+c t1c+ t1+ t1+gd t1wc t1wce t1wgd t1w+c t1km t1wks t1post t1contrast t1postcontrast"
        " ct1 ct1w cet1 cet1w",
        "T2": "t2 t2w t2wi",
        "PD": "pd pdw pdwi",
    }.items()
    for spelling in spellings.split()
}
"""How users write a sequence, in small letters and without what stands between."""

_SUFFIXES: dict[str, str | None] = {
    "t1w": "T1",
    "t2w": "T2",
    "flair": "FLAIR",
    "pdw": "PD",
    "unit1": "T1",
    "mp2rage": "T1",
    "inplanet1": "T1",
    "inplanet2": "T2",
    **dict.fromkeys(
        [
            "t2star",
            "t2starw",
            "pdt2",
            "pdt2map",
            "t1map",
            "t2map",
            "t2starmap",
            "r1map",
            "r2map",
            "r2starmap",
            "pdmap",
            "t1rho",
            "mtrmap",
            "mtsat",
            "mtvmap",
            "mtr",
            "mtw",
            "mts",
            "irt1",
            "vfa",
            "mese",
            "megre",
            "mpm",
            "mrt1map",
            "angio",
            "bold",
            "cbv",
            "phase",
            "sbref",
            "dwi",
            "epi",
            "asl",
            "m0scan",
            "fieldmap",
            "magnitude",
            "magnitude1",
            "magnitude2",
            "phasediff",
            "phase1",
            "phase2",
            "tb1map",
            "tb1ame",
            "b1map",
            "mask",
            "dseg",
            "probseg",
            "roi",
            "xfm",
            "defacemask",
            "unit1map",
            "chimap",
            "swi",
            "minip",
            "s0map",
            "rb1map",
        ]
    ),
}
"""BIDS suffixes, in small letters; None: none of the sequences."""

_ENTITIES = frozenset(
    [
        "sub",
        "ses",
        "sample",
        "task",
        "acq",
        "ce",
        "trc",
        "stain",
        "rec",
        "dir",
        "run",
        "mod",
        "echo",
        "flip",
        "inv",
        "mt",
        "part",
        "proc",
        "hemi",
        "space",
        "split",
        "recording",
        "chunk",
        "atlas",
        "seg",
        "res",
        "den",
        "label",
        "desc",
        "from",
        "to",
        "mode",
        "cohort",
        "tpl",
    ]
)

_NO_AGENT = frozenset(("none", "no", "pre", "0", "false", "without", "precontrast"))

USER = "set by the user"


@dataclass(frozen=True)
class SequenceReading:
    """A sequence and what says so.

    Parameters
    ----------
    sequence : str or None
        One of `SEQUENCES`, or None when not known.
    origin : str
        In words: "BIDS suffix T2w", "DICOM tags (TI 2500 ms)", "name 'dark-fluid'". When the sequence is not known, why.
    """

    sequence: str | None
    origin: str = "nothing says it"


def check_sequence(given: str) -> str:
    """One of `SEQUENCES`, as a user wrote it: in the usual spellings (T1w, t1ce, T1+C, PDw), capital letters or not.

    Raises
    ------
    InputError
        If it is none of them.
    """
    known = spelled(given)
    if known not in SEQUENCES:
        fix = f"{did_you_mean(given, SEQUENCES)}Give one of {', '.join(SEQUENCES)}; usual spellings like T1w or t1ce will do"
        raise InputError(f"The sequence '{given}'", why="it is not one of those that are known", fix=fix)
    return known


def spelled(given: str) -> str:
    """One of `SEQUENCES` in any of the usual spellings, as they have it; anything else as it was given."""
    return _SPELLINGS.get(re.sub(r"[-_ .]", "", given).lower(), given)


def sequence_of_name(name: str) -> str | None:
    """The MRI sequence a file's stem speaks of, BIDS or not; None when it does not tell."""
    return read_sequence(name).sequence


def read_sequence(
    stem: str,
    *,
    fields: Mapping[str, Any] | None = None,
    fields_are: str = "DICOM tags",
    descriptions: Sequence[str] = (),
    folder: str = "",
) -> SequenceReading:
    """Which sequence a scan is.

    Parameters
    ----------
    stem : str
        The file's name without suffix; empty when it says nothing (DICOM).
    fields : mapping, optional
        DICOM keywords to values; times in ms, or in s as in BIDS sidecars.
    fields_are : str
        What `fields` are, in words.
    descriptions : sequence of str
        SeriesDescription and ProtocolName.
    folder : str
        The name of the folder the file lies in.

    Returns
    -------
    SequenceReading
    """
    fields = fields or {}
    words, what = derived_as(stem)
    if what:
        return SequenceReading(None, f"name '{words.strip('_')}': {what}, no scan")
    stem = without_prefix(stem)
    bids = _read_bids(stem, fields, fields_are)
    if bids is not None:
        return bids
    readings = [(read_name(stem), True), *((read_name(text), False) for text in descriptions)]
    for reading, shown in readings:
        if reading.other:
            return SequenceReading(None, f"{_said(reading, shown)}: none of {', '.join(SEQUENCES)}")
    said = next((one for one in readings if one[0].sequence), None)
    contrast = next((reading.contrast for reading, _ in readings if reading.contrast is not None), None)
    tags = read_tags(fields, None if said is None else said[0].sequence)
    if tags is not None:
        why = f"{fields_are} ({tags.words})"
        return _with_contrast(why, contrast, fields, fields_are, "name") if tags.sequence == "T1" else SequenceReading(tags.sequence, why)
    if said is not None:
        why, sequence = _said(*said), said[0].sequence
        return _with_contrast(why, contrast, fields, fields_are) if sequence in ("T1", "T1c") else SequenceReading(sequence, why)
    unclear = next((one for one in readings if one[0].words), None)
    if unclear is not None:
        return SequenceReading(None, f"{_said(*unclear)}: not clear")
    inherited = _read_folder(folder)
    return SequenceReading(inherited.sequence, f"folder ({inherited.meanings})") if inherited.sequence else SequenceReading(None)


def _said(reading: NameReading, shown: bool) -> str:
    return f"name '{reading.words}'" if shown else f"description ({reading.meanings})"


def _read_folder(name: str) -> NameReading:
    """A folder tells when its name is a protocol's: "5_t1_mprage_sag", but not "T1_outcome_study", which names the project."""
    words = re.findall(r"[A-Za-z]{5,}", name)
    return NameReading(None) if any(read_name(word).sequence is None for word in words) else read_name(name)


def _with_contrast(why: str, said: bool | None, fields: Mapping[str, Any], fields_are: str, said_by: str = "") -> SequenceReading:
    """T1, or T1c: what a name says of the contrast agent goes before a field that scanners keep for the whole examination."""
    if said is False:
        return SequenceReading("T1", why)
    if said:
        return SequenceReading("T1c", f"{why}, contrast agent by the {said_by}" if said_by else why)
    return SequenceReading("T1c", f"{why}, contrast agent in the {fields_are}") if says_contrast(fields) else SequenceReading("T1", why)


def _read_bids(stem: str, fields: Mapping[str, Any], fields_are: str) -> SequenceReading | None:
    """By the BIDS suffix; None when the name is not BIDS: ``key-value`` parts and one known suffix."""
    *parts, suffix = stem.split("_")
    pairs = [part.partition("-") for part in parts]
    known = suffix.lower() in _SUFFIXES and pairs and all(dash and value for _, dash, value in pairs)
    if not known or not any(key in _ENTITIES for key, _, _ in pairs):
        return None
    entities = {key: value for key, _, value in pairs}
    if entities.get("part", "mag") != "mag" or "inv" in entities:
        named = next(f"{key}-{entities[key]}" for key in ("inv", "part") if key in entities)
        return SequenceReading(None, f"BIDS {named} is none of {', '.join(SEQUENCES)}")
    sequence = _SUFFIXES[suffix.lower()]
    if sequence != "T1":
        said = f"BIDS suffix {suffix}"
        return SequenceReading(sequence, said if sequence else f"{said} is none of {', '.join(SEQUENCES)}")
    agent = entities.get("ce")
    if agent is not None:
        given = agent.lower() not in _NO_AGENT
        return SequenceReading("T1c" if given else "T1", f"BIDS suffix {suffix} with ce-{agent}")
    # Common, if not in the standard: what else tells one T1 from another stands in acq- or rec-.
    labels = [read_name(f"T1w_{entities[key]}").contrast for key in ("acq", "rec", "desc") if key in entities]
    said_so = next((one for one in labels if one is not None), None)
    return _with_contrast(f"BIDS suffix {suffix}", said_so, fields, fields_are, "entities")
