"""The edges of what lies beyond healthy variation: first by the score, then by the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...calibration.verdict import Verdict, joined
from ...core.anomaly_map import AnomalyMap
from ...postprocessing.edge import trimmed
from ...postprocessing.edge import words as edge_words
from ...postprocessing.outline import outline_level, outlined
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import PostResult


def with_edges(
    result: PostResult, verdict: Verdict, amap: AnomalyMap, post: PostParams, truth: NDArray[np.bool_] | None
) -> tuple[PostResult, Verdict]:
    """Regions that no healthy brain has, out to where their score falls off, and back to where the scan looks like its surroundings.

    Only where healthy brains set the threshold, and enough of them for a default: a threshold that was given is kept to.
    """
    if not result.threshold.rule.needs_healthy:
        return result, verdict
    if verdict.rests_on_enough and verdict.beyond and post.outline < 1:
        level = outline_level(result, post)
        outline = outlined(result, verdict.unusual, level, post, amap.grid, truth=truth)
        result, verdict = outline.result, joined(verdict, outline.parts, outline.words(level))
    if post.edge_contrast > 0 and amap.scan is not None:
        outline = trimmed(result, amap.scan, post, amap.grid, truth=truth)
        result, verdict = outline.result, joined(verdict, outline.parts, edge_words(outline, post))
    return result, verdict
