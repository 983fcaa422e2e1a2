"""How a scan lies to the template: the affine transform, and a deformation where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import Way
from .warp import Route, Warp


@dataclass(frozen=True, eq=False)
class MniWay:
    """How a scan lies to the template.

    Parameters
    ----------
    matrix : array, shape (4, 4)
        World mm of the template to world mm of the scan.
    warp : Warp or None
        A deformation of the template's space, done before `matrix`.
    outcome : mapping
        What the registration found (see `preprocessing.steps.register_mni`), as JSON data.
    """

    matrix: NDArray[np.float64]
    warp: Warp | None
    outcome: Mapping[str, Any]

    @property
    def to_scan(self) -> Way:
        """World mm of the template to world mm of the scan."""
        return self.matrix if self.warp is None else Route(np.eye(4), self.warp.forward, self.matrix)

    @property
    def to_template(self) -> Way:
        """The inverse of `to_scan`."""
        back = np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        return back if self.warp is None else Route(back, self.warp.inverse, np.eye(4))


def moved(way: Way, world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points in mm, shape (n, 3), end up."""
    if isinstance(way, Route):
        return way.points(world)
    return world if way is None else np.asarray(world @ way[:3, :3].T + way[:3, 3])
