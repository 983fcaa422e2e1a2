"""Checks of arrays and grids: one defect, one function, each returning a `Finding` or None.

The pattern is nibabel's ``_chk_*`` functions: a check says how bad it is, what it saw and what to do, and the caller decides
whether to stop (`raise_errors`) or to show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .text import readable

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """Something a check saw: `code` is stable (for tests and sidecars), `message` and `fix` are for the user."""

    code: str
    level: Level
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", readable(self.message))
        object.__setattr__(self, "fix", readable(self.fix))

    @property
    def sentence(self) -> str:
        """Message and fix as text that can be shown as it is."""
        text = f"{self.message[:1].upper()}{self.message[1:]}."
        return f"{text} {self.fix}." if self.fix else text

    def as_dict(self) -> dict[str, str]:
        """The finding as plain JSON data."""
        return {"code": self.code, "level": self.level, "message": self.message, "fix": self.fix}


def raise_errors(what: str, findings: Iterable[Finding | None]) -> tuple[Finding, ...]:
    """Raise `InputError` for the first finding of level "error", else return the findings that are left.

    Parameters
    ----------
    what : str
        What was checked (a file name), put in front of the message.
    """
    seen = tuple(f for f in findings if f is not None)
    for finding in seen:
        if finding.level == "error":
            raise InputError(what, why=finding.message, fix=finding.fix)
    return seen


def check_three_dimensional(data: NDArray[Any]) -> Finding | None:
    """Detectors take one 3-D image."""
    if data.ndim == 3:
        return None
    return Finding(
        "not-3d", "error", f"the image has {data.ndim} dimensions, 3 are needed", "Give one 3-D image (choose a volume of a 4-D file)"
    )


def check_finite(data: NDArray[Any]) -> Finding | None:
    """NaN and infinity have no intensity; a detector would spread them over the map."""
    if data.dtype.kind not in "fc":
        return None
    bad = int(data.size - np.count_nonzero(np.isfinite(data)))
    if not bad:
        return None
    return Finding(
        "not-finite",
        "error",
        f"{bad} of {data.size} voxels are NaN or infinite",
        "Set them to the background value and load the scan again",
    )


def check_not_constant(data: NDArray[Any], where: str = "") -> Finding | None:
    """A constant image carries no information: histogram equalisation and Otsu are undefined on it. `where`: " of the brain"."""
    if data.size == 0:
        return Finding("empty", "error", "the image has no voxels", "Choose another file")
    if data.min() != data.max():
        return None
    return Finding("constant", "error", f"every voxel{where} has the value {data.flat[0]:g}", "Choose a file that holds an image")


def check_mask_not_empty(mask: NDArray[np.bool_], label: str = "brain mask") -> Finding | None:
    """Nothing can be scored inside an empty mask."""
    if mask.any():
        return None
    return Finding("empty-mask", "error", f"the {label} is empty (no voxel above 0)", "Give a mask that covers the brain, or none")


def check_same_shape(shape: tuple[int, ...], other: tuple[int, ...], label: str) -> Finding | None:
    """Masks and truths are used voxel by voxel."""
    if tuple(shape) == tuple(other):
        return None
    return Finding(
        "other-shape",
        "error",
        f"the {label} has {'x'.join(map(str, other))} voxels, the scan {'x'.join(map(str, shape))}",
        f"Resample the {label} to the scan's grid",
    )


def check_same_affine(
    affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, int, int], label: str, tolerance_mm: float = 0.1
) -> Finding | None:
    """Two grids of equal shape may still lie elsewhere: compare the grid's corners in mm."""
    corners = np.array([[i, j, k, 1] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)], float)
    distance = float(np.abs((corners @ affine.T - corners @ other.T)[:, :3]).max())
    if distance <= tolerance_mm:
        return None
    return Finding(
        "other-affine",
        "error",
        f"the {label} lies up to {distance:.3g} mm away from the scan (their affines differ)",
        f"Resample the {label} to the scan's grid",
    )
