"""A scan on a model's grid, and the way back to its own space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.checks import raise_errors
from ..core.volume import Grid, Source, Volume
from .geometry import Interpolation, Way, resample_array, resample_inside, resample_mask
from .warp import Route, Warp


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a pipeline gave.

    Parameters
    ----------
    volume : Volume
        The scan on the model's grid, with its brain mask.
    native_grid : Grid
        The scan's own grid, axes RAS+.
    native_source : Source or None
        The file it came from.
    native_mask : array of bool or None
        The brain on `native_grid`.
    matrix : array, shape (4, 4)
        World mm of `volume` to world mm of the scan: all steps' transforms in one, so that results are interpolated once.
    warp : Warp or None
        A deformation of the space of `volume`, done before `matrix`; None when the scan was not deformed.
    record : tuple of mapping
        Every step with its settings and what it found, as JSON data; `pipeline.replay` runs it again.
    """

    volume: Volume
    native_grid: Grid
    native_source: Source | None
    native_mask: NDArray[np.bool_] | None
    matrix: NDArray[np.float64]
    record: tuple[Mapping[str, Any], ...]
    warp: Warp | None = None

    @property
    def way_back(self) -> Way:
        """World mm of the scan to world mm of `volume`."""
        back = np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        return back if self.warp is None else Route(back, self.warp.inverse, np.eye(4))

    @property
    def way_there(self) -> Way:
        """World mm of `volume` to world mm of the scan."""
        return self.matrix if self.warp is None else Route(np.eye(4), self.warp.forward, self.matrix)

    def mask_to_model(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask on the scan's grid brought to the model's: linear interpolation, inside from 0.5 on."""
        raise_errors(self.volume.name, self.native_grid.compare(Grid(mask.shape, self.native_grid.affine), "mask"))
        return resample_mask(mask, self.native_grid, self.volume.grid, self.way_there)

    def to_native(self, data: NDArray[Any], *, interpolation: Interpolation = "linear", fill: float = 0.0) -> NDArray[Any]:
        """An array on the model's grid brought back to the scan's grid.

        Parameters
        ----------
        data : array, shape of ``volume.data``
            Scores; masks (bool) come back by linear interpolation, inside from 0.5 on; labels need "nearest".
        fill : float
            For voxels of the scan that the model's grid does not cover.

        Returns
        -------
        array, shape of ``native_grid``
        """
        raise_errors(self.volume.name, self.volume.grid.compare(Grid(data.shape, self.volume.grid.affine), "array"))
        back = self.way_back
        if data.dtype == np.bool_:
            return resample_mask(data, self.volume.grid, self.native_grid, back)
        return resample_array(data, self.volume.grid, self.native_grid, back, interpolation=interpolation, fill=fill)

    def map_to_native(self, amap: AnomalyMap) -> AnomalyMap:
        """An anomaly map of ``volume`` brought back to the scan's grid, to be saved in the scan's own file geometry.

        Scores come from voxels inside the map's brain only; the brain is the map's where the scan's own brain mask agrees, so
        that slices the model left out stay unscored.
        """
        raise_errors(amap.name, self.volume.grid.compare(amap.grid, "anomaly map"))
        score, mask = resample_inside(amap.score, amap.mask, amap.grid, self.native_grid, self.way_back, outside=amap.background)
        if self.native_mask is not None:
            mask &= self.native_mask
            score[~mask] = amap.background
        provenance = {**amap.provenance, "preprocessing": [dict(step) for step in self.record]}
        return replace(amap, score=score, mask=mask, grid=self.native_grid, source=self.native_source, provenance=provenance, scan=None)
