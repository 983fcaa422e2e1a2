"""Scores of a cohort's scans between scoring and pooling."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import overload

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

    def scans(self, title: str, among: Collection[int]) -> Sequence[BrainScores]:
        """Those of a method that are among some, in the order of the scans; each is read when it is asked for."""
        return _Read(self, title, [number for number in self.numbers(title) if number in among])


class _Read(Sequence[BrainScores]):
    """Scans that lie on disk."""

    def __init__(self, kept: KeptScores, title: str, numbers: list[int]) -> None:
        self._kept, self._title, self._numbers = kept, title, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> BrainScores: ...

    @overload
    def __getitem__(self, place: slice) -> list[BrainScores]: ...

    def __getitem__(self, place: int | slice) -> BrainScores | list[BrainScores]:
        if isinstance(place, slice):
            return [self._kept.scan(self._title, number) for number in self._numbers[place]]
        return self._kept.scan(self._title, self._numbers[place])
