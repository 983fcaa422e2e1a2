"""Scans that are loaded when they are needed, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import overload

from ...core.errors import BrainUADError
from ...core.isolation import isolated
from ...core.provenance import array_sha256
from ...core.volume import Volume


class LazyVolumes(Sequence[Volume]):
    """Volumes made when they are asked for, and not kept.

    Parameters
    ----------
    makers : sequence of callable
        Each gives one volume.
    names : sequence of str, optional
        What to call them in `failures`; their numbers from 1 when empty.

    Attributes
    ----------
    failures : dict of str to BrainUADError
        The volumes that could not be made, by name. Going through all leaves them out; asking for one raises.
    """

    def __init__(self, makers: Sequence[Callable[[], Volume]], names: Sequence[str] = ()) -> None:
        self._makers = tuple(makers)
        self._names = tuple(names) or tuple(f"Scan {number + 1}" for number in range(len(self._makers)))
        self._seen: dict[int, dict[str, str]] = {}
        self.failures: dict[str, BrainUADError] = {}

    def __len__(self) -> int:
        return len(self._makers)

    def __iter__(self) -> Iterator[Volume]:
        """Every volume that can be made.

        Raises
        ------
        BrainUADError
            The first failure, when none can.
        """
        given = 0
        for number, name in enumerate(self._names):
            volume = isolated(partial(self.__getitem__, number))
            if isinstance(volume, BrainUADError):
                self.failures[name] = volume
            else:
                given += 1
                yield volume
        if self.failures and not given:
            raise next(iter(self.failures.values()))

    @overload
    def __getitem__(self, number: int) -> Volume: ...
    @overload
    def __getitem__(self, number: slice) -> LazyVolumes: ...
    def __getitem__(self, number: int | slice) -> Volume | LazyVolumes:
        """The volume with this number, loaded now."""
        if isinstance(number, slice):
            return LazyVolumes(self._makers[number], self._names[number])
        number = range(len(self))[number]
        volume = self._makers[number]()
        if number not in self._seen:
            self._seen[number] = {"name": volume.name, "voxels_sha256": array_sha256(volume.data)}
        return volume

    def seen(self) -> list[dict[str, str]]:
        """Name and SHA-256 of every volume that was asked for."""
        return [self._seen[number] for number in sorted(self._seen)]


@dataclass(frozen=True, eq=False)
class OpenedData:
    """Training data, ready to use.

    Parameters
    ----------
    train, validation : LazyVolumes
        Healthy scans with their brain masks, on the grid the method wants.
    words : str
        What they are, in one line.
    sequences : tuple of str
        Their sequences; empty when unknown or any.
    """

    train: LazyVolumes
    validation: LazyVolumes
    words: str
    sequences: tuple[str, ...] = field(default=())

    @property
    def failures(self) -> dict[str, BrainUADError]:
        """The scans that could not be read so far, by name."""
        return {**self.train.failures, **self.validation.failures}
