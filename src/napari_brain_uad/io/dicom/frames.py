"""The headers of DICOM files as plain records, one a frame; nothing is judged here but whether a header can be read.

Old archives and some programs write data sets without the 128 bytes and the mark "DICM" in front, or without the UID of the
series: such files are read like others.

Names, dates and free texts of the patient are not among the tags that are read. What pydicom says of a value that it cannot
read may quote it, so its messages never become ours.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from ...core.errors import InputError
from ...core.sequence_tags import FIELDS
from .kinds import PRIVATE_TAGS, READ_FAULTS, Unfit, is_image, kind_name, unfit_file

_TAGS = (
    *FIELDS,
    "ContrastBolusAgentSequence",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "PatientID",
    "PatientName",
    "SliceThickness",
    "SpacingBetweenSlices",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "TemporalPositionIdentifier",
    "ImagesInAcquisition",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "LossyImageCompression",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)

_READ = [*(Tag(name) for name in _TAGS), *(Tag(number) for number in PRIVATE_TAGS)]

Vector = tuple[float, ...]
Kind = float | str | None


@dataclass(frozen=True, eq=False)
class Frame:
    """One 2-D image of a DICOM file; names as in the standard, millimetres in its LPS+ coordinates.

    Parameters
    ----------
    path : Path
        The file.
    index : int
        Which of its frames, from 0.
    rows, columns : int
        Size of the image.
    position, orientation, spacing : tuple of float or None
        ImagePositionPatient (3), ImageOrientationPatient (6), PixelSpacing (between rows, between columns); None when not said.
    thickness, between : float or None
        SliceThickness and SpacingBetweenSlices in mm.
    slope, inter : float
        ``intensity = slope * stored + inter``.
    instance : str
        What no other image has: its SOPInstanceUID and place in the file, as a digest.
    number, announced : int or None
        InstanceNumber, and ImagesInAcquisition. None for frames of a multi-frame file.
    series, series_number, modality : str, int or None, str
        Which series it belongs to; its UID is empty when the file has none.
    description, protocol : str
        SeriesDescription and ProtocolName: for the eyes of the user who chooses a series, never for names, logs or files.
    fields : mapping of str to object
        What tells the sequence: `core.sequence_tags.FIELDS`, times in ms.
    lossy : bool
        Whether the image was compressed with loss.
    same : mapping of str to object
        What has to agree among the slices of one volume; patient and study as digests.
    kinds : mapping of str to float, str or None
        What tells the volumes of one series apart: echo time, part of the complex image, ...
    unfit : Unfit, optional
        Why, by its kind, it is no slice of a volume, and what to do; see `kinds`.
    whole : bool
        Whether the file is long enough for its images; of compressed ones only reading tells.
    """

    path: Path
    index: int
    rows: int
    columns: int
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    thickness: float | None
    between: float | None
    slope: float
    inter: float
    instance: str
    number: int | None
    announced: int | None
    series: str
    series_number: int | None
    modality: str
    description: str = field(repr=False)
    protocol: str = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    lossy: bool
    same: Mapping[str, object] = field(repr=False)
    kinds: Mapping[str, Kind]
    unfit: Unfit | None = None
    whole: bool = True


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which may quote values, out of logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, eq=False)
class Reading:
    """What one DICOM file holds.

    Parameters
    ----------
    frames : tuple of Frame
        Its images; none when it has none (a report, a plan, a directory) or cannot be read.
    kind : str
        The standard's name of what a file without an image holds.
    series : str
        SeriesInstanceUID, as far as it can be read; empty when not.
    fault : InputError, optional
        Why it cannot be read.
    """

    frames: tuple[Frame, ...] = ()
    kind: str = ""
    series: str = ""
    fault: InputError | None = None


def is_dicom(path: Path) -> bool:
    """Whether a file carries DICOM's mark, "DICM" after 128 bytes, or begins as a data set without it does.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise InputError(path.name, why=f"it cannot be read ({error.strerror})", fix="Check its permissions") from error
    return head[128:] == _MARK or _begins_bare(head)


def _begins_bare(head: bytes) -> bool:
    """Whether the first element is one of the first groups, 0002 or 0008, of a plausible type or length."""
    group, element, vr = head[:2], head[2:4], head[4:6]
    if group in (b"\x00\x02", b"\x00\x08"):
        return element[:1] == b"\x00" and vr in _FIRST_TYPES
    if group not in (b"\x02\x00", b"\x08\x00") or element[1:] != b"\x00":
        return False
    return vr in _FIRST_TYPES or (len(head) == 132 and int.from_bytes(head[4:8], "little") in range(2, 1024, 2))


_MARK = b"DICM"
_FIRST_TYPES = (b"UL", b"OB", b"UI", b"CS", b"DA", b"TM")


def read_file(path: Path) -> Reading | None:
    """The frames of one file that `is_dicom`; None when it only begins like DICOM."""
    with quiet():
        series = ""
        try:
            data, sop_class, left = _header(path)
            if data is None:
                return None
            if not is_image(sop_class, data):
                # Every DICOM object says what kind it is: one that does not was cut off before it could, and may have been a slice.
                return Reading(kind=kind_name(sop_class)) if sop_class else Reading(fault=_damaged(path))
            get = _getter(path, data, data.file_meta)
            series = get("SeriesInstanceUID", str) or ""
            unfit = unfit_file(data)
            enhanced = "PerFrameFunctionalGroupsSequence" in data and unfit is None
            frames = tuple(_enhanced_frames(path, data)) if enhanced else (_classic_frame(path, get, unfit),)
            whole = left >= _least_bytes(get)
            return Reading(frames if whole else tuple(replace(frame, whole=False) for frame in frames), series=series)
        except InputError as error:
            return Reading(series=series, fault=error)


def _header(path: Path) -> tuple[Dataset | None, str, int]:
    """What a file says before its pixels, what kind of thing it is, and the bytes that are left; no data set when it is no DICOM file."""
    marked = True
    try:
        with path.open("rb") as file:
            marked = file.read(132)[128:] == _MARK
            file.seek(0)
            meta = read_file_meta_info(path) if marked else Dataset()
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                # Inflating happens before anything is known of its size.
                raise InputError(path.name, why="it is a deflated DICOM file", fix="Inflate it, for example with dcmconv of DCMTK")
            data = dcmread(file, stop_before_pixels=True, specific_tags=_READ, force=not marked)
            left = path.stat().st_size - file.tell()
        sop_class = str(data.file_meta.get("MediaStorageSOPClassUID") or data.get("SOPClassUID") or "")
    except READ_FAULTS:
        if marked:
            raise _damaged(path) from None
        return None, "", 0
    return (data if marked or sop_class else None), sop_class, left


def _least_bytes(get: Getter) -> int:
    """How many bytes the images of a file take at least; compressed ones may be of any length."""
    syntax = get("TransferSyntaxUID", UID)
    if syntax is None or syntax.is_compressed:
        return 0
    values = (get("Rows", int), get("Columns", int), get("SamplesPerPixel", int) or 1, get("NumberOfFrames", int) or 1)
    return math.prod(values) * (get("BitsAllocated", int) or 0) // 8


def _damaged(path: Path) -> InputError:
    return InputError(path.name, why="it is a damaged DICOM file", fix="Copy it again from its source, or export the series again")


Getter = Callable[..., Any]


def _getter(path: Path, *sources: Dataset) -> Getter:
    """A function that gives an element's value from the first data set that has it, or None; `kind` converts it."""

    def get(keyword: str, kind: Callable[[Any], Any] | None = None) -> Any:
        try:
            value = next((source[keyword].value for source in sources if keyword in source), None)
            if value is None or value == "" or (hasattr(value, "__len__") and len(value) == 0):
                return None
            return value if kind is None else kind(value)
        except READ_FAULTS:
            raise InputError(path.name, why=f"its {keyword} cannot be read", fix="Export the series again") from None

    return get


def _floats(count: int) -> Callable[[Any], Vector]:
    def convert(value: Any) -> Vector:
        numbers = tuple(float(number) for number in value)
        if len(numbers) != count:
            raise ValueError
        return numbers

    return convert


def _words(value: Any) -> str:
    return value if isinstance(value, str) else "\\".join(str(word) for word in value)


def digest(*values: Any) -> str:
    """What stands for values that are to be compared and not to be read."""
    return hashlib.sha256("\0".join(str(value) for value in values).encode()).hexdigest()[:16]


def _classic_frame(path: Path, get: Getter, unfit: Unfit | None) -> Frame:
    kinds: dict[str, Kind] = {
        "echo time": get("EchoTime", float),
        "inversion time": get("InversionTime", float),
        "b-value": get("DiffusionBValue", float),
        "image type": get("ImageType", _words),
        "temporal position": get("TemporalPositionIdentifier", float),
        "acquisition": get("AcquisitionNumber", float),
    }
    return _frame(path, 0, get, get, kinds, unfit)


def _frame(path: Path, index: int, get: Getter, local: Getter, kinds: Mapping[str, Kind], unfit: Unfit | None = None) -> Frame:
    """A frame from its file's elements and its own (`local`; the same for files of one frame)."""
    rows, columns = get("Rows", int), get("Columns", int)
    if not rows or not columns:
        raise _damaged(path)
    slope, inter = local("RescaleSlope", float), local("RescaleIntercept", float)
    return Frame(
        path=path,
        index=index,
        rows=rows,
        columns=columns,
        position=local("ImagePositionPatient", _floats(3)),
        orientation=local("ImageOrientationPatient", _floats(6)),
        spacing=local("PixelSpacing", _floats(2)),
        thickness=local("SliceThickness", float),
        between=local("SpacingBetweenSlices", float),
        slope=1.0 if slope is None else slope,
        inter=0.0 if inter is None else inter,
        instance=digest(get("SOPInstanceUID") or path, index),
        number=get("InstanceNumber", int) if get is local else None,
        announced=get("ImagesInAcquisition", int) if get is local else None,
        series=get("SeriesInstanceUID", str) or "",
        series_number=get("SeriesNumber", int),
        modality=get("Modality", str) or "",
        description=get("SeriesDescription", str) or "",
        protocol=get("ProtocolName", str) or "",
        fields=_fields(get, local),
        lossy=get("LossyImageCompression", str) == "01",
        same={
            "size": (rows, columns),
            "patient": digest(get("PatientID"), get("PatientName")),
            "study": digest(get("StudyInstanceUID")),
            "frame of reference": digest(get("FrameOfReferenceUID")),
            "modality": get("Modality"),
            "photometric interpretation": get("PhotometricInterpretation", str),
            "samples per pixel": get("SamplesPerPixel", int),
        },
        kinds=kinds,
        unfit=unfit,
    )


def _fields(get: Getter, local: Getter) -> dict[str, Any]:
    """What tells the sequence, as plain values. A value that cannot be read tells nothing; the image is not refused for it."""
    found: dict[str, Any] = {}
    for name in FIELDS:
        with suppress(InputError):
            value = local(_ENHANCED.get(name, name))
            value = get(name) if value is None else value
            found[name] = [str(one) for one in value] if isinstance(value, MultiValue) else value if value is None else str(value)
    if get("ContrastBolusAgentSequence"):
        found["ContrastBolusAgent"] = "given"
    return {name: value for name, value in found.items() if value is not None}


_ENHANCED = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes", "ImageType": "FrameType"}
"""What fields are called in enhanced files."""

_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRDiffusionSequence",
    "MRImageFrameTypeSequence",
)


def _enhanced_frames(path: Path, data: Dataset) -> Iterator[Frame]:
    """The frames of an enhanced file: what is said for one frame goes before what is said for all (PS3.3 C.7.6.16)."""
    get = _getter(path, data, data.file_meta)
    per_frame = get("PerFrameFunctionalGroupsSequence") or ()
    shared = get("SharedFunctionalGroupsSequence") or ()
    if len(per_frame) != get("NumberOfFrames", int):
        raise InputError(path.name, why="it does not hold as many frames as it says", fix="Export the series again")
    for index, own in enumerate(per_frame):
        items: list[Dataset] = []
        for source in (own, *shared):
            inner = _getter(path, source)
            items += [group[0] for name in _GROUPS if (group := inner(name))]
        local = _getter(path, *items)
        kinds: dict[str, Kind] = {
            "echo time": local("EffectiveEchoTime", float),
            "b-value": local("DiffusionBValue", float),
            "image type": local("FrameType", _words),
            "temporal position": local("TemporalPositionIndex", float),
            "stack": local("StackID", str),
            "part of the complex signal": local("ComplexImageComponent", str),
        }
        yield _frame(path, index, get, local, kinds)
