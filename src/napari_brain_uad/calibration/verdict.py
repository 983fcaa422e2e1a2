"""The verdict on a scan: what in it lies beyond healthy variation, or why nothing can be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.errors import InputError
from ..core.params import same_value
from ..core.text import counted
from ..postprocessing.params import FILTERS
from ..postprocessing.pipeline import PostResult
from .measure import PROBABILITIES
from .reference import ALPHA as ALPHA
from .reference import FEWEST_REAL, KINDS, ROUNDING, HealthyReference, settings_of

_STRONGER = "stronger, by size and score together, than anything in"

_WEAKER = "This does not mean that there is no lesion: lower the threshold to look at weaker regions"

_NOTHING_LEFT = "no region is left at the threshold that was given"

_BULK = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Verdict:
    """What can be said of a scan beside healthy brains.

    Parameters
    ----------
    reference : str
        Whom it was compared with, in words; empty without a reference.
    why_not : str
        Why nothing can be said; empty where something can.
    healthy : int
        Whole real brains compared with.
    p : float or None
        Of the scan: that of its strongest region; 1 without a region at a threshold that healthy brains set. None where there is none to
        give.
    smallest_p : float or None
        The smallest p-value that so many brains allow.
    region_p : tuple of float or None
        Of each region, in the order of the regions.
    strength : float
        Of the strongest region; see `rank`.
    stand_ins : int
        Other brains compared with, where there is no real one.
    stand_in_kind : str
        "carried" or "simulated", see `reference.KINDS`.
    unusual : tuple of bool
        Which regions lie beyond healthy variation, as far as so many brains can tell, or are stronger than any in the stand-ins; no p-value
        follows from the latter.
    notes : tuple of str
        What else has to be known: ages, clean-up, simulated brains.
    sha256 : str
        Of the reference.
    fix : str
        What to do where nothing can be said, if there is something.
    """

    reference: str = ""
    why_not: str = ""
    healthy: int = 0
    p: float | None = None
    smallest_p: float | None = None
    region_p: tuple[float | None, ...] = ()
    strength: float = 0.0
    stand_ins: int = 0
    stand_in_kind: str = ""
    unusual: tuple[bool, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str = ""
    fix: str = ""

    @property
    def applies(self) -> bool:
        """Whether there is something to say."""
        return not self.why_not

    @property
    def rank(self) -> float | None:
        """What scans are ranked by: the strength, 0 without a region; None where it cannot be compared with that of other brains."""
        return self.strength if self.applies or self.why_not == _NOTHING_LEFT else None

    @property
    def beyond(self) -> int:
        """How many regions lie beyond healthy variation, or beyond all stand-ins."""
        return sum(self.unusual)

    @property
    def rests_on_enough(self) -> bool:
        """Whether it was compared with as many brains as a default threshold needs, none of them simulated."""
        return max(self.healthy, self.stand_ins if self.stand_in_kind == "carried" else 0) >= FEWEST_REAL

    @property
    def line(self) -> str:
        """The verdict in one sentence."""
        if self.why_not:
            return f"No verdict: {self.why_not}"
        if self.p is None or self.smallest_p is None:
            return f"{self._beyond_stand_ins}; there is no real healthy brain of this sequence to give a p-value"
        if not self.beyond:
            stronger = round(self.p * (self.healthy + 1)) - 1
            if not self.region_p:
                return "Nothing beyond healthy variation: no region is left at a threshold that healthy brains set"
            told = f"{stronger} of {self.healthy} healthy brains have a stronger region than its strongest"
            return f"Nothing beyond healthy variation: {told} (p = {self.p:.2g})"
        few = "" if self.smallest_p <= ALPHA else f"; too few to call it unusual at p = {ALPHA:g}"
        least = ", the smallest that so many allow" if round(self.p * (self.healthy + 1)) == 1 else ""
        return f"{self._beyond_words} (p = {self.p:.2g}{least}{few})"

    @property
    def short(self) -> str:
        """The verdict where there is room for few words, which `line` explains; where there is none, why, and what to do."""
        if self.why_not:
            return ". ".join(filter(None, (self.line, self.fix)))
        if self.p is None or self.smallest_p is None:
            return self._beyond_stand_ins
        return f"{self._beyond_words if self.beyond else 'Nothing beyond healthy variation'} (p = {self.p:.2g})"

    @property
    def advice(self) -> str:
        """What to do where nothing is beyond healthy variation, as the scan may be ill all the same, or nothing can be said; else empty."""
        return _WEAKER if self.applies and not self.beyond else self.fix

    @property
    def _beyond_words(self) -> str:
        """Which regions lie beyond how many healthy brains; where some do."""
        highest = max(p for p, beyond in zip(self.region_p, self.unusual, strict=True) if beyond and p is not None)
        stronger = round(highest * (self.healthy + 1)) - 1
        them = f"all {self.healthy}" if not stronger else f"at least {self.healthy - stronger} of {self.healthy}"
        return f"{counted(self.beyond, 'region')} beyond {them} healthy brains"

    @property
    def _beyond_stand_ins(self) -> str:
        found = counted(self.beyond, "region") if self.beyond else "No region"
        return f"{found} beyond all {counted(self.stand_ins, KINDS[self.stand_in_kind])}"

    @property
    def details(self) -> str:
        """The reference, and what else has to be known; empty without a reference."""
        told = [f"Compared with {self.reference}"] if self.reference else []
        return ". ".join([*told, *(note[:1].upper() + note[1:] for note in self.notes)])

    def region_words(self, number: int) -> str:
        """What is said of region `number`, from 1; empty where there is nothing to say."""
        p = self.region_p[number - 1] if number <= len(self.region_p) else None
        if p is None:
            strongest = bool(self.stand_ins) and number <= len(self.unusual) and self.unusual[number - 1]
            return f"{_STRONGER} {counted(self.stand_ins, KINDS[self.stand_in_kind])}" if strongest else ""
        stronger = round(p * (self.healthy + 1)) - 1
        if self.unusual[number - 1]:
            return f"{_STRONGER} {self.healthy - stronger} of {self.healthy} healthy brains (p = {p:.2g})"
        return f"{stronger} of {self.healthy} healthy brains have a stronger region (p = {p:.2g})"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON data."""
        return {
            "verdict": self.line,
            "applies": self.applies,
            "p": self.p,
            "smallest_p": self.smallest_p,
            "healthy_brains": self.healthy,
            "regions_beyond": None if self.p is None else self.beyond,
            "strength": self.strength,
            "stand_in_brains": self.stand_ins,
            "stand_in_kind": self.stand_in_kind,
            "regions_beyond_stand_ins": self.beyond if self.stand_ins else 0,
            "reference": self.reference,
            "reference_sha256": self.sha256,
            "notes": list(self.notes),
        }


NOT_COMPARED = Verdict(why_not="it was not compared with healthy brains")
"""Of a result that nobody judged."""


def with_p_values(result: PostResult, verdict: Verdict) -> PostResult:
    """The result with its regions' p-values, and what they mean in words."""
    pairs = zip(result.regions, verdict.region_p or (None,) * len(result.regions), strict=True)
    regions = [replace(region, p_value=p, verdict=verdict.region_words(number)) for number, (region, p) in enumerate(pairs, start=1)]
    return replace(result, regions=tuple(regions))


def joined(verdict: Verdict, parts: Sequence[Sequence[int]], notes: Sequence[str]) -> Verdict:
    """The verdict on regions that hold these regions, by number from 1; of several the least likely counts. With what has to be known."""
    if not verdict.region_p:
        return replace(verdict, notes=(*verdict.notes, *notes))  # nothing is said of single regions
    p = [min((one for one in (verdict.region_p[number - 1] for number in own) if one is not None), default=None) for own in parts]
    unusual = tuple(any(verdict.unusual[number - 1] for number in own) for own in parts)
    return replace(verdict, region_p=tuple(p), unusual=unusual, notes=(*verdict.notes, *notes))


def judge(
    result: PostResult, reference: HealthyReference | None, *, why_none: str = "", note: str = "", age: float | None = None, fix: str = ""
) -> Verdict:
    """Compare what was found in a scan with what the same method finds in healthy brains.

    Parameters
    ----------
    result : PostResult
        What was found, at any threshold.
    reference : HealthyReference or None
        Of the same method, model and sequence, as `fitting` gave it.
    why_none, note : str
        Why nothing can be said, if so; what has to be known.
    age : float, optional
        Of the person scanned, in years.
    fix : str
        What to do where there is no reference.
    """
    if reference is None:
        return Verdict(why_not=why_none or "there is no healthy reference", notes=(note,) if note else (), fix=fix)
    chosen, told = reference.of_age(age)
    strengths = [region.strength for region in result.regions]
    notes = [note for note in (told, note) if note]
    if chosen.real and chosen.real < len(chosen.scans):
        there = {scan.kind for scan in chosen.scans} - {"real"}
        without = [f"{words}s" for kind, words in KINDS.items() if kind in there]
        notes.append(f"{' and '.join(without)} count for no p-value")
    base = Verdict(reference.title, strength=max(strengths, default=0.0), notes=tuple(notes), sha256=reference.sha256)
    if why_none or result.threshold.per_slice is not None:
        return replace(base, why_not=why_none or "the threshold differs from slice to slice")
    if not strengths and not result.threshold.rule.needs_healthy:
        # Nothing lies above a threshold that is high enough, in any brain: that says nothing of this one.
        return replace(base, why_not=_NOTHING_LEFT)
    kind = "carried" if any(scan.kind == "carried" for scan in chosen.scans) else "simulated"
    try:
        p = chosen.p_values(strengths, result.threshold.value)
        others = chosen.strongest(result.threshold.value, kind)
    except InputError as error:
        return replace(base, why_not=error.why)
    if p is None:
        beyond = tuple(bool(np.float32(one) > others.max(initial=0.0)) for one in strengths)
        return replace(base, region_p=(None,) * len(strengths), stand_ins=others.size, stand_in_kind=kind, unusual=beyond)
    scan = float(p.min()) if p.size else 1.0
    found = tuple(float(one) for one in p)
    beyond = tuple(one <= max(ALPHA, chosen.smallest_p or 0.0) for one in found)
    return replace(base, healthy=chosen.real, p=scan, smallest_p=chosen.smallest_p, region_p=found, unusual=beyond)


def fitting(
    reference: HealthyReference, amap: AnomalyMap, score: NDArray[np.float32], brain: NDArray[np.bool_], post: Mapping[str, Any]
) -> tuple[HealthyReference | None, str]:
    """The part of a reference that a scan can be compared with, and why no verdict follows, where none does.

    Where most of the brain scores unlike any healthy brain, as with a large tumour, thresholds of the reference still hold better than a
    part of the brain that is flagged whatever it shows, but its p-values mean nothing: then there are both, the part and the reason. Unless
    more than a quarter of the brain would be flagged: such scores are on another scale.

    Parameters
    ----------
    score, brain : array, shape (i, j, k)
        Filtered score and brain of the scan.
    post : mapping
        The clean-up that is asked for.
    """
    why = misfit(reference, amap.provenance.get("input", {}).get("sequence") or "", settings_of(amap), post)
    if why:
        return None, why
    near = reference.like(amap.grid.voxel_volume_mm3)
    if near is None:
        sizes = [scan.voxel_mm3 for scan in reference.scans]
        own = f"{amap.grid.voxel_volume_mm3:.3g} mm\u00b3"
        return (
            None,
            f"the healthy reference does not apply: its voxels have {min(sizes):.3g} to {max(sizes):.3g} mm\u00b3, this scan's {own}",
        )
    if not _looks_alike(near, score[brain]):
        unlike = "most of this brain scores unlike any healthy brain in it"
        if float(np.quantile(score[brain], _BULK[-1])) < near.threshold(near.default)[0]:
            return near, f"of the healthy reference only thresholds are taken: {unlike}"
        return None, f"the healthy reference does not apply: {unlike}"
    return near, ""


def misfit(reference: HealthyReference, sequence: str, params: Mapping[str, Any], post: Mapping[str, Any]) -> str:
    """Why a reference says nothing of scans of this sequence with these settings, whatever their maps look like; empty where it may.

    Parameters
    ----------
    sequence : str
        Empty where it is not known.
    params, post : mapping
        The method's settings, and the clean-up that is asked for.
    """
    if sequence != reference.sequence:
        return f"the healthy reference is for {reference.sequence}, and this scan is {sequence or 'of unknown sequence'}"
    asked = {name: value for name, value in reference.params.items() if name not in ROUNDING}
    other = [name for name, value in asked.items() if not same_value(params.get(name), value)]
    if other:
        return f"the healthy reference was made with another {other[0]} ({reference.params[other[0]]})"
    changed = [name for name in FILTERS if post[name] != reference.post[name]]
    return f"the healthy reference was made with another {changed[0]} ({reference.post[changed[0]]})" if changed else ""


def clean_up_note(reference: HealthyReference, post: Mapping[str, Any]) -> str:
    """What of the clean-up is not as in the reference."""
    changed = [name for name, value in reference.post.items() if name not in FILTERS and post[name] != value]
    told = ", ".join(f"{name} {reference.post[name]}" for name in changed)
    return f"the reference was made with another clean-up ({told})" if changed else ""


def _looks_alike(reference: HealthyReference, scores: NDArray[np.float32]) -> bool:
    """Whether the bulk of the scores lies where it does in healthy brains.

    Room on either side: twice the spread of the healthy brains, or a quarter of the way from their median to the default threshold. A bulk
    that is that far from what is flagged does not change what the tail means.
    """
    places = [int(np.flatnonzero(np.isclose(PROBABILITIES, p))[0]) for p in _BULK]
    own = np.quantile(scores, _BULK)
    healthy = reference.quantiles[:, places]
    low, high = healthy.min(axis=0), healthy.max(axis=0)
    threshold, _ = reference.threshold(reference.default)
    room = np.maximum(2.0 * (high - low), 0.25 * max(threshold - float(np.median(healthy)), 0.0))
    return bool(((own >= low - room) & (own <= high + room)).all())
