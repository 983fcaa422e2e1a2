"""A scan in memory, and the one place that says how voxels, axes and millimetres relate.

Conventions (nothing else in the project states them again)
-----------------------------------------------------------
* World coordinates are millimetres, **RAS+**: x grows to the patient's right, y to anterior, z to superior.
* In memory an image is indexed ``data[i, j, k]`` with *i* to the right, *j* to anterior, *k* to superior: loading flips and
  permutes the stored axes to the closest canonical ones (no resampling). Saving undoes exactly that and writes the source
  affine back bit for bit.
* ``world = affine @ (i, j, k, 1)`` at the voxel's **centre**.
* In napari a layer holds ``data.T``, indexed ``(k, j, i)`` = (superior, anterior, right), so that slider 0 walks through axial
  slices. See ``gui/layers/layers.py``, which is the only code that transposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import Finding, check_finite, check_same_affine, check_same_shape, check_three_dimensional, raise_errors
from .errors import InputError

_LETTERS = ("LR", "PA", "IS")


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an image lie.

    Parameters
    ----------
    shape : tuple of int
        Voxels along i, j, k.
    affine : array, shape (4, 4)
        Voxel index to world mm (RAS+), at voxel centres.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise InputError("Grid", why="the affine is not an invertible 4x4 matrix of finite numbers", fix="Repair the file's header")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along i, j, k."""
        sizes = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(sizes[0]), float(sizes[1]), float(sizes[2])

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3 (the determinant, so it holds for sheared grids too)."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def axcodes(self) -> str:
        """The direction each axis points to, like ``"RAS"``: the letter of the world axis it is closest to."""
        axes, signs = closest_axes(self.affine)
        return "".join(_LETTERS[axis][1 if sign > 0 else 0] for axis, sign in zip(axes, signs, strict=True))

    @property
    def oblique_degrees(self) -> float:
        """Largest angle between an axis of the grid and the world axis it is closest to, in degrees."""
        directions = np.abs(self.affine[:3, :3]) / np.array(self.spacing)
        return float(np.degrees(np.arccos(np.clip(directions.max(axis=0), 0.0, 1.0))).max())

    def to_world(self, index: ArrayLike) -> NDArray[np.float64]:
        """World mm of voxel indices, shape (..., 3)."""
        points = np.asarray(index, dtype=np.float64)
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, world: ArrayLike) -> NDArray[np.float64]:
        """Voxel indices (not rounded) of world mm, shape (..., 3)."""
        points = np.asarray(world, dtype=np.float64) - self.affine[:3, 3]
        return np.asarray(np.linalg.solve(self.affine[:3, :3], points.reshape(-1, 3).T).T.reshape(points.shape))

    def voxel_at(self, world: ArrayLike) -> NDArray[np.int64]:
        """The voxel that each place in world mm, shape (n, 3), lies in, counted through an array in C order; -1 beyond the grid."""
        index = np.round(self.to_index(world)).astype(np.int64)
        shape = np.array(self.shape)
        inside = ((index >= 0) & (index < shape)).all(axis=1)
        return np.where(inside, (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2], -1)

    def compare(self, other: Grid, label: str) -> tuple[Finding, ...]:
        """Findings (errors) if `other`, called `label` in the message, is not this grid."""
        shape = check_same_shape(self.shape, other.shape, label)
        if shape is not None:
            return (shape,)
        affine = check_same_affine(self.affine, other.affine, self.shape, label)
        return () if affine is None else (affine,)

    def as_dict(self) -> dict[str, Any]:
        """The grid as plain JSON data."""
        return {"shape": list(self.shape), "affine": self.affine.tolist(), "orientation": self.axcodes}

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> Grid:
        """The inverse of `as_dict`, exactly."""
        i, j, k = (int(n) for n in about["shape"])
        return cls((i, j, k), np.array(about["affine"], dtype=np.float64))


def closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """World axis (0, 1, 2) that each voxel axis is closest to, and the sign (+1, -1) it runs in.

    Every world axis is given out once, the clearest match first, as in nibabel's ``io_orientation``; for oblique grids two
    voxel axes may prefer the same world axis.
    """
    cosines = affine[:3, :3] / np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    left = np.abs(cosines)
    axes, signs = [0, 0, 0], [1, 1, 1]
    for _ in range(3):
        world, voxel = np.unravel_index(int(np.argmax(left)), left.shape)
        axes[voxel] = int(world)
        signs[voxel] = 1 if cosines[world, voxel] > 0 else -1
        left[world, :] = -1.0
        left[:, voxel] = -1.0
    return (axes[0], axes[1], axes[2]), (signs[0], signs[1], signs[2])


@dataclass(frozen=True, eq=False)
class Source:
    """The file an image came from, and its grid as stored: what saving needs to put results back.

    Parameters
    ----------
    grid : Grid
        Shape and affine as stored in the file, axes as stored.
    path : Path or None
        The file. Only its name, never its folder, goes into outputs.
    sha256 : str
        Of the decompressed file contents; empty when not from a file.
    qform_code, sform_code : int
        NIfTI orientation codes; both 0 means that left and right are unknown.
    patient : str
        A digest that is the same for all of a patient's DICOM series, to compare scans by while they are open: it goes into no output.
    """

    grid: Grid
    path: Path | None = None
    sha256: str = ""
    qform_code: int = 0
    sform_code: int = 2
    volume_index: int | None = None
    patient: str = field(default="", repr=False)

    @property
    def orientation_known(self) -> bool:
        """False when the file does not say which side is left (both NIfTI codes are 0)."""
        return self.qform_code > 0 or self.sform_code > 0

    def to_native(self, data: NDArray[Any]) -> NDArray[Any]:
        """Undo the canonical reorientation: an array on the RAS+ grid back to the stored axes."""
        axes, signs = closest_axes(self.grid.affine)
        flipped = data[tuple(slice(None, None, signs[axes.index(world)]) for world in range(3))]
        return np.ascontiguousarray(np.transpose(flipped, axes))


def canonical(data: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], Grid]:
    """Flip and permute axes to the closest RAS+ ones; no resampling.

    Parameters
    ----------
    data : array, shape (a, b, c)
        As stored.
    grid : Grid
        Its grid.

    Returns
    -------
    data, grid
        The same voxels at the same world positions, with axes running right, anterior, superior.
    """
    axes, signs = closest_axes(grid.affine)
    order = tuple(axes.index(world) for world in range(3))
    flips = tuple(signs[voxel] for voxel in order)
    turned = np.transpose(data, order)[tuple(slice(None, None, sign) for sign in flips)]
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    for world, (voxel, sign) in enumerate(zip(order, flips, strict=True)):
        change[voxel, world] = sign
        if sign < 0:
            change[voxel, 3] = grid.shape[voxel] - 1
    return turned, Grid(tuple(turned.shape), grid.affine @ change)


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3-D image with its place in the world.

    Parameters
    ----------
    data : array of float32, shape (i, j, k)
        RAS+ axes (see the module's text), finite.
    grid : Grid
        Shape and affine of `data`.
    name : str
        What to call it in layers, files and messages.
    mask : array of bool, optional
        The brain, on the same grid.
    sequence : str, optional
        "FLAIR", "T1", "T2", "T1c", "PD", or None when not known.
    source : Source, optional
        Where it came from.
    findings : tuple of Finding
        What the checks saw on loading.
    sequence_origin : str
        What says which sequence it is, in words (see `core.sequence`).
    """

    data: NDArray[np.float32] = field(repr=False)
    grid: Grid
    name: str = "scan"
    mask: NDArray[np.bool_] | None = field(default=None, repr=False)
    sequence: str | None = None
    source: Source | None = None
    findings: tuple[Finding, ...] = field(default=())
    sequence_origin: str = ""

    def __post_init__(self) -> None:
        raise_errors(
            self.name,
            (
                check_three_dimensional(self.data),
                check_same_shape(self.grid.shape, self.data.shape, "image"),
                check_finite(self.data),
                None if self.mask is None else check_same_shape(self.data.shape, self.mask.shape, "brain mask"),
            ),
        )

    def with_mask(self, mask: NDArray[np.bool_] | None) -> Volume:
        """The same image with another brain mask."""
        return replace(self, mask=mask)

    def with_findings(self, *found: Finding) -> Volume:
        """The same image with more that was found of it."""
        return replace(self, findings=(*self.findings, *found)) if found else self

    @property
    def is_slice(self) -> bool:
        """Whether it is one axial slice alone, as a picture is."""
        return bool(self.data.shape[2] == 1)

    @property
    def brain(self) -> NDArray[np.bool_]:
        """The brain mask; all of the image where there is none, as of a brain that lies alone in it."""
        return np.ones(self.data.shape, np.bool_) if self.mask is None else self.mask

    @property
    def sequence_words(self) -> str:
        """The sequence and what says so, like "T2 (BIDS suffix T2w)"."""
        name = self.sequence or "sequence unknown"
        return f"{name} ({self.sequence_origin})" if self.sequence_origin else name

    def with_sequence(self, sequence: str | None, origin: str) -> Volume:
        """The same image as another sequence, and what says so, in words."""
        return replace(self, sequence=sequence, sequence_origin=origin)

    def with_data(self, data: NDArray[np.float32]) -> Volume:
        """Another image on the same grid."""
        return replace(self, data=data)

    def to_native(self, data: NDArray[Any]) -> tuple[NDArray[Any], Grid]:
        """An array on this volume's grid in the axes and grid of the file it came from."""
        if self.source is None:
            return data, self.grid
        return self.source.to_native(data), self.source.grid
