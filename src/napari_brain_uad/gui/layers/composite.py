"""Several layers laid over each other, slice by slice: one picture to draw where there would be a layer each.

A canvas spends most of its time on what every layer costs, not on pixels. The planes of the ortho view therefore show one colour
image whose slices are blended here, from the layers' own data and looks, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from .layers import is_scan, layer_affine

_LEVELS = 256
_NOT_HERE = -1


@dataclass(frozen=True)
class Lattice:
    """A regular, axis-aligned grid over the world (S, A, R): place of its first voxel and spacing in mm, and shape."""

    first: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]


def can_be_shown(layer: Layer) -> bool:
    """Whether a layer is a 3-D grey-level image or 3-D labels."""
    if isinstance(layer, Image):
        return layer.ndim == 3 and not layer.rgb and not layer.multiscale
    return isinstance(layer, Labels) and layer.ndim == 3 and not layer.multiscale


class Composite:
    """An array-like of RGB slices, uint8, shape (k, j, i, 3), that blends layers where it is indexed.

    Parameters
    ----------
    layers : sequence of napari.layers.Layer
        3-D images and labels, the lowest first (see `can_be_shown`). Only those that are visible are blended. At least one.

    Notes
    -----
    Its voxels are those of the topmost scan, continued to where the other layers reach. A layer on another grid is sampled at the
    nearest voxel, which is how a canvas shows it too.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = list(layers)
        self._places = [_place(layer) for layer in self._layers]
        self.lattice = _lattice(self._layers, self._places)
        self._maps: dict[tuple[int, int], NDArray[np.intp] | None] = {}
        self._tables: dict[int, tuple[Any, float, NDArray[np.float32]]] = {}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape (k, j, i, 3)."""
        return (*self.lattice.shape, 3)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def release(self) -> None:
        """Let go of the layers; what is still asked for is black."""
        self._layers.clear()
        self._tables.clear()

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        keys = [*(key if isinstance(key, tuple) else (key,)), *[slice(None)] * 3]
        for axis in range(3):
            part = keys[axis]
            # napari asks for a slice of length one.
            numbers = range(self.shape[axis])[part] if isinstance(part, slice) else (int(part),)
            if len(numbers) == 1:
                keys[axis] = slice(None) if isinstance(part, slice) else 0
                return np.asarray(np.expand_dims(self.slice_at(axis, numbers[0]), axis)[tuple(keys[:4])])
        raise IndexError("a composite is computed one slice at a time")

    def slice_at(self, axis: int, index: int) -> NDArray[np.uint8]:
        """The blended slice number `index` across `axis` (0: S, 1: A, 2: R); shape (rows, columns, 3)."""
        rows, columns = (length for number, length in enumerate(self.lattice.shape) if number != axis)
        out = np.zeros((rows, columns, 3), np.float32)
        for number, layer in enumerate(self._layers):
            if layer.visible:
                values, inside = self._cut(number, axis, index)
                if values is not None:
                    _blend(out, self._colours(number, values), layer, inside)
        return np.asarray(out * np.float32(255.0) + np.float32(0.5), dtype=np.uint8)

    def _cut(self, number: int, axis: int, index: int) -> tuple[NDArray[Any] | None, NDArray[np.bool_] | None]:
        """The slice of one layer on the lattice, and where it has one (None: everywhere)."""
        layer = self._layers[number]
        here = self._indices(number, axis)
        at = index if here is None else int(here[index])
        if at == _NOT_HERE or at >= layer.data.shape[axis]:
            return None, None
        # Not ``[:, :, at]``: computed labels that draw a crosshair into such slices leave it out of these; there is one here already.
        values = np.asarray(layer.data[at] if axis == 0 else layer.data[:, at] if axis == 1 else layer.data[..., at])
        across, along = (self._indices(number, other) for other in range(3) if other != axis)
        if across is None and along is None:
            return values, None
        rows = np.arange(values.shape[0]) if across is None else across
        columns = np.arange(values.shape[1]) if along is None else along
        inside = np.not_equal.outer(rows, _NOT_HERE) if along is None else (rows[:, None] != _NOT_HERE) & (columns[None] != _NOT_HERE)
        if inside.ndim != 2:
            inside = np.broadcast_to(inside[:, None], (len(rows), len(columns)))
        return values[rows[:, None], columns[None]], None if inside.all() else inside

    def _indices(self, number: int, axis: int) -> NDArray[np.intp] | None:
        """For every voxel of the lattice along `axis` the layer's own, `_NOT_HERE` outside; None when they are the same."""
        if (number, axis) not in self._maps:
            first, spacing = self._places[number]
            count, length = self.lattice.shape[axis], self._layers[number].data.shape[axis]
            world = self.lattice.first[axis] + self.lattice.spacing[axis] * np.arange(count)
            own = np.round((world - first[axis]) / spacing[axis]).astype(np.intp)
            own[(own < 0) | (own >= length)] = _NOT_HERE
            same = length == count and bool((own == np.arange(count)).all())
            self._maps[number, axis] = None if same else own
        return self._maps[number, axis]

    def _colours(self, number: int, values: NDArray[Any]) -> NDArray[np.float32]:
        layer = self._layers[number]
        if isinstance(layer, Labels):
            colours = self._label_colours(number, layer, values)
            if layer.contour > 0:
                colours = np.where(_inner_edges(values)[..., None], colours, np.float32(0.0))
            return colours
        low, high = layer.contrast_limits
        with np.errstate(invalid="ignore"):
            level = (values.astype(np.float32) - np.float32(low)) * np.float32((_LEVELS - 1) / (high - low))
        level = np.nan_to_num(np.clip(level, 0, _LEVELS - 1, out=level), copy=False)
        return np.asarray(np.take(self._table(number, layer), level.astype(np.uint8), axis=0))

    def _table(self, number: int, layer: Image) -> NDArray[np.float32]:
        known = self._tables.get(number)
        if known is None or known[0] is not layer.colormap or known[1] != layer.gamma:
            levels = np.linspace(0.0, 1.0, _LEVELS) ** layer.gamma
            known = (layer.colormap, layer.gamma, np.asarray(layer.colormap.map(levels), dtype=np.float32))
            self._tables[number] = known
        return known[2]

    def _label_colours(self, number: int, layer: Labels, values: NDArray[Any]) -> NDArray[np.float32]:
        if values.dtype != np.uint8:
            return np.asarray(layer.colormap.map(values), dtype=np.float32)
        known = self._tables.get(number)
        if known is None or known[0] is not layer.colormap:
            table = np.asarray(layer.colormap.map(np.arange(_LEVELS, dtype=np.uint8)), dtype=np.float32)
            known = (layer.colormap, 1.0, table)
            self._tables[number] = known
        return np.take(known[2], values, axis=0)


def _blend(below: NDArray[np.float32], colours: NDArray[np.float32], layer: Layer, inside: NDArray[np.bool_] | None) -> None:
    """Lay RGBA `colours` over RGB `below`, in place, the way the layer says."""
    share = colours[..., 3:] * np.float32(layer.opacity)
    if inside is not None:
        share = share * inside[..., None]
    blending = str(layer.blending)
    if blending == "additive":
        below += colours[..., :3] * share
        np.minimum(below, 1.0, out=below)
    elif blending == "minimum":
        np.minimum(below, 1.0 - share * (1.0 - colours[..., :3]), out=below)
    else:
        below += share * (colours[..., :3] - below)


def _inner_edges(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of a label that touch another one: the outline a canvas draws."""
    edges = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edges[tuple(before)] |= differs
        edges[tuple(after)] |= differs
    return np.asarray(edges & (labels != 0))


def _place(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First voxel and spacing of a layer over (S, A, R); a rotation, which no 2-D canvas shows, is left out."""
    affine = layer_affine(layer)
    spacing = np.diag(affine)[:3][::-1]
    return affine[:3, 3][::-1].copy(), np.where(spacing == 0, 1.0, spacing)


def _lattice(layers: Sequence[Layer], places: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Lattice:
    scans = [number for number, layer in enumerate(layers) if is_scan(layer)]
    seen = [number for number in scans if layers[number].visible]
    first, signed = places[(seen or scans or [0])[-1]]
    spacing = np.abs(signed)
    ends = np.array([(start, start + step * (np.array(layer.data.shape) - 1)) for layer, (start, step) in zip(layers, places, strict=True)])
    # A hundredth of a voxel is rounding, not reach.
    low = np.floor((ends.min(axis=(0, 1)) - first) / spacing + 0.01)
    high = np.ceil((ends.max(axis=(0, 1)) - first) / spacing - 0.01)
    k, j, i = (int(n) for n in high - low + 1)
    start, step = first + low * spacing, spacing
    return Lattice((float(start[0]), float(start[1]), float(start[2])), (float(step[0]), float(step[1]), float(step[2])), (k, j, i))
