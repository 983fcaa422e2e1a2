"""The edge of regions in the scan itself: they end where it looks like the tissue around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from ..core.text import counted
from ..core.volume import Grid
from .clean_up import opened
from .components import fill_holes, label
from .filters import bounding_box, grown_box
from .outline import Outline, renumbered
from .params import PostParams
from .pipeline import PostResult

CORE = 0.3
"""The share of a region's voxels, those with the highest scores, that are its core."""
AROUND_MM = (2.0, 12.0)
"""How far from a region the tissue around it lies. What is nearer may be its own edge."""
SMOOTHING_MM = 0.7
"""Sigma of the Gaussian against the scan's noise."""
CLEAR = 2.0
"""Core and surroundings differ clearly where their medians lie so many standard deviations of a difference apart (robust ones)."""
_FEWEST = 5, 50
"""Voxels of core and surroundings that their medians need."""
_MAD = 1.4826
"""Times the median absolute deviation: the standard deviation, of normally distributed values."""


def trimmed(
    result: PostResult,
    scan: NDArray[np.float32],
    post: PostParams,
    grid: Grid,
    *,
    truth: NDArray[np.bool_] | None = None,
) -> Outline:
    """Contrast-oriented thresholding of regions.

    A map is coarser than the scan, so a region reaches beyond its lesion, or stops at another level than its edge. Where the scan
    clearly differs between a region's core and the tissue around, the region ends at a share of the contrast (`PostParams.edge_contrast`),
    as lesions are outlined in PET (Schaefer et al. 2008, doi:10.1007/s00259-008-0875-1; there at about half of it). Where it does not, as
    at oedema on T1, the region stays as it is: its voxels are known by their score alone. Regions become smaller, never larger; of one
    that falls into pieces the piece with most of the core is left, and one that would become smaller than the smallest asked for stays.

    Parameters
    ----------
    result : PostResult
        At the threshold, with its outlines.
    scan : array of float32, shape (i, j, k)
        The intensities that were scored.
    post : PostParams
        The share, and how voxels are connected.
    truth : array of bool, shape (i, j, k), optional
        Gives `Region.hit`.

    Returns
    -------
    Outline
        `trimmed` counts what became smaller.
    """
    mask = result.mask.copy()
    count = 0
    for region in result.regions:
        box = grown_box(region.slices, [int(np.ceil(AROUND_MM[1] / size)) + 1 for size in grid.spacing], grid.shape)
        own = result.labels[box] == region.number
        kept = _within(own, result.score[box], scan[box], result.brain[box], result.mask[box], post, grid)
        if kept is not None:
            mask[box] &= kept | ~own
            count += 1
    if not count:
        return Outline(result, tuple((region.number,) for region in result.regions))
    box = bounding_box(mask)
    # By their numbers, not as components: two that are neighbours through a corner stay two.
    return Outline(*renumbered(np.where(mask[box], result.labels[box], 0), box, result, grid, truth), trimmed=count)


def words(outline: Outline, post: PostParams) -> tuple[str, ...]:
    """What has to be known."""
    if not outline.trimmed:
        return ()
    said = f"{counted(outline.trimmed, 'region')} {'ends' if outline.trimmed == 1 else 'end'}"
    return (f"{said} at {post.edge_contrast:.0%} of the scan's contrast to the tissue around",)


def _within(
    own: NDArray[np.bool_],
    score: NDArray[np.float32],
    scan: NDArray[np.float32],
    brain: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    post: PostParams,
    grid: Grid,
) -> NDArray[np.bool_] | None:
    """What of a region is left; None where core and surroundings do not differ clearly, or nothing would be taken off. All in a box."""
    smooth = _smooth(scan, brain | own, grid)
    near, far = (_grown(own, reach, grid) for reach in AROUND_MM)
    around = smooth[brain & ~flagged & far & ~near]
    core = own & (score >= np.quantile(score[own], 1.0 - CORE))
    inside = smooth[core]
    if inside.size < _FEWEST[0] or around.size < _FEWEST[1]:
        return None
    contrast = float(np.median(inside) - np.median(around))
    if not abs(contrast) > CLEAR * np.hypot(_spread(inside), _spread(around)):
        return None
    level = np.median(around) + post.edge_contrast * contrast
    # Opened as what was found was: a vessel that touches the lesion is thin.
    kept = opened(own & ((smooth - level) * np.sign(contrast) > 0), post, grid)
    parts = label(kept, int(post.connectivity))
    of_core = np.bincount(parts[core & kept], minlength=1)
    of_core[0] = 0
    kept = parts == of_core.argmax() if of_core.any() else np.zeros_like(kept)
    kept |= fill_holes(kept) & own  # the dead middle of a tumour may look like anything
    small = np.count_nonzero(kept) < max(1, post.smallest(grid.voxel_volume_mm3))
    return None if small or np.array_equal(kept, own) else kept


def _smooth(scan: NDArray[np.float32], brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """A Gaussian over the brain alone: beyond it there is nothing, or the skull."""
    sigma = [SMOOTHING_MM / size for size in grid.spacing]
    weight = gaussian_filter(brain.astype(np.float32), sigma)
    made: NDArray[np.float32] = gaussian_filter(np.where(brain, scan, np.float32(0.0)), sigma) / np.maximum(weight, np.float32(1e-6))
    return made


def _grown(own: NDArray[np.bool_], reach_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """A region with so many mm more on all sides, in cubes: a distance transform takes fifty times the memory."""
    made: NDArray[np.bool_] = (
        maximum_filter(own.view(np.uint8), [2 * round(reach_mm / size) + 1 for size in grid.spacing], mode="constant") > 0
    )
    return made


def _spread(values: NDArray[np.float32]) -> float:
    return float(_MAD * np.median(np.abs(values - np.median(values))))
