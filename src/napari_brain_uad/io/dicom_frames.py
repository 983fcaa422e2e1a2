"""The headers of DICOM files as plain records, one a frame; nothing is judged here but whether a header can be read.

Names, dates and free texts of the patient are not among the tags that are read. What pydicom says of a value that it cannot
read may quote it, so its messages never become ours.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from ..core.errors import InputError
from ..core.sequence_tags import FIELDS

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
    MemoryError,
    struct.error,
)

_TAGS = (
    *FIELDS,
    "ContrastBolusAgentSequence",
    "SOPClassUID",
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
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "LossyImageCompression",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)

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
    number, announced : int or None
        InstanceNumber, and ImagesInAcquisition. None for frames of a multi-frame file.
    series, series_number, modality : str, int or None, str
        Which series it belongs to.
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


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which may quote values, out of logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_dicom(path: Path) -> bool:
    """Whether a file carries DICOM's mark: "DICM" after 128 bytes.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise InputError(path.name, why=f"it cannot be read ({error.strerror})", fix="Check its permissions") from error


def read_frames(path: Path) -> tuple[Frame, ...]:
    """The frames of one DICOM file; none when it holds no image (a report, a plan, a directory).

    Raises
    ------
    InputError
        If the file is damaged or an image without the tags that every image has.
    """
    with quiet():
        try:
            meta = read_file_meta_info(path)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                # Inflating happens before anything is known of its size.
                raise InputError(path.name, why="it is a deflated DICOM file", fix="Inflate it, for example with dcmconv of DCMTK")
            data = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        except READ_FAULTS:
            raise _damaged(path) from None
        get = _getter(path, data)
        if not _is_image(str(meta.get("MediaStorageSOPClassUID") or get("SOPClassUID") or ""), data):
            return ()
        if "PerFrameFunctionalGroupsSequence" in data:
            return tuple(_enhanced_frames(path, data))
        return (_classic_frame(path, get),)


def _damaged(path: Path) -> InputError:
    return InputError(path.name, why="it is a damaged DICOM file", fix="Copy it again from its source, or export the series again")


def _is_image(sop_class: str, data: Dataset) -> bool:
    name = UID(sop_class).name
    return "Image Storage" in name or (name == sop_class and "Rows" in data)


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


def _digest(*values: Any) -> str:
    return hashlib.sha256("\0".join(str(value) for value in values).encode()).hexdigest()[:16]


def _classic_frame(path: Path, get: Getter) -> Frame:
    if (get("NumberOfFrames", int) or 1) != 1:
        raise InputError(
            path.name,
            why="it is a multi-frame file that does not say where its frames lie",
            fix="Export the series as enhanced MR or as one file a slice",
        )
    kinds: dict[str, Kind] = {
        "echo time": get("EchoTime", float),
        "inversion time": get("InversionTime", float),
        "b-value": get("DiffusionBValue", float),
        "image type": get("ImageType", _words),
        "temporal position": get("TemporalPositionIdentifier", float),
        "acquisition": get("AcquisitionNumber", float),
    }
    return _frame(path, 0, get, get, kinds)


def _frame(path: Path, index: int, get: Getter, local: Getter, kinds: Mapping[str, Kind]) -> Frame:
    """A frame from its file's elements and its own (`local`; the same for files of one frame)."""
    rows, columns, series = get("Rows", int), get("Columns", int), get("SeriesInstanceUID", str)
    if not rows or not columns or not series:
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
        number=get("InstanceNumber", int) if get is local else None,
        announced=get("ImagesInAcquisition", int) if get is local else None,
        series=series,
        series_number=get("SeriesNumber", int),
        modality=get("Modality", str) or "",
        description=get("SeriesDescription", str) or "",
        protocol=get("ProtocolName", str) or "",
        fields=_fields(get, local),
        lossy=get("LossyImageCompression", str) == "01",
        same={
            "size": (rows, columns),
            "patient": _digest(get("PatientID"), get("PatientName")),
            "study": _digest(get("StudyInstanceUID")),
            "frame of reference": _digest(get("FrameOfReferenceUID")),
            "modality": get("Modality"),
            "photometric interpretation": get("PhotometricInterpretation", str),
            "samples per pixel": get("SamplesPerPixel", int),
        },
        kinds=kinds,
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
    get = _getter(path, data)
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
        }
        yield _frame(path, index, get, local, kinds)
