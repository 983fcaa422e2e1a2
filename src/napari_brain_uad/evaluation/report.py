"""Everything that is said about one anomaly map against its ground truth: figures, their definitions, curves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding, check_finite, check_mask_not_empty, check_same_shape, raise_errors
from ..core.progress import Progress
from ..core.provenance import NOTICE
from ..core.threshold import Threshold
from ..core.volume import Grid
from ..postprocessing.pipeline import PostResult
from .curves import Curves
from .metrics import ALL_TRUTH, NO_TRUTH, Metric, at_threshold
from .pro import per_region_overlap
from .search import best_dice_with_components, recall_thresholds
from .truth import truth_findings

_CURVE_POINTS = 1000


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures and curves of one map.

    Parameters
    ----------
    metrics : tuple of Metric
        Over all thresholds first, then at the threshold.
    region : str
        Which voxels count, in words.
    threshold : Threshold or None
        The one that the figures "at the threshold" belong to.
    best_dice_threshold, search_threshold : float or None
        Where the exhaustive search and the search with components dropped found their best Dice.
    pr_curve : array, shape (3, n)
        Recall, precision, score; at most 1000 points of the exact curve.
    roc_curve : array, shape (3, n)
        False-positive rate, recall, score.
    findings : tuple of Finding
        What is wrong with the ground truth, see `truth.truth_findings`.
    """

    metrics: tuple[Metric, ...]
    region: str
    threshold: Threshold | None
    best_dice_threshold: float | None
    search_threshold: float | None
    pr_curve: NDArray[np.float64] = field(repr=False)
    roc_curve: NDArray[np.float64] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    def __getitem__(self, name: str) -> Metric:
        """The metric of this name, like "auprc"; `KeyError` when there is none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    @property
    def definitions(self) -> dict[str, str]:
        """Definition of every metric, by name."""
        return {metric.name: metric.definition for metric in self.metrics}

    def at(self, post: PostResult, truth: NDArray[np.bool_], grid: Grid, mask: NDArray[np.bool_] | None = None) -> Evaluation:
        """The same map's evaluation at another threshold; what holds over all thresholds is kept. For the rest see `evaluate_map`."""
        own = at_threshold(post.mask, truth, mask, grid)
        names = {metric.name for metric in own}
        return replace(self, metrics=(*(one for one in self.metrics if one.name not in names), *own), threshold=post.threshold)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON data (no NaN: undefined figures are null, with their reason)."""
        return {
            "region": self.region,
            "metrics": {metric.name: metric.as_dict() for metric in self.metrics},
            "threshold": None if self.threshold is None else self.threshold.as_dict(),
            "best_dice_threshold": self.best_dice_threshold,
            "search_threshold": self.search_threshold,
            "pr_curve": _curve_dict(("recall", "precision", "score"), self.pr_curve),
            "roc_curve": _curve_dict(("false_positive_rate", "recall", "score"), self.roc_curve),
            "findings": [finding.as_dict() for finding in self.findings],
            "notice": NOTICE,
        }

    def as_text(self) -> str:
        """A table for a terminal: figure, value, definition."""
        width = max(len(metric.title or metric.name) for metric in self.metrics)
        values = max((len(metric.text) for metric in self.metrics if metric.value is not None), default=0)
        lines = [f"Voxels that count: {self.region}"]
        if self.threshold is not None:
            lines.append(f"Threshold: {self.threshold.value:.4g} ({self.threshold.origin})")
        for metric in self.metrics:
            lines.append(f"  {metric.title or metric.name:<{width}}  {metric.text:<{values}}  {metric.definition}")
        return "\n".join([*lines, NOTICE])


def _curve_dict(names: tuple[str, str, str], curve: NDArray[np.float64]) -> dict[str, list[float]]:
    return {name: [float(value) for value in row] for name, row in zip(names, curve, strict=True)}


def evaluate_map(
    amap_score: NDArray[np.float32],
    truth: NDArray[np.bool_],
    grid: Grid,
    *,
    mask: NDArray[np.bool_] | None = None,
    threshold: Threshold | None = None,
    post: PostResult | None = None,
    brain: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """All figures of a map against a ground truth.

    Parameters
    ----------
    amap_score : array of float32, shape (i, j, k)
        The raw score; outside the brain it holds the map's background.
    truth : array of bool, same shape
    grid : Grid
        Gives volumes in ml.
    mask : array of bool, same shape, optional
        Only its voxels count. When None every voxel of the volume counts, those outside the brain with their background score (as
        in the reference figures of the FLAIR threshold baseline).
    threshold, post : Threshold, PostResult, optional
        Add the figures of ``score > threshold``, or of the result's mask with its threshold.
    brain : array of bool, same shape, optional
        What was scored: truth outside of it is a finding.

    Raises
    ------
    InputError
        If shapes differ, a score is not finite, or `mask` is empty; `Cancelled` if `progress` was.
    """
    progress = progress or Progress()
    _check(amap_score, truth, mask)
    progress.update(0.0, "Sorting scores")
    curves = Curves(amap_score, truth, mask)
    best = curves.best_dice()
    progress.update(0.1, "Per-region overlap")
    overlap = per_region_overlap(amap_score, truth, mask)
    search, search_threshold = _search(amap_score, truth, mask, progress.part(0.2, 0.95))
    metrics = (*_curve_metrics(curves, overlap), search)
    used = post.threshold if post is not None else threshold
    if post is not None:
        metrics += at_threshold(post.mask, truth, mask, grid)
    elif threshold is not None:
        metrics += at_threshold(threshold.flag(amap_score), truth, mask, grid)
    progress.update(1.0, "Evaluated")
    return Evaluation(
        metrics=metrics,
        region="every voxel of the volume" if mask is None else "the voxels of the brain mask",
        threshold=used,
        best_dice_threshold=None if best is None else best[1],
        search_threshold=search_threshold,
        pr_curve=thinned(curves.pr_curve()),
        roc_curve=thinned(curves.roc_curve()),
        findings=truth_findings(truth, brain),
    )


def _check(score: NDArray[np.float32], truth: NDArray[np.bool_], mask: NDArray[np.bool_] | None) -> None:
    raise_errors(
        "Evaluation",
        (
            check_same_shape(score.shape, truth.shape, "ground truth"),
            None if mask is None else check_same_shape(score.shape, mask.shape, "brain mask"),
            None if mask is None else check_mask_not_empty(mask),
            check_finite(score),
        ),
    )


def _curve_metrics(curves: Curves, overlap: float | None) -> tuple[Metric, ...]:
    best = curves.best_dice()
    one_kind = ALL_TRUTH if curves.positives else NO_TRUTH
    average, trapezoid, auroc = curves.average_precision, curves.auprc_trapezoid, curves.auroc
    of = Metric.of
    return (
        of("auprc", "AUPRC", average, "average precision, sum of (R_n - R_n-1) P_n over all distinct scores", NO_TRUTH),
        of("auprc_trapezoid", "AUPRC (trapezoid)", trapezoid, "area under the precision-recall curve, trapezoids", NO_TRUTH),
        of("auroc", "AUROC", auroc, "area under the ROC curve over all distinct scores, ties counted half", one_kind),
        of("pro", "PRO", overlap, "per-region overlap: area up to a false-positive rate of 0.3, / 0.3; 26-connected lesions", one_kind),
        of(
            "best_dice_voxels",
            "\u2308Dice\u2309 (no dropping)",
            None if best is None else best[0],
            "highest Dice over all thresholds, no components dropped",
            NO_TRUTH,
        ),
    )


def _search(
    score: NDArray[np.float32], truth: NDArray[np.bool_], mask: NDArray[np.bool_] | None, progress: Progress
) -> tuple[Metric, float | None]:
    """Best Dice of the reference protocol for equalised scores; of all others with thresholds that no unit and no scale can favour."""
    # An equalised score ends at exactly 1. Even steps would leave a score with a long tail, or within 0 to 0.1, a few thresholds only.
    equalised = float(score.min()) >= 0.0 and float(score.max()) == 1.0
    thresholds = np.linspace(0.0, 1.0, 100) if equalised else recall_thresholds(score, truth, mask)
    found = best_dice_with_components(score, truth, mask, thresholds, progress=progress)
    spread = "100 thresholds from 0 to 1" if equalised else "100 thresholds, each a hundredth of the truth lower"
    definition = f"highest Dice over {spread}, 6-connected components under 20 voxels dropped"
    metric = Metric.of("best_dice", "\u2308Dice\u2309", None if found is None else found.dice, definition, NO_TRUTH)
    return metric, None if found is None else found.threshold


def thinned(curve: tuple[NDArray[Any], ...] | NDArray[Any], most: int = _CURVE_POINTS) -> NDArray[np.float64]:
    """At most so many points, the ends among them: evenly spaced in arc length, so that steep parts keep theirs."""
    points = np.array(curve, np.float64)
    if points.shape[1] <= most:
        return points
    path = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(points[0]), np.diff(points[1])))])
    wanted = np.searchsorted(path, np.linspace(0.0, path[-1], most))
    return points[:, np.unique(np.append(np.clip(wanted, 0, points.shape[1] - 1), [0, points.shape[1] - 1]))]
