"""Scores of a cohort's scans between scoring and pooling."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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

    def numbers(self, title: str) -> list[int]:
        """The scans that a method scored and that have a ground truth, in their order."""
        return sorted(self._files.get(title, {}))

    def scan(self, title: str, number: int) -> BrainScores:
        """One of them."""
        with np.load(self._files[title][number]) as kept:
            return BrainScores(kept["score"], kept["truth"], kept["slices"], int(kept["missed"]))

    def scans(self, title: str, among: Collection[int]) -> list[BrainScores]:
        """Those of a method that are among some, in the order of the scans."""
        return [self.scan(title, number) for number in self.numbers(title) if number in among]
