"""What a detector learns, one stage after the other: a network by its gradients, or anything that is estimated in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...core.detector import State
from ...core.progress import Progress
from ...core.volume import Volume
from ...training.params import TrainingParams
from ...training.session import LabelledScan, TrainingSession

if TYPE_CHECKING:
    from ...training.sources import Samples
    from ...training.task import Task


@dataclass(frozen=True, eq=False)
class Fitting:
    """How a stage is fitted.

    Parameters
    ----------
    before : dict of str to array
        What the earlier stages learned, under the detector's names.
    seed : int
        Fixes everything random.
    training : TrainingParams
        Of a network.
    session : TrainingSession
        Where; its folder is the stage's own.
    progress : Progress
        The stage's part.
    start : mapping of str to array, optional
        State that the stage begins with, under its own names.
    """

    before: State
    seed: int
    training: TrainingParams
    session: TrainingSession
    progress: Progress
    start: Mapping[str, NDArray[Any]] | None = None


@dataclass(frozen=True, eq=False)
class GradientStage:
    """A network that is trained on samples.

    Parameters
    ----------
    name : str
        Its arrays are called ``name.`` and what the network calls them; "" where it is the only stage.
    task : callable
        The network and what it minimises, given what earlier stages learned.
    samples : callable
        The training samples of scans, given what earlier stages learned.
    training : callable, optional
        How it is trained, given how the method is, where a stage needs settings of its own.
    known : callable, optional
        What scans with known anomalies make of the samples of healthy ones; called before `task`, where there are such scans.
    """

    name: str
    task: Callable[[State], Task]
    samples: Callable[[Sequence[Volume], State, Progress], Samples]
    training: Callable[[TrainingParams], TrainingParams] | None = None
    known: Callable[[Samples, Sequence[LabelledScan], Progress], Samples] | None = None

    def fit(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """The network's state after training on healthy scans, and on known anomalies where they are given."""
        how.progress.update(0.0, "Cutting samples")
        train = self.samples(volumes, how.before, how.progress.part(0.0, 0.1))
        held_out = self.samples(how.session.validation, how.before, how.progress.part(0.1, 0.12))
        if how.session.known and self.known is not None:
            train, held_out = (self.known(one, how.session.known, how.progress.part(0.1, 0.12)) for one in (train, held_out))
        from ...training.loop import ArraySource, run_training

        source, task = ArraySource(train, held_out, how.seed), self.task(how.before)
        return run_training(
            task,
            source,
            training=how.training if self.training is None else self.training(how.training),
            seed=how.seed,
            session=how.session,
            progress=how.progress.part(0.12, 1.0),
            start=how.start,
        )


@dataclass(frozen=True, eq=False)
class EstimateStage:
    """What is estimated in one go: a memory bank, a covariance, a mixture, members of an ensemble.

    Parameters
    ----------
    name : str
        As a `GradientStage` has it.
    estimate : callable
        The state of scans; it reports to and is cancelled by the progress in what it is given.
    """

    name: str
    estimate: Callable[[Sequence[Volume], Fitting], State]

    def fit(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """What it learned from healthy scans."""
        return self.estimate(volumes, how)


Stage = GradientStage | EstimateStage


def fit_stages(stages: Sequence[Stage], volumes: Sequence[Volume], how: Fitting) -> State:
    """What all stages learn, each from the scans and what those before it learned.

    Each has a folder of its own in that of the session, and its share of the progress; a stage that is alone has all of it.
    """
    state = dict(how.before)
    for number, stage in enumerate(stages):
        part = how.progress.part(number / len(stages), (number + 1) / len(stages))
        session = how.session if len(stages) == 1 else session_of(stage.name, how.session)
        # Its own seed: two networks that begin with the same numbers would not be independent.
        found = stage.fit(volumes, replace(how, before=state, seed=how.seed + number, session=session, progress=part))
        state |= prefixed(stage.name, found)
    return state


def session_of(stage: str, session: TrainingSession) -> TrainingSession:
    """The session of one stage of several: a folder in the folder, and updates that name the stage."""
    folder = None
    if session.folder is not None:
        folder = session.folder / stage
        folder.mkdir(parents=True, exist_ok=True)
    return replace(session, folder=folder, report=lambda update: session.report(replace(update, stage=stage)))


def prefixed(stage: str, state: Mapping[str, NDArray[Any]]) -> State:
    """A stage's arrays under the detector's names."""
    return {f"{stage}.{name}" if stage else name: array for name, array in state.items()}


def of_stage(stage: str, state: Mapping[str, NDArray[Any]]) -> State:
    """A detector's arrays that are a stage's, under the stage's names."""
    return {name.removeprefix(f"{stage}."): array for name, array in state.items() if not stage or name.startswith(f"{stage}.")}
