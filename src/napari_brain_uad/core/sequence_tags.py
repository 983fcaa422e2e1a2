"""Which MRI sequence the scanner's own fields speak of: times and pulse sequence, one table of bounds.

The bounds are those of clinical protocols at 1.5 and 3 T. Between them nothing is said: a name may then decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIELDS = (
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "AngioFlag",
    "AcquisitionContrast",
    "EchoPulseSequence",
    "ImageType",
    "DiffusionBValue",
    "ContrastBolusAgent",
    "ContrastBolusIngredient",
)
"""What is asked for. None of them names the patient."""

_NO_AGENT = ("", "none", "no", "n", "0", "off", "false", "n/a", "na", "no contrast", "without", "ohne", "sans", "sin")

_OTHER_IMAGES = frozenset(
    [
        "ADC",
        "EADC",
        "DIFFUSION",
        "FA",
        "TRACEW",
        "PHASE",
        "PHASE MAP",
        "P",
        "R",
        "I",
        "T1 MAP",
        "T2 MAP",
        "T2_STAR MAP",
        "MIN IP",
        "MNIP",
        "PROJECTION IMAGE",
        "PERFUSION",
        "TTP",
        "RCBV",
        "RCBF",
        "MTT",
        "SUBTRACTION",
        "SWI",
        "ANGIO",
    ]
)
"""Values of ImageType."""

_CONTRASTS = {"T1": "T1", "T2": "T2", "FLUID_ATTENUATED": "FLAIR", "PROTON_DENSITY": "PD"}
_OTHER_CONTRASTS = frozenset(("DIFFUSION", "FLOW_ENCODED", "PERFUSION", "STIR", "T2_STAR", "TAGGING", "TOF", "DYNAMIC"))
"""Values of AcquisitionContrast."""

_ANY = (0.0, math.inf)


@dataclass(frozen=True)
class _Bounds:
    """Ranges of TI, TR and TE in ms and of the flip angle in degrees; `inversion` None: no inversion pulse.

    `sequences`: what it is, None for none of the sequences; the further ones are believed when a name says them, because the field
    that would tell them apart (TI, mostly) is often not exported.
    """

    pulse: str
    inversion: tuple[float, float] | None
    repetition: tuple[float, float]
    echo: tuple[float, float]
    sequences: tuple[str | None, ...]
    flip: tuple[float, float] = _ANY
    variant: str = ""


_TABLE = (
    _Bounds("spin", (1400, 3600), (2500, 20000), (60, 700), ("FLAIR",)),
    _Bounds("spin", (300, 1300), (1000, 5000), (0, 45), ("T1",)),
    _Bounds("spin", (40, 299), _ANY, _ANY, (None,)),
    _Bounds("spin", None, (0, 1200), (0, 40), ("T1",)),
    _Bounds("spin", None, (1800, 25000), (60, 700), ("T2", "FLAIR")),
    _Bounds("spin", None, (1800, 25000), (0, 45), ("PD", "T1")),
    _Bounds("gradient", (300, 1500), _ANY, (0, 10), ("T1",)),
    _Bounds("gradient", None, _ANY, (0, 10), ("T1",), variant="MP"),
    _Bounds("gradient", None, (0, 16), (0, 7), ("T1",), flip=(7, 40), variant="SP"),
    _Bounds("gradient", None, _ANY, (10, 200), (None,)),
)


@dataclass(frozen=True)
class TagReading:
    """What the fields say: a sequence (None: one that is none of ours), and the fields that say it, in words."""

    sequence: str | None
    words: str


def read_tags(fields: Mapping[str, Any], named: str | None = None) -> TagReading | None:
    """Which sequence the fields speak of; contrast agent apart (see `says_contrast`).

    Parameters
    ----------
    fields : mapping
        DICOM keywords to values: numbers, texts, or lists of texts. Times in ms, or in s.
    named : str, optional
        What the scan's name says, for where the fields leave two possibilities.

    Returns
    -------
    TagReading or None
        None when the fields do not tell.
    """
    kinds = _words(fields.get("ImageType")) & _OTHER_IMAGES
    if kinds:
        return TagReading(None, f"ImageType {min(kinds)}")
    pulses, options = _words(fields.get("ScanningSequence")), _words(fields.get("ScanOptions"))
    enhanced = _words(fields.get("EchoPulseSequence"))
    if "EP" in pulses or _number(fields, "DiffusionBValue"):
        return TagReading(None, "echo-planar" if "EP" in pulses else "diffusion")
    if "Y" in _words(fields.get("AngioFlag")) or "TOF" in options:
        return TagReading(None, "angiography")
    pulse = "gradient" if "GR" in pulses or "GRADIENT" in enhanced else "spin" if pulses & {"SE", "IR"} or "SPIN" in enhanced else ""
    found = _bounded(fields, pulse, "IR" in pulses, named)
    if found is not None:
        return found
    contrast = next(iter(_words(fields.get("AcquisitionContrast")) & (_CONTRASTS.keys() | _OTHER_CONTRASTS)), None)
    if contrast is None:
        return None
    sequence = "FLAIR" if contrast == "T2" and named == "FLAIR" else _CONTRASTS.get(contrast)
    return TagReading(sequence, f"AcquisitionContrast {contrast}")


def says_contrast(fields: Mapping[str, Any]) -> bool:
    """Whether the fields say that a contrast agent was given."""
    given = [fields[name] for name in ("ContrastBolusAgent", "ContrastBolusIngredient") if name in fields]
    return any(str(value).strip().lower() not in _NO_AGENT for value in given if value is not None and value != [])


def _bounded(fields: Mapping[str, Any], pulse: str, inverted: bool, named: str | None) -> TagReading | None:
    times = [_number(fields, name) for name in ("InversionTime", "RepetitionTime", "EchoTime")]
    inversion, repetition, echo = times if (times[2] or 0) >= 1 else [None if one is None else 1000 * one for one in times]
    if not pulse or repetition is None or echo is None:
        return None
    flip, variants = _number(fields, "FlipAngle") or 0.0, _words(fields.get("SequenceVariant"))
    for row in _TABLE:
        within = row.pulse == pulse and row.repetition[0] <= repetition <= row.repetition[1] and row.echo[0] <= echo <= row.echo[1]
        fits = within and row.flip[0] <= flip <= row.flip[1] and (not row.variant or row.variant in variants)
        if row.inversion is None:
            # An inversion pulse whose time is not said leaves everything open, but for prepared gradient echoes.
            fits = fits and not inversion and not (inverted and pulse == "spin")
        else:
            fits = fits and bool(inversion) and row.inversion[0] <= (inversion or 0.0) <= row.inversion[1]
        if fits:
            said = f"TI {inversion:.0f} ms" if inversion else f"TR {repetition:.0f} ms, TE {echo:.0f} ms"
            return TagReading(named if named in row.sequences else row.sequences[0], said)
    return None


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    given = fields.get(name)
    try:
        value = float(given[0] if isinstance(given, list) and len(given) == 1 else given)  # type: ignore[arg-type]  # whatever a file holds
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _words(value: Any) -> set[str]:
    """The values of a field that may be one text with separators (backslash, "_", ...), or a list."""
    parts = value if isinstance(value, list | tuple) else [value]
    texts = [text for part in parts if isinstance(part, str) for text in part.upper().split("\\")]
    return {*texts, *(word for text in texts for word in re.split(r"[_,/ ]+", text))}
