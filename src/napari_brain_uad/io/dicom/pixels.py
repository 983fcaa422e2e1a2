"""Stored pixels of DICOM files to intensities: decoding, length checks, slope and intercept of every frame."""

from __future__ import annotations

import hashlib
import struct
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    RLELossless,
)

from ...core.errors import InputError
from ...core.memory import check_memory, out_of_memory
from ...core.optional import install_command, not_installed
from ..streams import is_file
from .frames import Frame, quiet
from .kinds import READ_FAULTS
from .stack import MAX_BYTES, Stack

_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)
_ITEM = b"\xfe\xff\x00\xe0"
"""How compressed pixels begin."""
_AGAIN = "Copy it again from its source, or export the series again"


def read_stack(stack: Stack) -> tuple[NDArray[np.float32], str]:
    """The intensities of a stack.

    Parameters
    ----------
    stack : Stack
        From `build_stack`.

    Returns
    -------
    data : array of float32, shape (columns, rows, slices)
        Finite. The last axis varies slowest in memory.
    sha256 : str
        Over the files in the order of their slices.

    Raises
    ------
    InputError
        If a file has changed, is cut off, in colour, or compressed in a way that no installed package decodes.
    """
    first = stack.frames[0]
    largest = max((path.stat().st_size for path in {frame.path for frame in stack.frames} if is_file(path)), default=0)
    # As float32, turned to RAS+ and looked at; of the files one at a time, with what pydicom copies of it.
    check_memory(first.path.name, 9 * first.rows * first.columns * len(stack.frames) + 3 * largest, "reading its series")
    data = np.empty((len(stack.frames), first.rows, first.columns), np.float32)
    digest = hashlib.sha256()
    wanted: dict[Path, list[tuple[int, Frame]]] = {}
    for place, frame in enumerate(stack.frames):
        wanted.setdefault(frame.path, []).append((place, frame))
    for path, frames in wanted.items():
        raw = _read_bytes(path)
        digest.update(hashlib.sha256(raw).digest())
        dataset = _dataset(path, raw)
        for place, frame in frames:
            stored = _decode(path, dataset, frame)
            with np.errstate(over="ignore", invalid="ignore"):
                data[place] = stored if (frame.slope, frame.inter) == (1.0, 0.0) else stored.astype(np.float64) * frame.slope + frame.inter
            _check_values(path, frame, data[place])
    return data.T, digest.hexdigest()


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(path.name, why=f"it is larger than {MAX_BYTES >> 30} GB", fix="Choose another series")
        return path.read_bytes()
    except OSError as error:
        raise InputError(path.name, why=f"it cannot be read ({error.strerror})", fix="Check the folder, then try again") from error


def _dataset(path: Path, raw: bytes) -> Dataset:
    with quiet():
        try:
            dataset = dcmread(BytesIO(raw), specific_tags=list(_TAGS), force=True)
            syntax = UID(dataset.file_meta.get("TransferSyntaxUID") or _bare_syntax(dataset))
            dataset.file_meta.TransferSyntaxUID = syntax
            stored = len(dataset.PixelData)
            bits = int(dataset.BitsAllocated) * int(dataset.SamplesPerPixel)
            expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1) * bits // 8
            grey = int(dataset.SamplesPerPixel) == 1 and dataset.PhotometricInterpretation == "MONOCHROME2"
            depth = int(dataset.BitsStored), int(dataset.BitsAllocated), int(dataset.HighBit), int(dataset.PixelRepresentation)
        except READ_FAULTS:
            raise InputError(path.name, why="it has no whole image (no or damaged pixel data)", fix=_AGAIN) from None
    if not grey:
        raise InputError(path.name, why="it is in colour or inverted, not plain grey values (MONOCHROME2)", fix="Choose another series")
    bits_stored, allocated, high, sign = depth
    if allocated not in (8, 16, 32) or not 1 <= bits_stored <= allocated or high != bits_stored - 1 or sign not in (0, 1):
        raise InputError(path.name, why="its pixels have an unknown layout (bits stored, allocated, high bit, sign)", fix=_AGAIN)
    _check_decoder(path, syntax)
    if not syntax.is_compressed and dataset.PixelData[:4] == _ITEM and stored != expected:
        raise InputError(path.name, why="it is compressed and does not say how", fix="Export the series uncompressed")
    if not syntax.is_compressed and stored not in (expected, expected + expected % 2):
        raise InputError(path.name, why=f"it holds {stored:,} bytes of pixels instead of {expected:,}: cut off or damaged", fix=_AGAIN)
    return dataset


def _bare_syntax(dataset: Dataset) -> UID:
    """How a data set without file meta information is written, as pydicom found by looking."""
    implicit, little = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check_decoder(path: Path, syntax: UID) -> None:
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise InputError(
            path.name, why=f"its compression ({syntax.name[:60]}) cannot be decoded", fix="Export the series uncompressed"
        ) from None
    if not available:
        module = "openjpeg" if syntax in JPEG2000TransferSyntaxes or "JPEG 2000" in syntax.name else "libjpeg"
        raise InputError(
            path.name,
            why=f"it is compressed ({syntax.name}), and its decoder {not_installed(module)}",
            fix=f"Install it: {install_command(module)}; or export the series uncompressed",
        )


def _decode(path: Path, dataset: Dataset, frame: Frame) -> NDArray[np.generic]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what a decoder finds odd (too many bytes, say) is damage
        try:
            syntax = UID(dataset.file_meta.TransferSyntaxUID)
            size: tuple[int, ...] | None = (frame.rows, frame.columns)
            if syntax.is_compressed and syntax != RLELossless:
                frames = int(dataset.get("NumberOfFrames") or 1)
                size = _codestream_size(get_frame(dataset.PixelData, frame.index, number_of_frames=frames))
            # Decoders reserve memory by the size that the compressed image claims: look before decoding.
            stored = pixel_array(dataset, index=frame.index, raw=True) if size == (frame.rows, frame.columns) else None
        except (*READ_FAULTS, Warning) as error:
            if out_of_memory(error):
                raise
            raise InputError(path.name, why="its pixel data are damaged", fix=_AGAIN) from None
    if stored is None or stored.shape != (frame.rows, frame.columns):
        raise InputError(path.name, why="its image has another size than its header says", fix=_AGAIN)
    return stored


def _codestream_size(image: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 image claims; None when it is none of them."""
    start = image.find(b"\xff\x4f\xff\x51")
    if start >= 0 and not image.startswith(b"\xff\xd8"):
        right, bottom, left, top = struct.unpack(">4I", image[start + 8 : start + 24])
        return bottom - top, right - left
    place = 2 if image.startswith(b"\xff\xd8") else len(image)
    while place + 9 <= len(image) and image[place] == 0xFF:
        marker, length = image[place + 1], int.from_bytes(image[place + 2 : place + 4], "big")
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            rows, columns = struct.unpack(">2H", image[place + 5 : place + 9])
            return rows, columns
        place += 2 + length
    return None


def _check_values(path: Path, frame: Frame, values: NDArray[np.float32]) -> None:
    if not (np.isfinite(frame.slope) and np.isfinite(frame.inter) and frame.slope != 0.0):
        raise InputError(
            path.name, why=f"its RescaleSlope is {frame.slope:g}, its RescaleIntercept {frame.inter:g}", fix="Export the series again"
        )
    if not np.isfinite(values).all():
        raise InputError(path.name, why="its intensities are too large for float32 (3.4e38)", fix="Export the series again")
