"""Scores of a cohort's scans between scoring and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...evaluation.pooled import BrainScores


class KeptScores:
    """Brain scores of every scan and method, on disk until they are pooled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, dict[int, Path]] = {}

    def add(self, number: int, scores: Mapping[str, BrainScores]) -> None:
        """Keep the scores of a scan, by method; `number` says where it stands among the others."""
        for title, own in scores.items():
            files = self._files.setdefault(title, {})
            files[number] = self._folder / f"{list(self._files).index(title)}-{number}.npz"
            np.savez(files[number], score=own.score, truth=own.truth, slices=own.slices, missed=own.missed)

    def has(self, title: str) -> bool:
        """Whether a method scored a scan that has a ground truth."""
        return title in self._files

    def scans(self, title: str) -> list[BrainScores]:
        """Those of a method, in the order of the scans."""
        found = []
        for _, file in sorted(self._files[title].items()):
            with np.load(file) as kept:
                found.append(BrainScores(kept["score"], kept["truth"], kept["slices"], int(kept["missed"])))
        return found
