"""Several methods as one: each member learns and scores by itself, and their maps are combined."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import ModelError
from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.volume import Volume
from .detector import BaseDetector
from .stages import EstimateStage, GradientStage, Stage, of_stage, prefixed

Maps = Mapping[str, NDArray[np.float32]]


class Ensemble(BaseDetector):
    """Base of the methods that combine the maps of others. A method writes its settings, its card, `_members` and `_combined`.

    The arrays of a member are called ``member.`` and what the member calls them, its stages likewise.
    """

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        self.members = self._members()

    @abstractmethod
    def _members(self) -> dict[str, BaseDetector]:
        """The members by name, untrained, with settings that follow from the ensemble's."""

    @abstractmethod
    def _combined(self, maps: Maps, volume: Volume) -> NDArray[np.float32]:
        """The score from the members' raw scores, each of the volume's shape."""

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: those of all members, one member after the other."""
        return tuple(_of_member(name, stage) for name, member in self.members.items() for stage in member.stages())

    def state(self) -> State:
        """See `core.detector.Detector`."""
        return {key: array for name, member in self.members.items() for key, array in prefixed(name, member.state()).items()}

    def shipped_state(self) -> State:
        """See `BaseDetector.shipped_state`."""
        return {key: array for name, member in self.members.items() for key, array in prefixed(name, member.shipped_state()).items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state; see `core.detector.Detector`. One that a member refuses changes none of them."""
        others = sorted(key for key in state if key.partition(".")[0] not in self.members)
        if others:
            why = f"it has arrays of something else: {others[:3]}"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Load a model trained with this method")
        fresh = self._members()
        for name, member in fresh.items():
            own = of_stage(name, state)
            if state and not own and member.stages():
                raise ModelError(f"Model of {self.INFO.id}", why=f"it has nothing for '{name}'", fix="Train it again")
            member.load_state(own)
        self.members = fresh

    def parameter_count(self) -> int:
        """See `BaseDetector.parameter_count`."""
        return sum(member.parameter_count() for member in self.members.values())

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """See `BaseDetector.reconstruct`: the pictures of every member that makes some."""
        able = [member for member in self.members.values() if type(member).reconstruct is not BaseDetector.reconstruct]
        if not able:
            return super().reconstruct(volume, seed=seed, progress=progress)
        pictures: dict[str, NDArray[np.float32]] = {}
        for number, member in enumerate(able):
            member.device = self.device
            part = (progress or Progress()).part(number / len(able), (number + 1) / len(able))
            pictures |= member.reconstruct(volume, seed=seed, progress=part)
        return pictures

    def _shares(self) -> Mapping[str, float]:
        """How much of the time each member takes, adding up to 1; for the progress alone."""
        return dict.fromkeys(self.members, 1.0 / len(self.members))

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        maps: dict[str, NDArray[np.float32]] = {}
        done = 0.0
        for name, member in self.members.items():
            member.device = self.device
            after = done + self._shares()[name]
            maps[name] = member._score(volume, mask, seed=seed, progress=progress.part(done, min(after, 1.0)))
            done = after
        return self._combined(maps, volume)


def _of_member(member: str, stage: Stage) -> Stage:
    """A member's stage as the ensemble's: it gets to see what its own member learned before, under the member's names."""
    name = f"{member}.{stage.name}" if stage.name else member
    if isinstance(stage, GradientStage):
        return replace(
            stage,
            name=name,
            task=lambda before: stage.task(of_stage(member, before)),
            samples=lambda volumes, before, progress: stage.samples(volumes, of_stage(member, before), progress),
        )
    return EstimateStage(name, lambda volumes, how: stage.estimate(volumes, replace(how, before=of_stage(member, how.before))))
