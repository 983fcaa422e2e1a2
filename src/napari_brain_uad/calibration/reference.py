"""A healthy reference: how healthy brains score by one method, and what follows for thresholds and p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.errors import InputError
from ..core.text import counted
from ..core.threshold import DEFAULT_ML, HEALTHY_ML, ThresholdRule
from .measure import PROBABILITIES
from .places import HealthyPlaces

KINDS = {
    "real": "healthy brain",
    "part": "lesion-free part",
    "carried": "contrast-transferred healthy brain",
    "simulated": "simulated brain",
}
"""What a scan of a reference may be, and the words for one. part: the lesion-free parts of a real scan; carried: a real scan of another
sequence with the contrast of this one. Both count for volumes, and not for the largest region of a brain: no p-value rests on them."""

ROUNDING = ("precision",)
"""Settings of the arithmetic alone: maps that differ in them (by 2 % at most, docs/learned_methods.md) are compared all the same."""

ALPHA = 0.05
"""A region is beyond healthy variation from this p-value down."""

FEWEST_REAL = 8
"""From so many real brains on those of other kinds (`_for_volumes`) have no say in thresholds."""

_FACTOR = 9.0
"""Voxels of a healthy scan and of the scan judged may differ in volume by this factor: 1 mm stands in for 2 mm (docs/calibration.md)."""

_AGES, _FEWEST_OF_AGE = 10.0, 10
"""Similar is an age within so many years; fewer healthy brains of similar age are not enough to compare with."""


@dataclass(frozen=True)
class HealthyScan:
    """What is known of one scan of a reference; no name.

    Parameters
    ----------
    person : int
        The same number for scans of the same person.
    kind : str
        One of `KINDS`.
    voxel_mm3 : float
        Volume of a voxel.
    brain_ml : float
        Volume of the brain that was judged.
    age : float or None
        In years.
    """

    person: int
    kind: str
    voxel_mm3: float
    brain_ml: float
    age: float | None = None


@dataclass(frozen=True, eq=False)
class HealthyReference:
    """How healthy brains score by one method on one sequence.

    Parameters
    ----------
    title : str
        Who they are, in words, with source and licence.
    method, sequence : str
        What it is for.
    params : mapping
        The method's settings.
    weights_sha256 : str
        Of the arrays that the method scored with (`core.provenance.state_sha256`); empty for methods that learn nothing.
    model_sha256 : str
        Of the model's file; empty likewise.
    post : mapping
        The clean-up that was applied, as `PostParams` without its threshold.
    scans : tuple of HealthyScan
        Who.
    levels : array of float32, shape (k,)
        Thresholds, ascending.
    curves : mapping of str to array of float32, shape (n, k)
        See `measure.CURVES`.
    quantiles : array of float32, shape (n, q)
        Of each brain's scores, at `measure.PROBABILITIES`.
    sha256 : str
        Of its content, as sealed; empty while it is only in memory.
    sources : frozenset of str
        SHA-256 of the scans' voxels while it is only in memory; no file has them.
    places : HealthyPlaces or None
        How its brains score on average at every place of MNI152, of those whose way there is known; None without any.
    """

    title: str
    method: str
    sequence: str
    params: Mapping[str, Any]
    weights_sha256: str
    model_sha256: str
    post: Mapping[str, Any]
    scans: tuple[HealthyScan, ...]
    levels: NDArray[np.float32]
    curves: Mapping[str, NDArray[np.float32]]
    quantiles: NDArray[np.float32]
    sha256: str = ""
    places: HealthyPlaces | None = None
    sources: frozenset[str] = frozenset()

    @property
    def default(self) -> ThresholdRule:
        """The rule of a method that has a reference: one volume for all."""
        return ThresholdRule(HEALTHY_ML, DEFAULT_ML)

    @property
    def sets_default(self) -> bool:
        """See `core.threshold.Healthy`: measured on a tumour, a threshold from simulated brains was worse than the method's own."""
        return all(scan.kind != "simulated" for scan in self._for_volumes().scans)

    @property
    def default_words(self) -> str:
        """The default threshold and where it comes from, or why the method keeps its own rule."""
        if not self.sets_default:
            real = self._people("real", "carried")
            return f"No default threshold: simulated brains set none, and the other {counted(real, 'brain')} are fewer than {FEWEST_REAL}"
        value, origin = self.threshold(self.default)
        return f"Default threshold: {value:.4g} ({origin})"

    @property
    def real(self) -> int:
        """How many whole real brains there are, one a person: those that p-values count."""
        return self._people("real")

    @property
    def words(self) -> str:
        """How many brains of which kind, each counted once at whatever voxel sizes it is there."""
        counts = {kind: self._people(kind) for kind in KINDS}
        told = [counted(count, KINDS[kind]) for kind, count in counts.items() if count]
        return " and ".join(told)

    @property
    def smallest_p(self) -> float | None:
        """The smallest p-value that so many brains allow; None without a real one."""
        return 1.0 / (self.real + 1) if self.real else None

    @property
    def smallest_p_words(self) -> str:
        """The same in words, and whether a scan can be called unusual at all."""
        if self.smallest_p is None:
            return "No p-values: no real brain"
        told = f"Smallest p-value that {counted(self.real, 'brain')} allow{'s' if self.real == 1 else ''}: {self.smallest_p:.2g}"
        needed = f"; no scan can be called unusual at p = {ALPHA:g}, which takes {math.ceil(1.0 / ALPHA) - 1} brains"
        return told + (needed if self.smallest_p > ALPHA else "")

    @property
    def places_words(self) -> str:
        """Of how many people there is a mean map in MNI152; empty without one."""
        return "" if self.places is None else f"Mean map in MNI152: of {counted(self.places.people, 'brain')}"

    def of(self, keep: Sequence[bool]) -> HealthyReference:
        """The same with some of its scans only; the mean map stays that of all."""
        chosen = np.asarray(keep, bool)
        scans = tuple(scan for scan, kept in zip(self.scans, chosen, strict=True) if kept)
        curves = {name: values[chosen] for name, values in self.curves.items()}
        return replace(self, scans=scans, curves=curves, quantiles=self.quantiles[chosen])

    def like(self, voxel_mm3: float) -> HealthyReference | None:
        """Each person at the voxel size closest to a scan's, where it is close enough; None when nobody is."""
        distance = np.abs(np.log([scan.voxel_mm3 / voxel_mm3 for scan in self.scans]))
        subjects = np.array([scan.person for scan in self.scans])
        keep = np.zeros(len(self.scans), bool)
        for person in np.unique(subjects):
            own = np.flatnonzero(subjects == person)
            closest = own[np.argmin(distance[own])]
            keep[closest] = distance[closest] <= math.log(_FACTOR)
        return self.of(keep.tolist()) if keep.any() else None

    def of_age(self, age: float | None) -> tuple[HealthyReference, str]:
        """Those of similar age, where there are enough, and in words what was done."""
        if age is None:
            return self, ""
        near = [scan.age is not None and abs(scan.age - age) <= _AGES for scan in self.scans]
        count = sum(close and scan.kind == "real" for close, scan in zip(near, self.scans, strict=True))
        if count >= _FEWEST_OF_AGE:
            return self.of(near), f"compared with the {count} within {_AGES:g} years of age"
        known = sum(scan.age is not None for scan in self.scans)
        why = "their ages are not known" if not known else f"only {count} of them are within {_AGES:g} years"
        return self, f"not compared by age: {why}"

    def threshold(self, rule: ThresholdRule) -> tuple[float, str]:
        """The score that a rule asks for, and in words where it came from.

        Raises
        ------
        InputError
            If there are too few brains for the rate that ``fdr`` asks, or ``healthy-fpr`` needs a threshold below all that are known.
        """
        number = float(rule.number or 0.0)
        scans = self._for_volumes()
        if rule.kind == "healthy-fpr":
            shares = scans.curves["flagged_ml"].sum(axis=0) / sum(scan.brain_ml for scan in scans.scans)
            if shares.max() < number:
                lowest = f"the lowest, {self.levels[0]:.4g}, flags {100 * shares[0]:.2g} % of {scans.words}"
                why = f"thresholds so low were not looked at: {lowest}"
                tenths = 10.0 ** math.ceil(2.0 - math.log10(max(shares[0], 1e-9)))
                raise InputError(f"Threshold '{rule}'", why=why, fix=f"Ask for {math.floor(shares[0] * tenths + 1e-6) / tenths:g} or less")
            return scans._crossing(shares, number), f"flags {100 * number:g} % of {scans.words} after the clean-up"
        if rule.kind == "fdr":
            self._check_rate(number)
            rule, number = self.default, float(self.default.number or 0.0)
        curve = scans.flagged_on_average()
        most = "" if curve.max() >= number else f": {curve[0]:.2g} ml, at the lowest threshold looked at"
        return scans._crossing(curve, number), f"shows {number:g} ml{' at most' if most else ''} in an average brain of {scans.words}{most}"

    def flagged_on_average(self) -> NDArray[np.float64]:
        """Volume (ml) that an average whole brain shows at every threshold, shape (k,); parts of brains count as parts."""
        brains = np.array([scan.brain_ml for scan in self.scans])
        whole = [scan.brain_ml for scan in self.scans if scan.kind != "part"]
        size = np.median(whole) if whole else brains.max()
        total = self.curves["flagged_ml"].sum(axis=0, dtype=np.float64)
        share = sum(1.0 if scan.kind != "part" else scan.brain_ml / size for scan in self.scans)
        return np.asarray(total / share)

    def expected(self, edges: NDArray[np.float64], voxels: int) -> NDArray[np.float64]:
        """How many voxels an average healthy brain of this many would have between each pair of scores, shape (len(edges) - 1,)."""
        shares = np.mean([np.interp(edges, own, PROBABILITIES, left=0.0, right=1.0) for own in self.quantiles], axis=0)
        return np.asarray(np.diff(shares) * voxels)

    def strongest(self, threshold: float, kind: str = "real") -> NDArray[np.float32]:
        """Strength of the strongest region of every brain of a kind at a threshold, shape (n,).

        Between two thresholds of the grid those at the lower one are taken: regions are stronger there, and p-values no smaller than they
        should be.

        Raises
        ------
        InputError
            If the threshold lies below the grid.
        """
        place = int(np.searchsorted(self.levels, np.float32(threshold), side="right")) - 1
        if place < 0:
            raise InputError(
                "Healthy reference", why=f"nothing is known of thresholds below {self.levels[0]:.4g}", fix="Raise the threshold"
            )
        wanted = [scan.kind == kind for scan in self.scans]
        return np.asarray(self.curves["strength"][wanted, place])

    def p_values(self, strengths: Sequence[float], threshold: float) -> NDArray[np.float64] | None:
        """Conformal p-value of each region against the strongest region of every healthy brain; None without a real brain.

        (1 + brains whose strongest region is at least as strong) / (n + 1): a region of a healthy scan exchangeable with these has a value
        of at most p with probability at most p, even if it is that scan's strongest (Vovk et al. 2005; Bates et al. 2023).
        """
        if not self.real:
            return None
        healthy = np.sort(self.strongest(threshold))
        # Kept in float32: compared with what was rounded alike.
        stronger = healthy.size - np.searchsorted(healthy, np.asarray(strengths, np.float32), side="left")
        return np.asarray((1.0 + stronger) / (healthy.size + 1.0))

    def discoveries(self, strengths: Sequence[float], threshold: float, rate: float) -> NDArray[np.bool_]:
        """Regions that differ from healthy ones at a false discovery rate (Benjamini-Hochberg over the regions' p-values).

        Raises
        ------
        InputError
            If there are too few healthy brains for this rate.
        """
        from scipy.stats import false_discovery_control

        self._check_rate(rate)
        p = self.p_values(strengths, threshold)
        if p is None or not p.size:
            return np.zeros(len(strengths), bool)
        return np.asarray(false_discovery_control(p, method="bh") <= rate)

    def _check_rate(self, rate: float) -> None:
        needed = math.ceil(1.0 / rate - 1e-9) - 1 if rate > 0 else 0
        if rate <= 0 or self.real < needed:
            smallest = self.smallest_p
            there = "no real healthy brain" if smallest is None else f"{self.real} real healthy brains: no p-value below {smallest:.2g}"
            wanted = f"it needs {needed}, and " if rate > 0 else ""
            fix = "Ask for a higher rate, or add scans" if self.real else "Choose a rule that needs no p-values, like healthy-ml:3"
            raise InputError(f"Threshold 'fdr:{rate:g}'", why=f"{wanted}the reference has {there}", fix=fix)

    def _people(self, *kinds: str) -> int:
        return len({scan.person for scan in self.scans if scan.kind in kinds})

    def _for_volumes(self) -> HealthyReference:
        """Whose volumes thresholds are set by: real brains where there are enough, else carried ones too, else simulated ones too."""
        carried = self._people("carried")
        for count, others in ((self.real, ("carried", "simulated")), (self.real + carried, ("simulated",))):
            if count >= FEWEST_REAL:
                return self.of([scan.kind not in others for scan in self.scans])
        return self

    def _crossing(self, curve: NDArray[np.floating[Any]], allowed: float) -> float:
        """The lowest score from which on a falling curve stays within what is allowed; between thresholds in its logarithm."""
        over = np.flatnonzero(curve > allowed * (1.0 + 1e-6) + 1e-9)
        if not over.size:
            return float(self.levels[0])
        place = int(over[-1])
        if place + 1 == self.levels.size:
            return float(self.levels[-1])
        (high, low), (left, right) = curve[place : place + 2], self.levels[place : place + 2]
        if low <= 0.0 or allowed <= 0.0:
            return float(right)
        part = (math.log(high) - math.log(allowed)) / (math.log(high) - math.log(low))
        return float(left + part * (right - left))


def settings_of(amap: AnomalyMap) -> dict[str, Any]:
    """The settings that a map's record names, without those of the arithmetic; a file's record may hold anything in their place."""
    said = amap.provenance.get("method", {}).get("params")
    return {name: value for name, value in said.items() if name not in ROUNDING} if isinstance(said, Mapping) else {}
