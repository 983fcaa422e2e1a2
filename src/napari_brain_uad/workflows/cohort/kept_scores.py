"""Scores of a cohort's scans between scoring and pooling."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...evaluation.pooled import BrainScores
from ..compare.compare import Comparison


class KeptScores:
    """Brain scores of every scan and method, on disk until they are pooled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, list[Path]] = {}

    def add(self, comparison: Comparison) -> None:
        """Keep the scores of a scan that has a ground truth."""
        assert comparison.truth is not None
        scores = [BrainScores.of(run.result.score, comparison.truth, run.result.brain) for run in comparison.runs]
        for run, own in zip(comparison.runs, scores, strict=True):
            files = self._files.setdefault(run.title, [])
            files.append(self._folder / f"{list(self._files).index(run.title)}-{len(files)}.npz")
            np.savez(files[-1], score=own.score, truth=own.truth, missed=own.missed)

    def has(self, title: str) -> bool:
        """Whether a method scored a scan that has a ground truth."""
        return title in self._files

    def scans(self, title: str) -> list[BrainScores]:
        """Those of a method, in the order they were added."""
        found = []
        for file in self._files[title]:
            with np.load(file) as kept:
                found.append(BrainScores(kept["score"], kept["truth"], int(kept["missed"])))
        return found
