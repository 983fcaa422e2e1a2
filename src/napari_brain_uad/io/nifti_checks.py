"""Checks of image headers: one defect, one function, each returning a `Finding` or None (the pattern of `core.checks`).

A defect that leaves two readings of the file open is an error; one that does not change what is read is a warning.
`STRUCTURE_CHECKS` and `MEANING_CHECKS` are the lists, in the order in which they matter: what a later check reads has been
judged by an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding, raise_errors
from .headers import DTYPES, ImageHeader

MAX_BYTES = 4_000_000_000
"""Largest image that is read: 4 GB, some hundred times a brain at 1 mm."""

_MAGIC = {
    ("NIfTI-1", True): b"n+1\0",
    ("NIfTI-1", False): b"ni1\0",
    ("NIfTI-2", True): b"n+2\0\r\n\x1a\n",
    ("NIfTI-2", False): b"ni2\0\r\n\x1a\n",
}
_FIRST_VOXEL = {("NIfTI-1", True): 352, ("NIfTI-2", True): 544}
_COLOUR = {128: "RGB colour", 2304: "RGBA colour"}
_COMPLEX = {32: "complex", 1792: "complex", 2048: "complex"}
_UNITS = {1: "metres", 3: "microns"}
_REPAIR = "Correct the header with the program that wrote the file, or convert the scan again"

Check = Callable[[ImageHeader], Finding | None]


def check_magic(h: ImageHeader) -> Finding | None:
    """The magic says NIfTI, and whether header and voxels share a file; ANALYZE has none, and no left and right."""
    expected = _MAGIC.get((h.kind, h.single))
    if expected is None or h.magic == expected:
        return None
    message = f"its magic is {h.magic!r} instead of {expected!r}: it is damaged, or an ANALYZE file, which does not say which side is left"
    return Finding("magic", "error", message, "Convert the original scan to NIfTI (.nii.gz)")


def check_dim_count(h: ImageHeader) -> Finding | None:
    """dim[0] counts the dimensions, 1 to 7."""
    if 1 <= h.dim[0] <= 7:
        return None
    return Finding("dim-count", "error", f"it claims {h.dim[0]} dimensions (dim[0]); 1 to 7 exist", _REPAIR)


def check_dim_sizes(h: ImageHeader) -> Finding | None:
    """Every dimension in use has at least one voxel."""
    for axis in range(1, min(max(h.dim[0], 0), 7) + 1):
        if h.dim[axis] < 1:
            return Finding("dim-size", "error", f"dimension {axis} has {h.dim[axis]} voxels (dim[{axis}])", _REPAIR)
    return None


def check_dim_use(h: ImageHeader) -> Finding | None:
    """Only 3-D images, and series of them, are scans."""
    n = len(h.shape)
    if n in (3, 4):
        return None
    shape = "x".join(map(str, h.shape))
    fix = "Give a 3-D image, not a single slice" if n < 3 else "Give a 3-D image, not a vector or tensor image"
    return Finding("not-3d", "error", f"the image has {n} dimensions ({shape}), 3 are needed", fix)


def check_datatype(h: ImageHeader) -> Finding | None:
    """One real number a voxel."""
    if h.datatype in DTYPES:
        return None
    word = _COLOUR.get(h.datatype) or _COMPLEX.get(h.datatype)
    if word is not None:
        fix = "Give the magnitude image" if word == "complex" else "Give the scan itself, not a colour picture of it"
        return Finding("datatype", "error", f"its voxels are {word}, not intensities (datatype {h.datatype})", fix)
    return Finding("datatype", "error", f"its voxel type is not known (datatype {h.datatype})", _REPAIR)


def check_bitpix(h: ImageHeader) -> Finding | None:
    """Bitpix repeats what datatype says; when they differ, one of them is damaged."""
    bits = 8 * h.dtype.itemsize
    if h.bitpix == bits:
        return None
    return Finding("bitpix", "error", f"it claims {h.bitpix} bits a voxel, its voxel type has {bits} (bitpix, datatype)", _REPAIR)


def check_claimed_size(h: ImageHeader) -> Finding | None:
    """Refuse the header of a file that nobody could load, before memory is taken."""
    claimed = int(np.prod(h.shape, dtype=object)) * h.dtype.itemsize
    if claimed <= MAX_BYTES:
        return None
    fix = "Correct the header, or split the file into smaller images"
    shape = "x".join(map(str, h.shape))
    return Finding("too-large", "error", f"it claims {shape} voxels, {claimed / 1e9:.3g} GB; the limit is {MAX_BYTES / 1e9:.2g} GB", fix)


def check_vox_offset(h: ImageHeader) -> Finding | None:
    """The voxels start after the header, at a whole byte."""
    first = _FIRST_VOXEL.get((h.kind, h.single), 0)
    if np.isfinite(h.vox_offset) and h.vox_offset == int(h.vox_offset) and first <= h.vox_offset <= MAX_BYTES:
        return None
    return Finding("vox-offset", "error", f"its voxels cannot start at byte {h.vox_offset:g} (vox_offset, at least {first})", _REPAIR)


def check_slope(h: ImageHeader) -> Finding | None:
    """scl_slope; 0 and NaN mean "no scaling" (0 by the standard, NaN as nibabel writes it)."""
    if np.isnan(h.slope) or 1e-12 <= h.slope <= 1e12:
        return None
    if h.slope == 0:
        return Finding("slope-zero", "info", "scl_slope is 0: intensities are used as stored, as the standard says")
    if not np.isfinite(h.slope):
        return Finding("slope", "error", f"the intensity scale is {h.slope} (scl_slope)", _REPAIR)
    if -1e12 <= h.slope <= -1e-12:
        return Finding("slope-negative", "warning", f"the intensity scale is negative (scl_slope {h.slope:g}): dark and bright are swapped")
    return Finding("slope", "error", f"an intensity scale of {h.slope:g} (scl_slope) cannot be meant", _REPAIR)


def check_intercept(h: ImageHeader) -> Finding | None:
    """scl_inter is finite, where it is used."""
    if not h.slope or np.isnan(h.slope):
        if h.inter and np.isfinite(h.inter):
            return Finding("intercept-unused", "warning", f"scl_inter {h.inter:g} is not used, because scl_slope is {h.slope:g}")
        return None
    if np.isfinite(h.inter):
        return None
    return Finding("intercept", "error", f"the intensity offset is {h.inter} (scl_inter)", _REPAIR)


def check_units(h: ImageHeader) -> Finding | None:
    """Millimetres, or nothing said."""
    space = h.xyzt_units & 7
    if space == 2:
        return None
    if space == 0:
        return Finding("units-unknown", "info", "it does not say its unit of length; millimetres are assumed")
    unit = _UNITS.get(space, f"of unknown code {space}")
    return Finding("units", "error", f"its unit of length is {unit}, not millimetres (xyzt_units)", "Convert the header to millimetres")


def check_orientation_codes(h: ImageHeader) -> Finding | None:
    """qform_code and sform_code are 0 to 5."""
    for name, code in (("qform_code", h.qform_code), ("sform_code", h.sform_code)):
        if not 0 <= code <= 5:
            return Finding("orientation-code", "error", f"{name} is {code}; 0 to 5 exist", _REPAIR)
    return None


def check_orientation_known(h: ImageHeader) -> Finding | None:
    """Both codes 0: the file does not say which side is left."""
    if h.qform_code > 0 or h.sform_code > 0:
        return None
    return Finding(
        "orientation-unknown",
        "warning",
        "orientation unknown: it does not say which side is left (qform_code and sform_code are 0); its first axis is taken to run left",
        "Compare left and right with the original scan before you trust any side",
    )


def check_pixdim(h: ImageHeader) -> Finding | None:
    """Voxel sizes above 0; an error where the affine is made from them."""
    sizes = h.pixdim[1:4]
    if all(np.isfinite(v) and v > 0 for v in sizes):
        return None
    text = " x ".join(f"{v:g}" for v in sizes)
    if h.sform_code > 0:
        return Finding("pixdim", "warning", f"its voxel sizes are {text} mm (pixdim); those of the sform are used")
    return Finding("pixdim", "error", f"its voxel sizes are {text} mm (pixdim)", _REPAIR)


def check_qfac(h: ImageHeader) -> Finding | None:
    """pixdim[0] is 1 or -1 where the qform is used; the standard reads 0 as 1."""
    if h.sform_code > 0 or h.qform_code <= 0 or h.pixdim[0] in (-1.0, 1.0):
        return None
    if h.pixdim[0] == 0:
        return Finding("qfac-zero", "info", "pixdim[0] is 0, read as 1, as the standard says")
    return Finding("qfac", "error", f"pixdim[0] is {h.pixdim[0]:g}; it must be 1 or -1 and decides about left and right", _REPAIR)


def check_affine_finite(h: ImageHeader) -> Finding | None:
    """The affine that is used has no NaN, no infinity (a quaternion longer than 1 gives NaN)."""
    if np.isfinite(h.affine()).all():
        return None
    form = "sform" if h.sform_code > 0 else "qform"
    return Finding("affine-not-finite", "error", f"its {form} holds NaN or infinite numbers, or no rotation", _REPAIR)


def check_affine_singular(h: ImageHeader) -> Finding | None:
    """Every axis of the grid leads somewhere, and no two the same way."""
    linear = h.affine()[:3, :3]
    sizes = _lengths(linear)
    if not np.isfinite(sizes).all() or ((sizes > 0).all() and abs(np.linalg.det(linear / sizes)) > 1e-3):
        return None
    return Finding("affine-singular", "error", "its affine squeezes the image flat (singular): voxels have no place", _REPAIR)


def check_voxel_size(h: ImageHeader) -> Finding | None:
    """Between what a microscope and what nothing resolves."""
    sizes = _lengths(h.affine()[:3, :3])
    if not np.isfinite(sizes).all() or ((sizes >= 0.05) & (sizes <= 30)).all():
        return None
    text = " x ".join(f"{v:.3g}" for v in sizes)
    if ((sizes >= 1e-3) & (sizes <= 1e3)).all():
        return Finding("voxel-size", "warning", f"voxels of {text} mm are unusual for a brain scan", "Check the unit of its voxel sizes")
    return Finding("voxel-size", "error", f"voxels of {text} mm are impossible for a brain scan", _REPAIR)


def check_origin(h: ImageHeader) -> Finding | None:
    """The image lies within ten metres of the origin of its own coordinates."""
    centre = h.affine() @ np.array([*(np.array(h.shape[:3]) / 2.0), 1.0])
    distance = float(np.abs(centre[:3]).max())
    if not np.isfinite(distance) or distance <= 1e4:
        return None
    return Finding("origin", "error", f"its affine puts it {distance / 1e3:.3g} m away from the scanner's centre", _REPAIR)


def check_shear(h: ImageHeader) -> Finding | None:
    """The axes are at right angles, but for rounding."""
    linear = h.affine()[:3, :3]
    sizes = _lengths(linear)
    if not np.isfinite(sizes).all() or not (sizes > 0).all():
        return None
    cosines = (linear / sizes).T @ (linear / sizes) - np.eye(3)
    degrees = float(np.degrees(np.arcsin(min(np.abs(cosines).max(), 1.0))))
    if degrees < 0.1:
        return None
    return Finding("sheared", "warning", f"its affine is sheared by {degrees:.3g} degrees; results keep the shear, some viewers drop it")


def check_pixdim_agrees(h: ImageHeader) -> Finding | None:
    """The voxel sizes are those of the sform, within 1 %."""
    sizes, stated = _lengths(h.affine()[:3, :3]), np.array(h.pixdim[1:4])
    if h.sform_code <= 0 or not np.isfinite(stated).all() or not np.isfinite(sizes).all() or not (stated > 0).all():
        return None
    if (np.abs(sizes - stated) <= 0.01 * np.maximum(stated, sizes)).all():
        return None
    text = [" x ".join(f"{v:.4g}" for v in values) for values in (stated, sizes)]
    return Finding("pixdim-sform", "warning", f"pixdim says voxels of {text[0]} mm, the sform {text[1]} mm; the sform is used")


def check_forms_agree(h: ImageHeader) -> Finding | None:
    """With both codes set, qform and sform place the image alike; the sform is used."""
    if h.qform_code <= 0 or h.sform_code <= 0:
        return None
    qform = h.qform()
    if not np.isfinite(h.sform).all():
        return None
    if not np.isfinite(qform).all():
        return Finding("qform-sform", "warning", "its qform holds no rotation; the sform is used, and written to both in results")
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in h.shape[:3]))], float)
    distance = float(np.sqrt((((corners @ (qform - h.sform).T)[:, :3]) ** 2).sum(axis=1)).max())
    if distance <= 0.1:
        return None
    return Finding(
        "qform-sform",
        "warning",
        f"its qform and sform place the image up to {distance:.3g} mm apart; the sform is used, and written to both in results",
    )


def _lengths(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt((linear**2).sum(axis=0)))


STRUCTURE_CHECKS: tuple[Check, ...] = (
    check_magic,
    check_dim_count,
    check_dim_sizes,
    check_dim_use,
    check_datatype,
    check_bitpix,
    check_claimed_size,
    check_vox_offset,
)
"""What must hold before anything can be said about the image."""

MEANING_CHECKS: tuple[Check, ...] = (
    check_slope,
    check_intercept,
    check_units,
    check_orientation_codes,
    check_orientation_known,
    check_pixdim,
    check_qfac,
    check_affine_finite,
    check_affine_singular,
    check_voxel_size,
    check_origin,
    check_shear,
    check_pixdim_agrees,
    check_forms_agree,
)
"""What intensities and places mean."""


def run_checks(what: str, header: ImageHeader) -> tuple[Finding, ...]:
    """Judge a header, stopping at the first error.

    Parameters
    ----------
    what : str
        The file's name, for the error.

    Raises
    ------
    InputError
        For the first finding of level "error".
    """
    findings: tuple[Finding, ...] = ()
    for check in STRUCTURE_CHECKS + MEANING_CHECKS:
        findings += raise_errors(what, (check(header),))
    return findings
