"""A small head: nested ellipsoids with the labels and the arrangement of a real one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHAPE = (80, 92, 80)
CENTRE = np.array([39.5, 47.0, 41.0])

# Left label, right label, middle of the right one and radii, in mm from the centre; later ones lie over earlier ones.
PARTS = (
    (17, 53, (10, -3, -10), (4, 6, 3)),
    (8, 47, (8, -22, -14), (7, 8, 6)),
    (7, 46, (7, -22, -14), (4, 5, 3)),
    (10, 49, (5, -5, 2), (3.5, 5, 3.5)),
    (12, 51, (12, 3, 0), (3, 6, 4)),
    (13, 52, (9, 1, 0), (2, 3, 2)),
    (11, 50, (7, 9, 5), (2.5, 5, 3)),
    (4, 43, (4, 0, 9), (2.5, 11, 4)),
)


def head_labels() -> NDArray[np.int16]:
    """Labels on 1 mm voxels, RAS+."""
    place = np.indices(SHAPE).astype(float) - CENTRE.reshape(3, 1, 1, 1)
    right = place[0] > 0

    def inside(radii: tuple[float, float, float], middle: tuple[float, float, float] = (0, 0, 0)) -> NDArray[np.bool_]:
        return sum(((place[a] - middle[a]) / radii[a]) ** 2 for a in range(3)) < 1.0

    labels = np.zeros(SHAPE, np.int16)
    for radii, left_label, right_label in (
        ((36, 43, 36), 511, 511),
        ((34, 41, 34), 515, 515),
        ((32, 39, 32), 24, 24),
        ((29, 36, 29), 3, 42),
        ((25, 32, 25), 2, 41),
    ):
        labels[inside(radii)] = left_label
        labels[inside(radii) & right] = right_label
    labels[inside((4, 4, 14), (0, -8, -16))] = 16
    for left_label, right_label, middle, radii in PARTS:
        labels[inside(radii, (-middle[0], middle[1], middle[2]))] = left_label
        labels[inside(radii, middle)] = right_label
    return labels
