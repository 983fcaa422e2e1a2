"""The outline of regions that no healthy brain has: they take in what is connected with them at a lower level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.text import counted
from ..core.volume import Grid
from .clean_up import opened
from .components import fill_holes, label
from .filters import Box, bounding_box
from .params import PostParams
from .pipeline import PostResult
from .regions import number_regions

LEAK, LEAK_ML = 2.5, 10.0
"""A region that would become more than so many times as large, and so much larger, has run out of the lesion, into healthy tissue that
scores high, too. A small one may well become many times as large: of its voxels nearly all lie at the edge."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What became of regions that were outlined.

    Parameters
    ----------
    result : PostResult
        With the larger regions; two that meet are one.
    parts : tuple of tuple of int
        For each region, the numbers of the regions before that it holds.
    grown, leaking, trimmed : int
        Regions, before, that became larger, that did not since their outline leaks, and that became smaller (`edge.trimmed`).
    """

    result: PostResult
    parts: tuple[tuple[int, ...], ...]
    grown: int = 0
    leaking: int = 0
    trimmed: int = 0

    def words(self, level: np.float32) -> tuple[str, ...]:
        """What has to be known: down to which score, and what was left as it is."""
        told = f"what is beyond is outlined down to a score of {float(level):.4g}"
        count = counted(self.leaking, "region")
        left = (
            f"{count} beyond {'is' if self.leaking == 1 else 'are'} left as found: at {float(level):.4g} the outline runs into other tissue"
        )
        return (*((told,) if self.grown else ()), *((left,) if self.leaking else ()))


def outlined(
    result: PostResult,
    chosen: Sequence[bool],
    level: np.float32,
    post: PostParams,
    grid: Grid,
    *,
    truth: NDArray[np.bool_] | None = None,
) -> Outline:
    """Hysteresis thresholding (Canny 1986, doi:10.1109/TPAMI.1986.4767851) of some regions.

    A threshold that leaves healthy brains alone finds the core of a lesion and cuts its edge off. Where a region is there for certain, its
    edge is known by a lower level: what of the opened mask above that level is connected with it. Other regions stay as they are, and so
    do those that would become more than `LEAK` times as large and more than `LEAK_ML` larger (all that meet taken together).

    Parameters
    ----------
    result : PostResult
        At the threshold.
    chosen : sequence of bool
        Which of its regions, in their order.
    level : float32
        What `outline_level` gives.
    post : PostParams
        The clean-up, which the larger regions go through, too.
    truth : array of bool, shape (i, j, k), optional
        Gives `Region.hit`.
    """
    same = Outline(result, tuple((region.number,) for region in result.regions))
    if not any(chosen) or not level < result.threshold.value:
        return same
    above = (result.score > level) & result.brain
    box = bounding_box(above | result.mask)
    seeds = np.append(False, np.asarray(chosen, dtype=bool))[result.labels[box]]
    found = opened(above[box], post, grid) | seeds
    own = label(fill_holes(found) if post.fill_holes else found, int(post.connectivity))  # what is filled may leak, too
    count = int(own.max()) + 1
    before, after = np.bincount(own[result.mask[box]], minlength=count), np.bincount(own.ravel(), minlength=count)
    leaks = (after > LEAK * before) & ((after - before) * grid.voxel_volume_mm3 > 1000.0 * LEAK_ML)
    reached = (np.bincount(own[seeds], minlength=count) > 0) & ~leaks
    reached[0] = False
    leaking = np.unique(result.labels[box][seeds & leaks[own]]).size
    more = reached & (after > before)
    if not more.any():
        return replace(same, leaking=leaking)
    mask = reached[own] | result.mask[box]
    mask = fill_holes(mask) if post.fill_holes else mask
    grown = np.unique(result.labels[box][seeds & more[own]]).size
    return Outline(*renumbered(label(mask, int(post.connectivity)), box, result, grid, truth), grown, leaking)


def renumbered(
    labels: NDArray[np.uint32], box: Box, result: PostResult, grid: Grid, truth: NDArray[np.bool_] | None
) -> tuple[PostResult, tuple[tuple[int, ...], ...]]:
    """A result with other regions, which lie in a box, and for each of them the numbers of those before that it holds."""
    labels, regions = number_regions(labels, result.score, grid, truth=truth, threshold=result.threshold.value, within=box)
    held = np.unique(np.stack((labels[result.mask], result.labels[result.mask])), axis=1).T.tolist()
    parts = tuple(tuple(old for new, old in held if new == region.number) for region in regions)
    return replace(result, mask=labels > 0, regions=regions, labels=labels), parts


def outline_level(result: PostResult, post: PostParams) -> np.float32:
    """The score down to which regions are outlined: a share of the way from the brain's median score to the threshold."""
    median = float(np.median(result.score[result.brain]))
    return np.float32(median + post.outline * (result.threshold.value - median))
