"""One comparison as the dock asks for it: through the same workflow as everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.progress import Progress
from ...core.text import counted, told_of
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...postprocessing.params import PostParams
from ...workflows.models.method_spec import MethodSpec
from ..layers.scan_facts import ScanRequest
from .comparing import ShownComparison, make_ready, rows_of, settle

if TYPE_CHECKING:
    from ...workflows.compare.compare import Comparison


@dataclass(frozen=True, eq=False)
class CompareRequest(ScanRequest):
    """What the dock says when the button is pressed.

    Parameters
    ----------
    specs : tuple of MethodSpec
        The methods.
    healthy, post, device, seed, age, prepare_with
        As in `workflows.compare.compare.compare`.
    """

    specs: tuple[MethodSpec, ...]
    healthy: tuple[Volume | Path, ...]
    post: PostParams
    device: str
    seed: int
    age: float | None = None
    prepare_with: str = "auto"


@dataclass(frozen=True, eq=False)
class Rest:
    """A comparison under a threshold rule, at rest, with the table's rows, and what it is a state of."""

    of: ShownComparison
    comparison: Comparison
    rows: tuple[dict[str, Any], ...]


def compared(request: CompareRequest, scale: str, progress: Progress) -> Rest:
    """Score what has no map yet, measure, and make ready to be shown.

    Raises
    ------
    BrainUADError
        As `workflows.compare.compare.compare`.
    """
    from ...workflows.compare.compare import compare

    comparison = compare(
        request.volume,
        request.specs,
        mask=request.brain,
        truth=request.lesions,
        healthy=request.healthy,
        post=request.post,
        device=request.device,
        seed=request.seed,
        age=request.age,
        prepare_with=request.prepare_with,
        progress=progress.part(0.0, 0.95),
    )
    ready = make_ready(comparison, scale, progress.part(0.95, 1.0))
    return Rest(ready, comparison, ready.rows)


def settled(ready: ShownComparison, rule: ThresholdRule, progress: Progress) -> Rest:
    """The comparison under another threshold rule."""
    comparison = settle(ready.comparison, rule, progress)
    return Rest(ready, comparison, rows_of(comparison))


def threshold_words(comparison: Comparison, healthy: int) -> str:
    """The rule of a comparison at rest, and what the healthy scans that it was made with, so many, are used for under it."""
    from ...workflows.compare.healthy_words import healthy_words

    rule = comparison.rule.words
    return " ".join(f"{words}." for words in (f"{rule[:1].upper()}{rule[1:]}", healthy_words(comparison, healthy)) if words)


def outcome_words(comparison: Comparison) -> str:
    """What a run did, in a sentence or two."""
    kept = [run for run in comparison.runs if run.cached]
    made = [run for run in comparison.runs if not run.cached]
    parts = []
    if made:
        parts.append(f"{counted(len(made), 'map')} made in {sum(run.seconds for run in made):.1f} s")
    if kept:
        parts.append(f"{len(kept)} taken from the cache ({', '.join(run.title for run in kept)})")
    return f"{counted(len(comparison.runs), 'method')} on {comparison.volume.name}: {', '.join(parts)}."


def failure_words(comparison: Comparison) -> tuple[str, str]:
    """How many methods gave no map, and why."""
    count = len(comparison.failures)
    why = "; ".join(told_of(str(failure.spec), failure.error) for failure in comparison.failures)
    return f"{counted(count, 'method')} gave no map", why
