"""Scans that are loaded when they are needed, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import overload

from ...core.checks import Finding
from ...core.errors import BrainUADError
from ...core.isolation import isolated
from ...core.provenance import array_sha256
from ...core.volume import Volume
from .ready import UNLIKE_HEALTHY


class LazyVolumes(Sequence[Volume]):
    """Volumes made when they are asked for, and not kept.

    Parameters
    ----------
    makers : sequence of callable
        Each gives one volume.
    names : sequence of str, optional
        What to call them in `failures`; their numbers from 1 when empty.
    needed : bool
        Whether there is nothing to be done without any of them: scans that are only watched may all be left out.

    Attributes
    ----------
    names : tuple of str
        What they are called.
    failures : dict of str to BrainUADError
        The volumes that could not be made or used, by name. Going through all leaves them out; asking for one raises.
    warnings : dict of str to tuple of Finding
        Of the volumes that were made, by their own names: `ready.UNLIKE_HEALTHY`. Shared with parts of them.
    at_work : int or None
        While all are gone through, the number of the one that was given last, until the next is asked for: when work ends with an error,
        the one that it could not use.
    """

    def __init__(self, makers: Sequence[Callable[[], Volume]], names: Sequence[str] = (), *, needed: bool = True) -> None:
        self._makers, self._needed = tuple(makers), needed
        self.names = tuple(names) or tuple(f"Scan {number + 1}" for number in range(len(self._makers)))
        self._seen: dict[int, dict[str, str]] = {}
        self.failures: dict[str, BrainUADError] = {}
        self.warnings: dict[str, tuple[Finding, ...]] = {}
        self.at_work: int | None = None

    def __len__(self) -> int:
        return len(self._makers)

    def __iter__(self) -> Iterator[Volume]:
        """Every volume that can be made.

        Raises
        ------
        BrainUADError
            The first failure, when none can and some are needed.
        """
        given = 0
        for number, name in enumerate(self.names):
            volume = isolated(partial(self.__getitem__, number))
            if isinstance(volume, BrainUADError):
                self.failures[name] = volume
            else:
                given += 1
                self.at_work = number
                yield volume
                self.at_work = None
        if self.failures and not given and self._needed:
            raise next(iter(self.failures.values()))

    @overload
    def __getitem__(self, number: int) -> Volume: ...
    @overload
    def __getitem__(self, number: slice) -> LazyVolumes: ...
    def __getitem__(self, number: int | slice) -> Volume | LazyVolumes:
        """The volume with this number, loaded now."""
        if isinstance(number, slice):
            part = LazyVolumes(self._makers[number], self.names[number], needed=self._needed)
            part.warnings = self.warnings
            return part
        number = range(len(self))[number]
        volume = self._makers[number]()
        if number not in self._seen:
            self._seen[number] = {"name": volume.name, "voxels_sha256": array_sha256(volume.data)}
            note_warnings(volume, self.warnings)
        return volume

    def without(self, number: int, error: BrainUADError) -> LazyVolumes:
        """All but one, which failed."""
        kept = [other for other in range(len(self)) if other != number]
        rest = LazyVolumes([self._makers[other] for other in kept], [self.names[other] for other in kept], needed=self._needed)
        rest.warnings = self.warnings
        rest.failures = {**self.failures, self.names[number]: error}
        return rest

    def seen(self) -> list[dict[str, str]]:
        """Name and SHA-256 of every volume that was asked for."""
        return [self._seen[number] for number in sorted(self._seen)]


def note_warnings(volume: Volume, warnings: dict[str, tuple[Finding, ...]]) -> None:
    """Put down what makes a volume unlike healthy brains, where something does."""
    found = tuple(finding for finding in volume.findings if finding.code in UNLIKE_HEALTHY)
    if found:
        warnings[volume.name] = found


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
    label_maps : tuple of str
        Names of the label maps that they are simulated from.
    """

    train: LazyVolumes
    validation: LazyVolumes
    words: str
    sequences: tuple[str, ...] = field(default=())
    label_maps: tuple[str, ...] = field(default=())

    @property
    def failures(self) -> dict[str, BrainUADError]:
        """The scans that could not be read or used so far, by name."""
        return {**self.train.failures, **self.validation.failures}

    @property
    def warnings(self) -> dict[str, tuple[Finding, ...]]:
        """What makes scans that were read so far unlike healthy brains, by name."""
        return {**self.train.warnings, **self.validation.warnings}

    def named(self) -> dict[str, list[str]]:
        """Which scans these are, as a training's record keeps it."""
        maps = {"label_maps": list(self.label_maps)} if self.label_maps else {}
        return {"scans": list(self.train.names), "validation_scans": list(self.validation.names), **maps}

    def without_failed(self, error: BrainUADError) -> OpenedData | None:
        """The same without the scan that work ended at with an error; None when it was at none."""
        if self.train.at_work is not None:
            return replace(self, train=self.train.without(self.train.at_work, error))
        if self.validation.at_work is not None:
            return replace(self, validation=self.validation.without(self.validation.at_work, error))
        return None
