"""Figures over all thresholds of one 1 mm volume: ours against scikit-learn, same input, same numbers, one run."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks._scene import scene, seconds
from napari_brain_uad.evaluation.curves import Curves, LiveHistogram
from napari_brain_uad.evaluation.pro import per_region_overlap


def main() -> None:
    """Print CPU times, their ratio and the largest difference."""
    name, score, brain, truth = scene()
    print(f"{name}, {'x'.join(map(str, score.shape))}, {np.count_nonzero(truth)} voxels of truth")

    def ours() -> tuple[float, float, float]:
        curves = Curves(score, truth)
        best = curves.best_dice()
        if curves.average_precision is None or curves.auroc is None or best is None:
            raise SystemExit("the scene has no ground truth")
        return curves.average_precision, curves.auroc, best[0]

    def theirs() -> tuple[float, float, float]:
        y, s = truth.ravel(), score.ravel()
        precision, recall, _ = precision_recall_curve(y, s)
        total = precision + recall
        dice = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
        return average_precision_score(y, s), roc_auc_score(y, s), float(dice.max())

    difference = max(abs(a - b) for a, b in zip(ours(), theirs(), strict=True))
    fast, slow = seconds(ours), seconds(theirs, repeats=1)
    print(f"AP, AUROC and best Dice over all thresholds: {fast:.3f} s, scikit-learn {slow:.2f} s, {slow / fast:.0f} times faster")
    print(f"largest difference {difference:.1e}")
    print(f"PRO, exact: {seconds(lambda: per_region_overlap(score, truth)):.3f} s")
    print(f"live read-out, prepared once: {seconds(lambda: LiveHistogram(score, brain, truth)):.3f} s")
    live = LiveHistogram(score, brain, truth)
    each = seconds(lambda: [live.at(float(t)) for t in np.linspace(0, 1, 1000)]) / 1000
    masks = seconds(lambda: [np.count_nonzero((score > np.float32(t)) & brain & truth) for t in (0.2, 0.8)]) / 2
    print(f"live read-out at one threshold: {each * 1e6:.1f} microseconds; counting one mask takes {masks / each:.0f} times as long")


if __name__ == "__main__":
    main()
