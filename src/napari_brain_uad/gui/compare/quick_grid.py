"""napari's grid of cells, with the place of every layer worked out once for all instead of once a cell and layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from napari.components import ViewerModel
from napari.components.grid import GridCanvas
from napari.layers import Layer

_MOST = 64
_Place = tuple[int, int]


class QuickGrid(GridCanvas):  # type: ignore[misc]  # napari has no types here
    """The same places as napari's.

    napari 0.9 asks each layer for its cell, cell by cell, looking through all layers each time, and does so for every layer that comes,
    goes or is seen: a good second for five methods, growing with the fourth power of their number.
    """

    _places: ClassVar[dict[Any, list[_Place]]] = {}

    def position(self, index: int, layers: Sequence[Layer]) -> _Place:
        """See `napari.components.grid.GridCanvas.position`."""
        if not self.enabled or not 0 <= index < len(layers):
            place: _Place = super().position(index, layers)
            return place
        return self._table(layers)[index]

    def iter_viewboxes(self, layers: Sequence[Layer]) -> Iterator[tuple[_Place, tuple[int, ...]]]:
        """See `napari.components.grid.GridCanvas.iter_viewboxes`."""
        held: dict[_Place, list[int]] = {}
        for index, place in enumerate(self._table(layers)):
            held.setdefault(place, []).append(index)
        for cell in np.ndindex(self.actual_shape(layers)):
            yield cell, tuple(held.get(cell, ()))

    def _table(self, layers: Sequence[Layer]) -> list[_Place]:
        """The cell of every layer; all that decides it is the grid and which layers are visible."""
        key = (self.enabled, self.stride, self.shape, tuple(layer.visible for layer in layers))
        if key not in self._places:
            if len(self._places) >= _MOST:
                self._places.clear()
            self._places[key] = [super(QuickGrid, self).position(index, layers) for index in range(len(layers))]
        return self._places[key]


def make_quick(viewer: ViewerModel) -> None:
    """Let a viewer's grid be a `QuickGrid`; napari's field for it is frozen, and its listeners are to stay."""
    object.__setattr__(viewer.canvas.grid, "__class__", QuickGrid)


def make_plain(viewer: ViewerModel) -> None:
    """Undo `make_quick`."""
    object.__setattr__(viewer.canvas.grid, "__class__", GridCanvas)
