"""The headers of NIfTI-1, NIfTI-2 and MGH files as one plain record, exactly as stored.

Nothing is judged or repaired here; `nifti_checks` does the judging. nibabel mends several header defects on loading (scale
factors, qfac, orientation codes), which hides them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.freesurfer.mghformat import header_dtype as _mgh_dtype
from numpy.typing import NDArray

from ..core.errors import InputError
from .streams import COPY_AGAIN

HEAD_SIZE = 544
"""Bytes from the start that hold any of the headers."""

_NIFTI = {"NIfTI-1": Nifti1Header, "NIfTI-2": Nifti2Header}
_MGH_DATA_START = 284
_MGH_TO_NIFTI = {0: 2, 1: 8, 3: 16, 4: 4, 10: 512}
_MGH_MAX_TAGS = 64 << 20

DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""The NIfTI datatype codes that hold one real number a voxel, and their numpy types."""


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What a header says; names as in the NIfTI-1 standard.

    Parameters
    ----------
    kind : str
        "NIfTI-1", "NIfTI-2" or "MGH".
    single : bool
        Whether the suffix says that header and voxels share one file.
    magic : bytes
        As stored.
    dim : tuple of int
        dim[0], the number of dimensions, to dim[7].
    datatype, bitpix : int
        NIfTI code of the voxel type (MGH codes are translated), and bits a voxel.
    order : str
        Byte order, "<" or ">".
    pixdim : tuple of float
        pixdim[0] (qfac) to pixdim[7].
    vox_offset : float
        Where the voxels start, in bytes.
    slope, inter : float
        ``intensity = slope * stored + inter``.
    xyzt_units, qform_code, sform_code : int
        Codes as stored.
    quatern : tuple of float
        b, c, d of the unit quaternion.
    qoffset : tuple of float
        World mm of voxel (0, 0, 0) by the qform.
    sform : array, shape (4, 4)
        The affine of the sform, as stored.
    slack : int
        Bytes that may follow the voxels (MGH files end with scan parameters and tags).
    """

    kind: str
    single: bool
    magic: bytes
    dim: tuple[int, ...]
    datatype: int
    bitpix: int
    order: str
    pixdim: tuple[float, ...]
    vox_offset: float
    slope: float
    inter: float
    xyzt_units: int
    qform_code: int
    sform_code: int
    quatern: tuple[float, float, float]
    qoffset: tuple[float, float, float]
    sform: NDArray[np.float64]
    slack: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions in use, trailing ones dropped beyond the third."""
        sizes = list(self.dim[1 : self.dim[0] + 1])
        while len(sizes) > 3 and sizes[-1] == 1:
            sizes.pop()
        return tuple(sizes)

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Voxels along the three stored axes."""
        return self.shape[0], self.shape[1], self.shape[2]

    @property
    def volumes(self) -> int:
        """Number of 3-D volumes."""
        return self.shape[3] if len(self.shape) > 3 else 1

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and offset as they are applied: 1 and 0 when scl_slope says "no scaling" (0 or NaN)."""
        return (self.slope, self.inter) if self.slope and np.isfinite(self.slope) else (1.0, 0.0)

    @property
    def voxel_bytes(self) -> int:
        """Bytes of one 3-D volume."""
        return int(np.prod(self.shape[:3], dtype=object)) * self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored voxels."""
        return np.dtype(self.order + DTYPES[self.datatype])

    def qform(self) -> NDArray[np.float64]:
        """The affine of the qform (NIfTI-1 standard, "method 2"); NaN where the quaternion is not one."""
        vector = np.array(self.quatern)
        rest = 1.0 - float(vector @ vector)
        if rest < 1e-7:
            # As the standard's C library: a half turn, whose vector is 1 long but for rounding. Much longer is a defect.
            a, vector = 0.0 if rest > -1e-5 else np.nan, vector / np.sqrt(1.0 - rest)
        else:
            a = np.sqrt(rest)
        b, c, d = vector
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        affine = np.eye(4)
        affine[:3, :3] = rotation * np.array([self.pixdim[1], self.pixdim[2], self.pixdim[3] * (-1.0 if self.pixdim[0] < 0 else 1.0)])
        affine[:3, 3] = self.qoffset
        return affine

    def affine(self) -> NDArray[np.float64]:
        """Stored voxel index to world mm: the sform, else the qform, else the standard's fallback for codes 0 and 0.

        That fallback ("method 1") is read as nibabel reads it: centred, the first axis running to the left.
        """
        if self.sform_code > 0:
            return self.sform
        if self.qform_code > 0:
            return self.qform()
        zooms = np.array([-self.pixdim[1], self.pixdim[2], self.pixdim[3]])
        affine = np.diag([*zooms, 1.0])
        affine[:3, 3] = -zooms * (np.array(self.dim[1:4]) - 1) / 2
        return affine


def parse_header(head: bytes, path: Path) -> ImageHeader:
    """Read a header from the first `HEAD_SIZE` bytes of a file.

    Raises
    ------
    InputError
        If the bytes are of no known format, or an MGH file does not state its orientation.
    """
    name = path.name.lower()
    if name.endswith((".mgh", ".mgz")):
        return _parse_mgh(head, path)
    sizes = {int.from_bytes(head[:4], "little"): "<", int.from_bytes(head[:4], "big"): ">"}
    single = name.endswith((".nii", ".nii.gz"))
    for kind, form in _NIFTI.items():
        size = form.template_dtype.itemsize
        if size in sizes:
            if len(head) < size:
                raise InputError(path.name, why=f"it ends inside its header (after {len(head)} bytes)", fix=COPY_AGAIN)
            raw = form(head[:size], endianness=sizes[size], check=False)  # type: ignore[no-untyped-call]  # nibabel has no types
            return _nifti(raw, kind, sizes[size], single)
    raise InputError(path.name, why="it is not a NIfTI file (sizeof_hdr is neither 348 nor 540)", fix="Choose a NIfTI or MGH file")


def _nifti(raw: Nifti1Header, kind: str, order: str, single: bool) -> ImageHeader:
    return ImageHeader(
        kind=kind,
        single=single,
        magic=raw["magic"].tobytes() + (b"" if kind == "NIfTI-1" else raw["eol_check"].tobytes()),
        dim=tuple(int(n) for n in raw["dim"]),
        datatype=int(raw["datatype"]),
        bitpix=int(raw["bitpix"]),
        order=order,
        pixdim=tuple(float(v) for v in raw["pixdim"]),
        vox_offset=float(raw["vox_offset"]),
        slope=float(raw["scl_slope"]),
        inter=float(raw["scl_inter"]),
        xyzt_units=int(raw["xyzt_units"]),
        qform_code=int(raw["qform_code"]),
        sform_code=int(raw["sform_code"]),
        quatern=(float(raw["quatern_b"]), float(raw["quatern_c"]), float(raw["quatern_d"])),
        qoffset=(float(raw["qoffset_x"]), float(raw["qoffset_y"]), float(raw["qoffset_z"])),
        sform=raw.get_sform(),
    )


def _parse_mgh(head: bytes, path: Path) -> ImageHeader:
    # Not by nibabel's class: it gives a header without an orientation one of its own.
    if len(head) < _MGH_DATA_START or int.from_bytes(head[:4], "big") != 1:
        raise InputError(path.name, why="it is not an MGH file (its version is not 1)", fix="Choose a NIfTI or MGH file")
    raw = np.frombuffer(head[: _mgh_dtype.itemsize], _mgh_dtype.newbyteorder(">"))[0]
    sizes = [int(n) for n in raw["dims"]]
    if int(raw["goodRASFlag"]) <= 0:
        why = "it does not say how it is oriented (goodRASFlag is 0), so left and right are unknown"
        raise InputError(path.name, why=why, fix="Convert it with FreeSurfer's mri_convert, giving its orientation")
    delta = np.array(raw["delta"], float)
    affine = np.eye(4)
    with np.errstate(all="ignore"):
        affine[:3, :3] = np.array(raw["Mdc"], float).T * delta
        affine[:3, 3] = np.array(raw["Pxyz_c"], float) - affine[:3, :3] @ (np.array(sizes[:3]) / 2.0)
    datatype = _MGH_TO_NIFTI.get(int(raw["type"]), 0)
    return ImageHeader(
        kind="MGH",
        single=True,
        magic=b"",
        dim=(4 if sizes[3] > 1 else 3, *sizes, 1, 1, 1),
        datatype=datatype,
        bitpix=8 * np.dtype(DTYPES[datatype]).itemsize if datatype else 0,
        order=">",
        pixdim=(1.0, *(float(v) for v in delta), 1.0, 1.0, 1.0, 1.0),
        vox_offset=float(_MGH_DATA_START),
        slope=1.0,
        inter=0.0,
        xyzt_units=2,
        qform_code=0,
        sform_code=1,
        quatern=(0.0, 0.0, 0.0),
        qoffset=(0.0, 0.0, 0.0),
        sform=affine,
        slack=_MGH_MAX_TAGS,
    )
