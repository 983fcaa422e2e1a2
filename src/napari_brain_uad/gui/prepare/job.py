"""One preparation as the dock asks for it, through the same workflow as everywhere else.

The workflow is imported where it is used, which is in the job's thread: it brings image libraries that would add a second to the
opening of the dock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from .preview_picture import Picture, result_picture, step_picture

if TYPE_CHECKING:
    from ...preprocessing.pipeline import StepRun
    from ...preprocessing.step import Reference, Step
    from ...workflows.scans.prepare_session import Session


@dataclass(frozen=True, eq=False)
class PrepareRequest:
    """What the dock says when a button is pressed.

    Parameters
    ----------
    scans : mapping
        Sequence to scan.
    preset : str
        The preset's id.
    pipeline : list of dict
        Its steps, with the settings as they stand.
    first : int
        The first step to run anew; those before it are taken from `earlier`.
    earlier : Session, optional
        Of the same scans.
    """

    scans: Mapping[str, Volume]
    preset: str
    pipeline: Sequence[Mapping[str, Any]]
    first: int = 0
    earlier: Session | None = None


@dataclass(frozen=True, eq=False)
class StepNews:
    """A step that was done, for one of the sequences."""

    sequence: str
    number: int
    told: str
    picture: Picture


@dataclass(frozen=True, eq=False)
class Answer:
    """A finished session, with a picture of each sequence whose steps are not known because it came from the cache."""

    request: PrepareRequest
    session: Session
    pictures: Mapping[str, Picture]


def run_request(request: PrepareRequest, progress: Progress, tell: Callable[[object], None]) -> Answer:
    """Prepare the scans, telling of each step with a `StepNews`.

    Raises
    ------
    BrainUADError
        As `workflows.scans.prepare_session.run_session`.
    """
    from ...workflows.scans.prepare_session import run_session

    def on_step(name: str, number: int, run: StepRun, before: Volume, reference: Reference | None) -> None:
        progress.check()
        tell(StepNews(name, number, step_words(run.result.said, run.seconds), step_picture(run, before, reference)))

    session = run_session(request.scans, request.pipeline, earlier=request.earlier, first=request.first, on_step=on_step, progress=progress)
    pictures = {
        name: result_picture(one.native, one.prepared.native_mask, one.prepared.volume)
        for name, one in session.sequences.items()
        if not one.runs
    }
    return Answer(request, session, pictures)


def step_words(said: str, seconds: float | None = None) -> str:
    """What a step said, as a sentence, with its time where that is worth a mention."""
    sentence = said[:1].upper() + said[1:]
    return f"{sentence} ({seconds:.0f} s)" if seconds is not None and seconds >= 1 else sentence


def named_scans(volumes: Sequence[Volume]) -> dict[str, Volume]:
    """One patient's scans by their sequence; a scan whose sequence is not known goes by its name.

    Raises
    ------
    InputError
        If two of them are the same sequence.
    """
    named: dict[str, Volume] = {}
    for volume in volumes:
        name = volume.sequence or volume.name
        if name in named:
            raise InputError(
                f"{named[name].name} and {volume.name} are both {name}",
                why="a patient's sequences are told apart by their names",
                fix="Choose one of them, or prepare them one after the other",
            )
        named[name] = volume
    return named


def read_steps(pipeline: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps of a pipeline; imports the image libraries the first time."""
    from ...preprocessing.pipeline import parse_pipeline

    return parse_pipeline(pipeline)
