"""Regions get the names of where they lie, on the right side."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.atlas import ATLAS, NAMES, OUTSIDE, PAIRED, Atlas, atlas, region_names

GRID = Grid((60, 60, 40), np.array([[-3.0, 0, 0, 88], [0, 3.0, 0, -100], [0, 0, 3.0, -50], [0, 0, 0, 1]]))
"""Runs from right to left, as many files do."""


def _halves() -> Atlas:
    """Left of the middle 1, right of it 2, above 30 mm 3; nothing below -20 mm."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-90, -120, -70)
    grid = Grid((90, 110, 90), affine)
    i, _, k = np.indices(grid.shape)
    x, z = 2 * i - 90, 2 * k - 70
    labels = np.where(x < 0, 1, 2)
    labels[z > 30] = 3
    labels[z < -20] = 0
    return Atlas(labels.astype(np.uint8), grid, ("", "left half", "right half", "top"))


def _named(centre_mm: tuple[float, float, float], to_mni: np.ndarray, radius: float = 6.0) -> str:  # type: ignore[type-arg]
    places = GRID.to_world(np.indices(GRID.shape).transpose(1, 2, 3, 0))
    labels = (((places - centre_mm) ** 2).sum(axis=-1) < radius**2).astype(np.uint32) * 5
    return region_names(labels, [5], GRID, to_mni, _halves())[0]


def test_left_is_left_whichever_way_the_axes_run() -> None:
    assert _named((-30, 0, 0), np.eye(4)) == "left half"
    assert _named((30, 0, 0), np.eye(4)) == "right half"


def test_the_way_to_mni_is_taken_in_its_direction() -> None:
    shift = np.eye(4)
    shift[0, 3] = 50.0  # the scan's -30 is MNI's +20
    assert _named((-30, 0, 0), shift) == "right half"


def test_a_region_across_a_border_has_both_names_the_larger_share_first() -> None:
    assert _named((-30, 0, 34), np.eye(4), 10.0) == "top / left half"
    assert _named((-30, 0, 29), np.eye(4), 10.0) == "left half / top"
    assert _named((-30, 0, 20), np.eye(4), 10.0) == "left half"
    assert _named((-30, 0, 41), np.eye(4), 12.0) == "top"


def test_beyond_the_atlas_there_is_no_name() -> None:
    assert _named((-30, 0, -40), np.eye(4)) == OUTSIDE
    far = np.eye(4)
    far[2, 3] = 500.0
    assert _named((-30, 0, 0), far) == OUTSIDE


def test_every_region_has_its_own_name() -> None:
    labels = np.zeros(GRID.shape, np.uint32)
    for number, x in ((1, 30), (2, -30), (7, 60)):
        labels[tuple(np.round(GRID.to_index((x, 0, 0))).astype(int))] = number
    assert region_names(labels, [7, 2, 1], GRID, np.eye(4), _halves()) == ("right half", "left half", "right half")
    assert region_names(labels, [], GRID, np.eye(4), _halves()) == ()


# Places that every textbook agrees on, mm of MNI152.
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ((-11, -18, 8), "left thalamus"),
        ((11, -18, 8), "right thalamus"),
        ((-27, 3, 2), "left putamen"),
        ((27, 3, 2), "right putamen"),
        ((-13, 12, 10), "left caudate"),
        ((25, -8, -18), ("right amygdala", "right hippocampus")),
        ((-30, -22, -14), "left hippocampus"),
        ((0, -25, -30), "brain stem"),
        ((-25, -60, -45), "left cerebellar cortex"),
        ((27, -25, 28), "right cerebral white matter"),
        ((-27, -25, 28), "left cerebral white matter"),
        ((-50, -20, 52), ("left cerebral cortex", "left cerebral white matter")),
        ((50, -20, 52), ("right cerebral cortex", "right cerebral white matter")),
    ],
)
def test_the_atlas_of_the_package_knows_well_known_places(place: tuple[float, float, float], name: str | tuple[str, ...]) -> None:
    found = NAMES[int(atlas().at(np.array([place], dtype=float))[0])]
    assert found in ((name,) if isinstance(name, str) else name)


def test_the_atlas_is_small_and_its_sides_are_alike() -> None:
    assert ATLAS.stat().st_size < 300_000
    labels, grid = atlas().labels, atlas().grid
    i = np.indices(labels.shape)[0]
    x = grid.affine[0, 0] * i + grid.affine[0, 3]
    for name in PAIRED:
        left, right = (labels == NAMES.index(f"{side} {name}") for side in ("left", "right"))
        assert 0.6 < left.sum() / right.sum() < 1.6
        assert x[left].mean() < -4 < 4 < x[right].mean()
