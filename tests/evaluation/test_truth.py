"""A ground truth that makes figures undefined or meaningless is said to be one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.report import evaluate_map
from napari_brain_uad.evaluation.truth import truth_findings

BRAIN = np.zeros((10, 10, 10), bool)
BRAIN[2:8, 2:8, 2:8] = True


def box(*sides: slice) -> np.ndarray:
    mask = np.zeros(BRAIN.shape, bool)
    mask[sides] = True
    return mask


@pytest.mark.parametrize(
    ("truth", "codes"),
    [
        (np.zeros(BRAIN.shape, bool), ["empty-truth"]),
        (box(slice(0, 2)), ["truth-outside-brain"]),
        (BRAIN, ["truth-covers-brain"]),
        (box(slice(2, 4), slice(2, 4), slice(2, 4)), []),
        (box(slice(1, 3), slice(1, 3), slice(1, 3)), []),
    ],
)
def test_findings(truth: np.ndarray, codes: list[str]) -> None:
    assert [finding.code for finding in truth_findings(truth, BRAIN)] == codes


def test_an_evaluation_carries_them() -> None:
    score = np.random.default_rng(0).random(BRAIN.shape).astype(np.float32)
    evaluation = evaluate_map(score, np.zeros(BRAIN.shape, bool), Grid(BRAIN.shape, np.eye(4)), brain=BRAIN)
    assert [finding["code"] for finding in evaluation.as_dict()["findings"]] == ["empty-truth"]
    assert evaluation["auprc"].value is None
