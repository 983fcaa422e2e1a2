"""What a person did to regions (accept, reject, note, merge), kept by place: it holds under another threshold, too.

A region has no identity: another threshold finds others, with other numbers. What was said about one is kept with its voxels, and goes
to the region that is found there later if it is still the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from .edits import ACCEPTED, REJECTED, Mark, RegionEdits, Voxels
from .pipeline import PostResult
from .regions import Region, number_regions

SAME = 0.4
"""A region that grew is the same one while its Dice overlap with what it was is at least this: up to four times the size. One that shrank
is the same one however small it is."""

LONGEST_NOTE = 500


def edited(result: PostResult, edits: RegionEdits | None, grid: Grid, *, truth: NDArray[np.bool_] | None = None) -> PostResult:
    """The regions of a result with what a person did to them; mask and score are left as they are.

    Parameters
    ----------
    result : PostResult
        As `postprocess` gave it, under any threshold.
    edits : RegionEdits, optional
        What was done to regions of the same map.
    grid : Grid
        The map's.
    truth : array of bool, shape (i, j, k), optional
        As for `postprocess`.

    Returns
    -------
    PostResult
        Merged regions have one number, their joint volume, and a box around all of them; numbers follow the strength, as ever.
    """
    if not edits:
        return result
    for parts in edits.merges:
        result = _merged(result, parts, grid, truth)
    marks = _marks_of(result, edits.marks)
    regions = tuple(
        region if (mark := marks.get(region.number)) is None else replace(region, review=mark.review, note=mark.note)
        for region in result.regions
    )
    return replace(result, regions=regions)


def marked(
    edits: RegionEdits, result: PostResult, numbers: Iterable[int], *, review: str | None = None, note: str | None = None
) -> RegionEdits:
    """Accept, reject or note regions.

    Parameters
    ----------
    edits : RegionEdits
        What was done so far.
    result : PostResult
        With `edits` in it.
    numbers : iterable of int
        The regions.
    review : str, optional
        "accepted", "rejected" or "" (neither); left as it is when None.
    note : str, optional
        The note, on one line and of 500 characters at most; left as it is when None.
    """
    assert review in (None, "", ACCEPTED, REJECTED)
    said = _marks_of(result, edits.marks)
    marks = list(edits.marks)
    for region in _chosen(result, numbers):
        mark = Mark(
            _voxels(result, region),
            region.review if review is None else review,
            region.note if note is None else " ".join(note.split())[:LONGEST_NOTE],
        )
        old = said.get(region.number)
        marks = [one for one in marks if one is not old] + ([mark] if mark.review or mark.note else [])
    return replace(edits, marks=tuple(marks))


def merged(edits: RegionEdits, result: PostResult, numbers: Iterable[int]) -> RegionEdits:
    """Make one region of several. It keeps their review where they agree, and all their notes; for the parameters see `marked`."""
    chosen = _chosen(result, numbers)
    if len(chosen) < 2:
        return edits
    parts = tuple(_voxels(result, region) for region in chosen)
    reviews = {region.review for region in chosen}
    mark = Mark(
        np.concatenate(parts),
        reviews.pop() if len(reviews) == 1 else "",
        "; ".join(dict.fromkeys(region.note for region in chosen if region.note))[:LONGEST_NOTE],
    )
    old = _marks_of(result, edits.marks)
    gone = {id(old[region.number]) for region in chosen if region.number in old}
    marks = [one for one in edits.marks if id(one) not in gone] + ([mark] if mark.review or mark.note else [])
    return RegionEdits((*edits.merges, parts), tuple(marks))


def cleared(edits: RegionEdits, result: PostResult, numbers: Iterable[int]) -> RegionEdits:
    """Take regions as they were found: without review and note, and not merged; for the parameters see `marked`."""
    without = marked(edits, result, numbers, review="", note="")
    chosen = {region.number for region in _chosen(result, numbers)}
    kept = tuple(parts for parts in edits.merges if not chosen & set(_lying_in(result, np.concatenate(parts))))
    return replace(without, merges=kept)


def review_record(regions: Sequence[Region]) -> dict[str, Any] | None:
    """What was done by hand to these regions, as JSON data; None when nothing was. Who did it is not in it."""
    counts = {
        "accepted": sum(region.review == ACCEPTED for region in regions),
        "rejected": sum(region.review == REJECTED for region in regions),
        "merged": sum(region.parts > 1 for region in regions),
        "with a note": sum(bool(region.note) for region in regions),
    }
    return counts if any(counts.values()) else None


def _chosen(result: PostResult, numbers: Iterable[int]) -> list[Region]:
    wanted = set(numbers)
    return [region for region in result.regions if region.number in wanted]


def _voxels(result: PostResult, region: Region) -> Voxels:
    inside = np.argwhere(result.labels[region.slices] == region.number) + [side.start for side in region.slices]
    return np.asarray(np.ravel_multi_index(tuple(inside.T), result.labels.shape), dtype=np.int64)


def _overlaps(result: PostResult, voxels: Voxels) -> dict[int, int]:
    """How many of the voxels lie in each region."""
    values = result.labels[np.unravel_index(voxels, result.labels.shape)]
    numbers, counts = np.unique(values[values > 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _same_regions(result: PostResult, places: Sequence[Voxels]) -> dict[int, int]:
    """Which place is which region: number of the region to position in `places`; the closest pairs first, each at most once."""
    sizes = {region.number: region.voxels for region in result.regions}
    pairs = []
    for place, voxels in enumerate(places):
        for number, count in _overlaps(result, voxels).items():
            dice = 2.0 * count / (voxels.size + sizes[number])
            if dice >= SAME or 2 * count >= sizes[number]:
                pairs.append((-dice, number, place))
    found: dict[int, int] = {}
    for _, number, place in sorted(pairs):
        if number not in found and place not in found.values():
            found[number] = place
    return found


def _marks_of(result: PostResult, marks: Sequence[Mark]) -> Mapping[int, Mark]:
    return {number: marks[place] for number, place in _same_regions(result, [mark.voxels for mark in marks]).items()}


def _lying_in(result: PostResult, voxels: Voxels) -> list[int]:
    """The regions that lie in these voxels with half of theirs or more."""
    sizes = {region.number: region.voxels for region in result.regions}
    return [number for number, count in _overlaps(result, voxels).items() if 2 * count >= sizes[number]]


def _merged(result: PostResult, parts: Sequence[Voxels], grid: Grid, truth: NDArray[np.bool_] | None) -> PostResult:
    """A result in which these places are one region: what is still the same as one of them, and what lies in one of them."""
    members = sorted({*_same_regions(result, parts), *_lying_in(result, np.concatenate(parts))})
    if len(members) < 2:
        return result
    known = {region.number: region for region in result.regions}
    labels = result.labels.copy()
    for number in members[1:]:
        own = labels[known[number].slices]
        own[own == number] = members[0]
    numbered, regions = number_regions(labels, result.score, grid, truth=truth, threshold=result.threshold.value)
    # Merges and renumbering keep every other region's voxels: its highest voxel tells which one it was.
    before = {region.peak_index: region for region in result.regions}
    inside = [known[number] for number in members]
    least = min(inside, key=lambda one: (one.p_value is None, one.p_value, not one.verdict))
    before |= dict.fromkeys((one.peak_index for one in inside), replace(least, parts=sum(one.parts for one in inside)))
    kept = [before[region.peak_index] for region in regions]
    regions = tuple(
        replace(region, parts=one.parts, p_value=one.p_value, verdict=one.verdict) for region, one in zip(regions, kept, strict=True)
    )
    return replace(result, regions=regions, labels=numbered)
