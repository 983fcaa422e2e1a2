"""What is recommended is what was measured best (benchmarks/results)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_brain_uad.workflows.recommend import recommend

NEARLY = 0.03
"""On FLAIR the equalised score is this close to the raw one, and has a threshold that holds from scan to scan."""


def measured(repository: Path) -> list[dict[str, Any]]:
    """Means over the real scans, by data set, sequence and method."""
    means: list[dict[str, Any]] = json.loads((repository / "benchmarks" / "results" / "methods.json").read_text(encoding="utf-8"))["means"]
    return [mean for mean in means if not mean["data"].startswith("Synthetic")]


@pytest.mark.parametrize("sequence", ["FLAIR", "T1", "T2", "T1c"])
def test_no_method_was_measured_clearly_better(repository: Path, sequence: str) -> None:
    method, why = recommend(sequence)
    assert why
    means = [mean for mean in measured(repository) if mean["sequence"] == sequence]
    for data in {mean["data"] for mean in means}:
        best_dice = {mean["method"]: mean["best_dice"] for mean in means if mean["data"] == data}
        assert best_dice[method] >= max(best_dice.values()) - NEARLY, (data, best_dice)
