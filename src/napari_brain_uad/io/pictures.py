"""Pictures in: one axial slice as PNG or JPEG, read as a volume that is one voxel thick.

A picture says neither which side is left nor how large it is. It is taken to be shown as radiologists look at slices: anterior is at its
top, the person's right on its left. Its longer side is taken to be `LONGER_SIDE_MM`.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError, DecompressionBombWarning, Image
from PIL.Image import open as decoded
from PIL.ImageOps import exif_transpose

from ..core.checks import Finding, raise_errors
from ..core.errors import InputError
from ..core.memory import check_memory
from ..core.sequence import read_sequence
from ..core.volume import Grid, Source, Volume
from .streams import COPY_AGAIN, read_head

SUFFIXES = (".png", ".jpg", ".jpeg")
"""What a picture's name ends with. Which of the two formats it is in, its contents say."""

LONGER_SIDE_MM = 192.0
"""The length of an adult's head, about; slices of every method's usual size hold it."""

THICKNESS_MM = 1.0
"""Of the slice, for volumes."""

_MOST_BYTES = 100_000_000
_MOST_PIXELS = 50_000_000
_FEWEST = 16
"""Pixels along each side."""

_COLOURED = 24
"""A pixel is coloured when its channels (0 to 255) differ by more; JPEG makes grey ones differ by less."""

_MARKS = 0.005
"""So many coloured pixels are marks on a grey picture; with more it is a colour picture."""

_PNG, _PNG_BITS = b"\x89PNG\r\n\x1a\n", 24
"""How PNG files begin, and which byte says how many bits a channel has."""

_FEW_VALUES = 16
"""So many grey values are labels, black none."""

_BLURRED = 0.05
"""Part of a mask's pixels that may be neither black nor white."""

_EIGHT_BITS = Finding(
    "eight-bits",
    "warning",
    "it has 16 bits a channel, of which 8 are read, as it is stored in colours or with transparency",
    "Save it as a grey picture of 16 bits",
)

_FIRST_OF_SEVERAL = Finding(
    "first-picture",
    "info",
    "it holds further pictures behind the first one, as cameras write them (MPO); the first is read, which is what viewers show",
)

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, zlib.error, struct.error)
"""What Pillow raises for files that are cut off or damaged."""


def is_picture_file(path: Path | str) -> bool:
    """Whether a file is a picture by its name."""
    return Path(path).name.lower().endswith(SUFFIXES)


def read_picture(path: Path | str, *, name: str | None = None) -> Volume:
    """Read one slice.

    Parameters
    ----------
    path : Path or str
        A grey PNG or JPEG picture; a colour picture when its colours are shades of grey. 8 or 16 bits.
    name : str, optional
        What to call it; the file's name without suffix by default.

    Returns
    -------
    Volume
        float32, shape (width, height, 1), grey values as stored; the findings say what had to be guessed.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such picture, an animation, too large or too small, coloured, or partly transparent.
    """
    path = Path(path)
    raw = read_head(path, _MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise _too_large(path.name, f"it has more than {_MOST_BYTES // 1_000_000} MB")
    grey, marks = _grey(path.name, raw)
    volume = slice_volume(grey, name or path.stem, path=path, sha256=hashlib.sha256(raw).hexdigest())
    reading = read_sequence(path.stem, folder=path.absolute().parent.name)
    return replace(volume, findings=(*volume.findings, *marks)).with_sequence(reading.sequence, reading.origin)


def read_picture_mask(path: Path | str, like: Volume, *, label: str = "brain mask") -> NDArray[np.bool_]:
    """Read a mask that was drawn on a picture.

    Parameters
    ----------
    path : Path or str
        A picture: black is outside; inside is white, or a colour for each of a few labels.
    like : Volume
        The slice.
    label : str
        What to call the mask in messages.

    Returns
    -------
    array of bool
        Shape of ``like.data``.

    Raises
    ------
    InputError
        If `read_picture` would refuse it, it lies on another grid, or its grey values are those of no mask.
    """
    drawn = read_picture(path, name=Path(path).name)
    raise_errors(drawn.name, like.grid.compare(drawn.grid, label))
    values, high = drawn.data, float(drawn.data.max())
    if np.unique(values).size <= _FEW_VALUES:
        return np.asarray(values > 0)
    # JPEG blurs the edges of what was drawn; a scan is full of what lies between black and white.
    between = float(np.mean((values > 0.25 * high) & (values < 0.75 * high)))
    if between > _BLURRED:
        why = f"it holds {np.unique(values).size} grey values, as a scan does: which of them the {label} is, is not known"
        raise InputError(drawn.name, why=why, fix="Give a picture in black and white")
    return np.asarray(values > 0.5 * high)


def slice_volume(grey: NDArray[Any], name: str, *, path: Path | None = None, sha256: str = "") -> Volume:
    """The grey values of a picture as a volume.

    Parameters
    ----------
    grey : array, shape (rows, columns)
        The top row first.
    name : str
        What to call it.
    path, sha256
        The file it came from, and the SHA-256 of its contents.

    Returns
    -------
    Volume
        Shape (columns, rows, 1), see the module's text; it does not know which side is left, and its finding says what was guessed.
    """
    data = np.asarray(as_slice(grey), dtype=np.float32, order="F")
    width, height, _ = data.shape
    pixel = LONGER_SIDE_MM / max(width, height)
    affine = np.diag((pixel, pixel, THICKNESS_MM, 1.0))
    affine[:2, 3] = -pixel * (width - 1) / 2, -pixel * (height - 1) / 2
    grid = Grid((width, height, 1), affine)
    guessed = Finding(
        "orientation-unknown",
        "warning",
        "a picture says neither which side is left nor how large it is: it is taken to show anterior at its top and the right on its left, "
        f"its longer side to be {LONGER_SIDE_MM:g} mm and the slice {THICKNESS_MM:g} mm thick, so that mm and ml are guesses",
        "Compare with the scan that it was taken from",
    )
    return Volume(data, grid, name, source=Source(grid, path, sha256, qform_code=0, sform_code=0), findings=(guessed,))


def as_slice(picture: NDArray[Any]) -> NDArray[Any]:
    """What lies on a picture (rows, columns) in the axes of its volume (columns, rows, 1), see the module's text."""
    return picture[::-1, ::-1].T[..., None]


def grey_of_colours(name: str, colours: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[Finding, ...]]:
    """The grey values of a picture whose colours are shades of grey.

    Parameters
    ----------
    name : str
        What to call it in messages.
    colours : array of uint8, shape (..., 3 or 4)
        Red, green, blue, and perhaps alpha.

    Returns
    -------
    grey : array of uint8, shape (...)
        Where the channels are equal, their value; else their luma (ITU-R BT.601).
    findings : tuple of Finding
        That there are coloured marks.

    Raises
    ------
    InputError
        If more than some pixels are coloured, or one is not opaque.
    """
    if colours.shape[-1] == 4 and colours[..., 3].min() < 255:
        why = "a part of it is transparent: what is to be seen there is not known"
        raise InputError(name, why=why, fix="Save it without transparency")
    colours = colours[..., :3]
    share = float(np.mean(colours.max(axis=-1) - colours.min(axis=-1) > _COLOURED))
    if share > _MARKS:
        why = f"it is a colour picture ({100 * share:.1f} % of its pixels are not grey)"
        raise InputError(name, why=why, fix="Give the grey slice, without colours or writing on it")
    marked = Finding("coloured-marks", "warning", f"{100 * share:.2f} % of its pixels are coloured: marks on it are scored like the slice")
    grey = np.rint(colours @ np.array((0.299, 0.587, 0.114)))
    return grey.astype(np.uint8), (marked,) if share else ()


def _grey(name: str, raw: bytes) -> tuple[NDArray[np.generic], tuple[Finding, ...]]:
    """The grey values of a picture, shape (rows, columns), and what there is to know of them."""
    with _decoding(name), decoded(BytesIO(raw), formats=("PNG", "JPEG")) as image:
        width, height = image.size
        pictures = getattr(image, "n_frames", 1)
        if pictures > 1 and image.format != "MPO":
            raise InputError(name, why=f"it holds {pictures} pictures", fix="Give a single picture")
        if min(width, height) < _FEWEST:
            why = f"it has {width} x {height} pixels, which show nothing"
            raise InputError(name, why=why, fix=f"Give {_FEWEST} or more along each side")
        if width * height > _MOST_PIXELS:
            raise _too_large(name, f"it has {width:,} x {height:,} pixels")
        check_memory(name, 40 * width * height, "reading it", fix="Scale the picture down")
        image.load()
        _turn(image)
        first = (_FIRST_OF_SEVERAL,) if pictures > 1 else ()
        if image.mode.startswith("I"):
            return np.asarray(image), ()
        if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            raise InputError(name, why=f"its colours are {image.mode}, not shades of grey", fix="Save it as a grey picture")
        if image.mode in ("1", "L") and "transparency" not in image.info:
            return np.asarray(image.convert("L")), first
        grey, marks = grey_of_colours(name, np.asarray(image.convert("RGBA")))
        return grey, (*first, *marks, _EIGHT_BITS) if raw.startswith(_PNG) and raw[_PNG_BITS] == 16 else (*first, *marks)


def _turn(image: Image) -> None:
    """Turn a picture as its EXIF notes say, which every viewer does; damaged notes say nothing."""
    with suppress(*_DAMAGED):
        exif_transpose(image, in_place=True)


def _too_large(name: str, why: str) -> InputError:
    return InputError(name, why=f"{why}, too many for one slice", fix="Scale the picture down")


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn what Pillow says against a file into our own error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF notes
            yield
    except (DecompressionBombWarning, DecompressionBombError):
        raise _too_large(name, f"it has more than {_MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise InputError(name, why="it is not a PNG or JPEG picture, or its header is damaged", fix=COPY_AGAIN) from None
    except _DAMAGED as error:
        raise InputError(name, why=f"the picture is damaged or cut off ({error})", fix=COPY_AGAIN) from None
