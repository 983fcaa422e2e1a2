"""The edges of what lies beyond healthy variation: first by the score, then by the scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...calibration.verdict import Verdict, joined
from ...core.anomaly_map import AnomalyMap
from ...core.provenance import array_sha256
from ...core.volume import Volume
from ...postprocessing.edge import trimmed
from ...postprocessing.edge import words as edge_words
from ...postprocessing.outline import outline_level, outlined
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import PostResult


def with_scan(amap: AnomalyMap, volume: Volume) -> AnomalyMap:
    """A map that has no scan, with the intensities of one on its grid, unless its record says that it was made from others.

    Of a scan that was prepared the record has the hash of what was scored: grid and whoever asks have to do.
    """
    if amap.scan is not None or volume.grid.compare(amap.grid, "anomaly map"):
        return amap
    about = amap.provenance.get("input")
    told = about.get("voxels_sha256") if isinstance(about, Mapping) and not amap.provenance.get("preprocessing") else None
    return replace(amap, scan=volume.data) if not told or told == array_sha256(volume.data) else amap


def with_edges(
    result: PostResult, verdict: Verdict, amap: AnomalyMap, post: PostParams, truth: NDArray[np.bool_] | None
) -> tuple[PostResult, Verdict]:
    """Regions that no healthy brain has, out to where their score falls off; and all, back to where the scan looks like its surroundings.

    Only where healthy brains set the threshold, and the first where they are enough for a default: a threshold that was given is kept to.
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
