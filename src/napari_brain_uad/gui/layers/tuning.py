"""What the Tune dock works on, without a window: the settings with their history, and the work behind each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...evaluation.curves import LiveFigures, LiveHistogram
from ...postprocessing.edits import RegionEdits
from ...postprocessing.params import PostParams
from .mask_layer import scored, turned
from .region_colours import region_labels

if TYPE_CHECKING:
    from ...core.volume import Volume
    from ...postprocessing.pipeline import PostResult
    from ...workflows.detect.detect import Judged
    from ...workflows.detect.region_names import MniRelation

Filtered = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True)
class Figures:
    """The figures shown in large; those that need a ground truth are None without one, or where they are undefined.

    `regions` is None while the threshold moves: regions are counted when it rests.
    """

    regions: int | None
    volume_ml: float
    dice: float | None = None
    precision: float | None = None
    recall: float | None = None
    false_positive_ml: float | None = None


@dataclass(frozen=True, eq=False)
class SortedMap:
    """What depends on map, filters and truth but not on the threshold.

    Parameters
    ----------
    filtered : tuple of array, shape (i, j, k)
        Filtered score and eroded brain, from `filtered_score`.
    shown : array of float32, shape (k, j, i)
        The filtered score as the mask layer compares it: -inf outside the brain.
    shown_truth : array of bool, shape (k, j, i), or None
        The ground truth as the mask layer holds it.
    live : LiveHistogram
        Histogram, and figures at any threshold in microseconds.
    key : tuple
        The filter settings and the truth these were made with.
    """

    filtered: Filtered
    shown: NDArray[np.float32]
    shown_truth: NDArray[np.bool_] | None
    live: LiveHistogram
    key: tuple[object, ...]


@dataclass(frozen=True, eq=False)
class _Same:
    """Equal to what holds the very same array; it keeps it, so that no other comes to lie at its place in memory."""

    held: NDArray[np.bool_] | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


@dataclass(frozen=True, eq=False)
class Settled:
    """The state at rest: exactly what the command line gives for the same settings, and what was done to it by hand.

    Parameters
    ----------
    post, edits
        What it is a state of.
    prepared : SortedMap
        Serves the next state, too.
    result : PostResult
        The same with `edits` and the regions' names.
    mask : array of bool, shape (k, j, i)
        Without the rejected regions, as the mask layer holds it.
    regions : array of uint8, shape (k, j, i), or None
        Labels of its regions, which have none where there is a ground truth.
    relation : MniRelation
        Why the regions have names, or have none.
    judged : Judged
        What the command line gives, and what lies beyond healthy variation; `figures` are its figures.
    """

    post: PostParams
    edits: RegionEdits
    prepared: SortedMap
    result: PostResult
    figures: Figures
    mask: NDArray[np.bool_]
    regions: NDArray[np.uint8] | None
    relation: MniRelation
    judged: Judged

    @property
    def found(self) -> PostResult:
        """What the command line gives."""
        return self.judged.result


@dataclass(eq=False)
class Tuning:
    """One anomaly map under its settings.

    Parameters
    ----------
    amap : AnomalyMap
        The raw map; never changed.
    truth : array of bool, shape (i, j, k), optional
        Ground truth.
    post : PostParams
        The settings now.
    edits : RegionEdits
        What was done to its regions by hand so far; has one history with the settings.
    """

    amap: AnomalyMap
    truth: NDArray[np.bool_] | None = None
    post: PostParams = field(default_factory=PostParams)
    edits: RegionEdits = field(default_factory=RegionEdits)
    _past: list[tuple[PostParams, RegionEdits]] = field(default_factory=list)
    _future: list[tuple[PostParams, RegionEdits]] = field(default_factory=list)

    def change(self, post: PostParams | None = None, *, edits: RegionEdits | None = None) -> None:
        """Take other settings or edits, undoably."""
        wanted = self.post if post is None else post, self.edits if edits is None else edits
        if wanted[0] != self.post or wanted[1] is not self.edits:
            self._past.append((self.post, self.edits))
            self._future.clear()
            self.post, self.edits = wanted

    def change_rule(self, moved_to: float | None, post: PostParams | None = None) -> None:
        """Take a threshold that was moved by hand, or keep the rule when None was, with other settings for the rest."""
        rule = self.post.rule if moved_to is None else ThresholdRule("value", moved_to)
        self.change((post or self.post).with_rule(rule))

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier state."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a state that was undone."""
        return bool(self._future)

    def undo(self) -> None:
        """Back to the state before the last change."""
        if self._past:
            self._future.append((self.post, self.edits))
            self.post, self.edits = self._past.pop()

    def redo(self) -> None:
        """The inverse of `undo`."""
        if self._future:
            self._past.append((self.post, self.edits))
            self.post, self.edits = self._future.pop()

    def live_figures(self, figures: LiveFigures) -> Figures:
        """The figures of a moving threshold, volumes in ml."""
        ml = self.amap.grid.voxel_volume_mm3 / 1000.0
        wrong = None if figures.false_positives is None else figures.false_positives * ml
        return Figures(None, figures.flagged * ml, figures.dice, figures.precision, figures.recall, wrong)

    def key(self) -> tuple[object, ...]:
        """What `SortedMap` depends on."""
        return self.post.median, self.post.gaussian_mm, self.post.erode, _Same(self.truth)


def settle(
    amap: AnomalyMap,
    truth: NDArray[np.bool_] | None,
    post: PostParams,
    key: tuple[object, ...],
    prepared: SortedMap | None,
    progress: Progress,
    edits: RegionEdits | None = None,
    scan: Volume | None = None,
) -> Settled:
    """Post-process in the background; takes all it needs as arguments, so that the window may go on changing meanwhile.

    Parameters
    ----------
    amap, truth, post
        See `Tuning`.
    key : tuple
        From `Tuning.key`.
    prepared : SortedMap, optional
        From an earlier run; made anew when its key is another.
    progress : Progress
        Stops the work between its steps.
    edits : RegionEdits, optional
        See `Tuning`.
    scan : Volume, optional
        For a map that has none itself.

    Raises
    ------
    InputError
        If the settings do not fit the map (a rule that needs a truth, say).
    """
    # Imported here, in the job's thread: it brings scipy, which would slow the opening of the dock.
    from ...workflows.detect.detect import judged
    from ...workflows.detect.edges import with_scan

    if prepared is None or prepared.key != key:
        prepared = prepare(amap, truth, post, key, progress)
    progress.update(0.8, "Finding regions")
    found = judged(amap if scan is None else with_scan(amap, scan), post, truth=truth, filtered=prepared.filtered)
    progress.check()
    return _settled(amap, truth, post, prepared, found, edits or RegionEdits())


def settled_with(settled: Settled, amap: AnomalyMap, truth: NDArray[np.bool_] | None, edits: RegionEdits) -> Settled:
    """The same state with other edits; without a merge that is quick enough for the main thread."""
    return _settled(amap, truth, settled.post, settled.prepared, settled.judged, edits)


def _settled(
    amap: AnomalyMap,
    truth: NDArray[np.bool_] | None,
    post: PostParams,
    prepared: SortedMap,
    judged: Judged,
    edits: RegionEdits,
) -> Settled:
    from ...postprocessing.region_edits import edited
    from ...workflows.detect.region_names import mni_relation, with_names

    found = judged.result
    result = with_names(edited(found, edits, amap.grid, truth=truth), amap, judged.reference)
    mask = turned(result.reviewed_mask)
    regions = region_labels(result.labels) if truth is None else None
    figures = replace(figures_of(amap, found, truth), regions=len(result.regions))
    return Settled(post, edits, prepared, result, figures, mask, regions, mni_relation(amap), judged)


def prepare(amap: AnomalyMap, truth: NDArray[np.bool_] | None, post: PostParams, key: tuple[object, ...], progress: Progress) -> SortedMap:
    """Filter and sort a map once, for every threshold that is tried on it; the arguments are those of `settle`."""
    from ...postprocessing.pipeline import filtered_score

    progress.update(0.0, "Filtering the score")
    filtered = filtered_score(amap, post)
    progress.update(0.7, "Sorting the score")
    shown = np.ascontiguousarray(scored(*filtered).T)
    shown_truth = None if truth is None else np.ascontiguousarray(truth.T)
    return SortedMap(filtered, shown, shown_truth, LiveHistogram(*filtered, truth), key)


def figures_of(amap: AnomalyMap, result: PostResult, truth: NDArray[np.bool_] | None) -> Figures:
    """The figures of a finished mask: over the whole volume, as `brain-uad evaluate` counts."""
    from ...evaluation.metrics import count

    ml = amap.grid.voxel_volume_mm3 / 1000.0
    if truth is None:
        return Figures(len(result.regions), int(np.count_nonzero(result.mask)) * ml)
    counts = count(result.mask, truth)
    return Figures(len(result.regions), counts.flagged * ml, counts.dice, counts.precision, counts.recall, counts.fp * ml)


def neighbour(numbers: Sequence[int], current: int | None, step: int) -> int | None:
    """The number before or after `current`, round the ends; the first when none is current."""
    if not numbers:
        return None
    if current not in numbers:
        return numbers[0]
    return numbers[(numbers.index(current) + step) % len(numbers)]
