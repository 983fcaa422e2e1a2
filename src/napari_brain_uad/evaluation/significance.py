"""How sure a mean over scans is, and whether two methods differ by more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

DRAWS = 10_000
"""Of the bootstrap and of the permutation test (Behrendt et al. 2023 use as many)."""

_BLOCK = 4_000_000
"""Numbers drawn at once."""


@dataclass(frozen=True)
class Interval:
    """A mean over scans with its bootstrap interval; the bounds are None for fewer than two scans."""

    mean: float
    low: float | None
    high: float | None
    count: int


def bootstrap_mean(
    values: ArrayLike, *, groups: Sequence[str] | None = None, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval | None:
    """Mean over scans with its percentile-bootstrap interval (Efron 1979): scans are drawn anew, with replacement.

    Parameters
    ----------
    values : array of float, shape (n,)
        One a scan.
    groups : sequence of str, optional
        Whose scan each is: all scans of a subject are drawn together, as they are not independent. Without it each is its own.
    level : float
        Coverage, 0 to 1.

    Returns
    -------
    Interval or None
        None without values. The bounds need two subjects.
    """
    given = np.asarray(values, np.float64)
    return bootstrap_ratio(given, np.ones(given.size), groups=groups, level=level, draws=draws, seed=seed)


def _grouped(values: NDArray[np.float64], groups: Sequence[str] | None) -> NDArray[np.float64]:
    """Sums by group, in the order in which groups first appear."""
    if groups is None:
        return values
    place = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(place) == values.size:
        return values
    sums = np.zeros(len(place))
    np.add.at(sums, [place[group] for group in groups], values)
    return sums


def _draws(size: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Scans drawn with replacement, shape (n, size): in blocks, so that a large cohort needs no more memory than a small one."""
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // size)
    for first in range(0, draws, step):
        yield rng.integers(size, size=(min(step, draws - first), size))


def bootstrap_ratio(
    parts: ArrayLike,
    wholes: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval | None:
    """A share over all scans together, ``sum(parts) / sum(wholes)``, with its percentile-bootstrap interval: scans are drawn anew.

    What lies in one scan (its lesions) is not independent, which is why scans are drawn and not lesions.

    Parameters
    ----------
    parts, wholes : array of float, shape (n,)
        Both of each scan, like lesions found and lesions.
    groups : sequence of str, optional
        See `bootstrap_mean`.

    Returns
    -------
    Interval or None
        `count` is the number of scans whose whole is not 0; None when there is none. The bounds need two subjects.
    """
    part, whole = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    count = int(np.count_nonzero(whole))
    if not count:
        return None
    ratio = float(part.sum() / whole.sum())
    part, whole = _grouped(part, groups), _grouped(whole, groups)
    # Subjects with nothing to count change no share; without them no draw is empty.
    part, whole = part[whole > 0], whole[whole > 0]
    if whole.size < 2:
        return Interval(ratio, None, None, count)
    low, high = _bounds(part.tobytes(), whole.tobytes(), level, draws, seed)
    return Interval(ratio, low, high, count)


@lru_cache(maxsize=256)
def _bounds(parts: bytes, wholes: bytes, level: float, draws: int, seed: int) -> tuple[float, float]:
    """The bootstrap itself. Record, page, tables and terminal ask for the same figures: they are computed once."""
    part, whole = np.frombuffer(parts), np.frombuffer(wholes)
    ratios = np.concatenate([part[drawn].sum(axis=1) / whole[drawn].sum(axis=1) for drawn in _draws(whole.size, draws, seed)])
    low, high = np.percentile(ratios, (50 * (1 - level), 50 * (1 + level)))
    return float(low), float(high)


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve of scans, with its 95 % bootstrap interval and how many scans of either kind there are."""

    area: float
    low: float
    high: float
    healthy: int
    ill: int

    @property
    def words(self) -> str:
        """The area in words."""
        return f"{self.area:.2f} [{self.low:.2f}, {self.high:.2f}] ({self.healthy} healthy, {self.ill} ill)"


def scan_auroc(healthy: ArrayLike, ill: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Auroc | None:
    """How well a score tells ill scans from healthy ones: the share of pairs in which the ill scan scores higher, ties counted half.

    Parameters
    ----------
    healthy, ill : array of float, shape (n,)
        One score a scan.
    draws : int
        Of the bootstrap; healthy and ill scans are drawn anew apart from each other.

    Returns
    -------
    Auroc or None
        None without scans of both kinds.
    """
    negative, positive = np.asarray(healthy, np.float64), np.asarray(ill, np.float64)
    if not negative.size or not positive.size:
        return None
    wins = (positive[:, None] > negative[None]) + 0.5 * (positive[:, None] == negative[None])
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(positive.size, size=(draws, positive.size)), rng.integers(negative.size, size=(draws, negative.size))
    areas = [wins[np.ix_(row, column)].mean() for row, column in zip(rows, columns, strict=True)]
    low, high = (float(bound) for bound in np.percentile(areas, (2.5, 97.5)))
    return Auroc(float(wins.mean()), low, high, int(negative.size), int(positive.size))


def permutation_test(
    first: ArrayLike, second: ArrayLike, *, groups: Sequence[str] | None = None, permutations: int = DRAWS, seed: int = 0
) -> float:
    """Two-sided p-value of "both methods are equally good" from paired figures: signs of the differences are flipped at random.

    All sign patterns are counted when there are no more than `permutations` of them, which makes the value exact; otherwise random
    ones, and the observed one is counted as one of them (Phipson and Smyth 2010), so that p is never 0.

    Parameters
    ----------
    first, second : array of float, shape (n,)
        The two methods' figures on the same scans, in the same order.
    groups : sequence of str, optional
        Whose scan each is: the signs of all scans of a subject are flipped together, as they are not independent.

    Raises
    ------
    InputError
        If there is none, or their numbers differ.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise InputError("Permutation test", why=f"it has {a.size} and {b.size} figures", fix="Give figures of the same scans")
    sums = _grouped(a - b, groups)
    observed = abs(sums.sum())
    if sums.size < 63 and 2**sums.size <= permutations:
        flipped = np.array(list(product((1.0, -1.0), repeat=sums.size))) @ sums
        return float(np.mean(_as_extreme(flipped, observed)))
    rng = np.random.default_rng(seed)
    step, hits = max(1, _BLOCK // sums.size), 0
    for start in range(0, permutations, step):
        signs = rng.choice((1.0, -1.0), size=(min(step, permutations - start), sums.size))
        hits += int(np.count_nonzero(_as_extreme(signs @ sums, observed)))
    return (hits + 1) / (permutations + 1)


def _as_extreme(sums: NDArray[np.float64], observed: float) -> NDArray[np.bool_]:
    # Sums in another order differ in their last bits: what is equal must count as equal.
    return np.asarray(np.abs(sums) >= observed * (1 - 1e-12) - 1e-300)
