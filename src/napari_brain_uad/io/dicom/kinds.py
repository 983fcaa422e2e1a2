"""What kind of thing a DICOM file holds: a slice that a volume can be made of, or something else, and then what.

Every reason here is about the kind, which is in order as it is; damage is told elsewhere.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

# What pydicom and its decoders raise on damaged files; they have no common base.
READ_FAULTS = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)

PHASE = frozenset({"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY"})
"""Words in ImageType that say that an image holds another part of the complex signal than its magnitude."""

_OTHER = "Choose another series"
_MOSAIC = "it is a mosaic: every image holds all slices of a volume side by side"
CONVERT = "Convert it with dcm2niix and open the NIfTI file, or choose another series"


class Unfit(NamedTuple):
    """Why something is no volume, and what can be done."""

    why: str
    fix: str = _OTHER


def kind_name(sop_class: str) -> str:
    """The standard's name of what a file holds, like "Encapsulated PDF"; never text of the file itself."""
    name = UID(sop_class).name
    return "an object of a private kind" if name == sop_class else name.removesuffix(" Storage")


def is_image(sop_class: str, data: Dataset) -> bool:
    """Whether a file holds an image."""
    name = UID(sop_class).name
    return "Image Storage" in name or (name == sop_class and "Rows" in data)


def unfit_file(data: Dataset) -> Unfit | None:
    """Why the image of a file is no slice, by what the file says of it; None when it may be one."""
    photometric = str(data.get("PhotometricInterpretation") or "MONOCHROME2")
    if photometric == "MONOCHROME1":
        return Unfit("its grey values are inverted (MONOCHROME1), so it is a radiograph or a copy for printing")
    if photometric != "MONOCHROME2":
        return Unfit(f"it is in colour ({photometric[:16]}): a colour map or a picture of the screen, not measured intensities")
    if _mosaic(data):
        return Unfit(_MOSAIC, CONVERT)
    frames = _number(data.get("NumberOfFrames"))
    if frames > 1 and "PerFrameFunctionalGroupsSequence" not in data:
        fix = "Export the series as enhanced MR or as one file a slice"
        return Unfit("it is a multi-frame file that does not say where its frames lie (a clip, an old format or a screen capture)", fix)
    return None


def _mosaic(data: Dataset) -> bool:
    """As the vendors mark it: Siemens in its image types (from XA on in private ones) or by a count of tiles, United Imaging by one."""
    types = [*_words(data.get("ImageType")), *_words(_private(data, *_XA_TYPES))]
    return "MOSAIC" in types or any(_number(_private(data, *where)) > 1 for where in (_SIEMENS_TILES, _UNITED_TILES))


_Private = tuple[int, str, int]
"""Group, how its creator's name begins, and element."""
_SIEMENS_TILES: _Private = (0x0019, "SIEMENS MR HEADER", 0x0A)
_XA_TYPES: _Private = (0x0021, "SIEMENS MR SDI", 0x75)
_UNITED_TILES: _Private = (0x0065, "Image Private Header", 0x50)
_BLOCKS = range(0x10, 0x14)

PRIVATE_TAGS = tuple(
    group << 16 | element
    for group, _, last in (_SIEMENS_TILES, _XA_TYPES, _UNITED_TILES)
    for block in _BLOCKS
    for element in (block, block << 8 | last)
)
"""What `unfit_file` reads besides the standard's elements."""


def _private(data: Dataset, group: int, creator: str, last: int) -> Any:
    """A private element, wherever its creator put it; None when it is not there."""
    try:
        for block in _BLOCKS:
            made = data[group, block].value if (group, block) in data else ""
            name = made.decode("latin-1") if isinstance(made, bytes) else str(made)
            if name.startswith(creator) and (group, block << 8 | last) in data:
                return data[group, block << 8 | last].value
    except READ_FAULTS:
        return None
    return None


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    text = value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else "\\".join(map(str, value))
    return [word.strip() for word in text.split("\\")]


def _number(value: Any) -> float:
    """A count as a number: private elements come as bytes where the file does not say their type; 0 when it is none."""
    try:
        if isinstance(value, bytes):
            return float(int.from_bytes(value, "little") if len(value) == 2 else value.decode("ascii"))
        return float(value or 0)
    except READ_FAULTS:
        return 0.0
