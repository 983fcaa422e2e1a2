"""Whether a figure differs between groups of people (scanner, sequence, sex), or goes with a number (age)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_IN_GROUP = 5
"""People in each group. With fewer, no p-value of two groups would survive a correction: of 4 against 4, the smallest is 0.03."""

FEWEST_FOR_TREND = 10
"""People for a correlation."""

EQUAL = "all values are equal"


@dataclass(frozen=True)
class Group:
    """The people of one group: how many, and the median of their figures."""

    name: str
    count: int
    median: float


@dataclass(frozen=True)
class Effect:
    """What a test found.

    Parameters
    ----------
    test : str
        Its name; empty when nothing was tested.
    count : int
        People in the test.
    groups : tuple of Group
        Those in the test; empty for a trend.
    left_out : tuple of Group
        Those that are too small.
    size : float or None
        The size of the effect.
    size_name : str
        What that is, with its range.
    p : float or None
        Two-sided, not corrected.
    why_not : str
        Why nothing was tested; empty when something was.
    """

    test: str = ""
    count: int = 0
    groups: tuple[Group, ...] = ()
    left_out: tuple[Group, ...] = ()
    size: float | None = None
    size_name: str = ""
    p: float | None = None
    why_not: str = ""


def group_effect(values: Mapping[str, Mapping[str, float]]) -> Effect:
    """Do groups differ? Two: Mann and Whitney 1947; more: Kruskal and Wallis 1952. The same people in all groups: see `_paired`.

    Parameters
    ----------
    values : mapping of str to mapping of str to float
        Group to person to figure. Groups under `FEWEST_IN_GROUP` are left out.

    Returns
    -------
    Effect
        Its size is for two groups the rank-biserial correlation ``2 U / (n1 n2) - 1`` (Kerby 2014), positive where the first group has
        the higher figures; for more groups ``epsilon^2 = H / (n - 1)`` (Tomczak and Tomczak 2014).
    """
    from scipy import stats  # here: the command line reads this module before it needs it

    people = [set(own) for own in values.values()]
    if len(people) > 1 and sum(map(len, people)) > len(set().union(*people)):
        return _paired(values)
    groups = [Group(name, len(own), float(np.median(list(own.values())))) for name, own in values.items() if own]
    large = tuple(one for one in groups if one.count >= FEWEST_IN_GROUP)
    small = tuple(one for one in groups if one.count < FEWEST_IN_GROUP)
    if len(large) < 2:
        return Effect(left_out=tuple(groups), why_not=_too_few(groups))
    samples = [np.fromiter(values[one.name].values(), np.float64) for one in large]
    count = sum(one.size for one in samples)
    if np.ptp(np.concatenate(samples)) == 0:
        return Effect(count=count, groups=large, left_out=small, why_not=EQUAL)
    if len(large) == 2:
        found = stats.mannwhitneyu(*samples, alternative="two-sided")
        size = 2 * float(found.statistic) / (samples[0].size * samples[1].size) - 1
        return Effect("Mann-Whitney U", count, large, small, size, "rank-biserial correlation, -1 to 1", float(found.pvalue))
    ranked = stats.kruskal(*samples)
    size = float(ranked.statistic) / (count - 1)
    return Effect("Kruskal-Wallis H", count, large, small, size, "epsilon squared, 0 to 1", float(ranked.pvalue))


def _paired(values: Mapping[str, Mapping[str, float]]) -> Effect:
    """The same people in several groups, like sequences. Two groups: Wilcoxon 1945; more: Friedman 1937. Only who is in all counts.

    The size is the matched-pairs rank-biserial correlation (Kerby 2014), or Kendall's ``W = chi^2 / (n (k - 1))``.
    """
    from scipy import stats  # here: the command line reads this module before it needs it

    # A group of a few would leave only its few people.
    used = {name: own for name, own in values.items() if len(own) >= FEWEST_IN_GROUP}
    small = tuple(Group(name, len(own), float(np.median(list(own.values())))) for name, own in values.items() if own and name not in used)
    both = sorted(set.intersection(*map(set, used.values()))) if len(used) > 1 else []
    table = np.array([[own[person] for person in both] for own in used.values()])
    groups = tuple(Group(name, len(both), float(np.median(row))) for name, row in zip(used, table, strict=True)) if both else ()
    if len(both) < FEWEST_IN_GROUP:
        why = f"{len(both)} people have figures in {'all groups' if len(values) > 2 else 'both groups'}; {FEWEST_IN_GROUP} are needed"
        return Effect(count=len(both), groups=groups, left_out=small, why_not=f"not enough scans: {why}")
    if not (table - table[0]).any():
        return Effect(count=len(both), groups=groups, left_out=small, why_not=EQUAL)
    if len(table) == 2:
        difference = table[0] - table[1]
        ranks = stats.rankdata(np.abs(difference[difference != 0]))
        size = float((ranks * np.sign(difference[difference != 0])).sum() / ranks.sum())
        p = float(stats.wilcoxon(difference).pvalue)
        return Effect("Wilcoxon signed ranks (paired)", len(both), groups, small, size, "rank-biserial correlation, -1 to 1", p)
    found = stats.friedmanchisquare(*table)
    size = float(found.statistic) / (len(both) * (len(table) - 1))
    return Effect("Friedman (paired)", len(both), groups, small, size, "Kendall's W, 0 to 1", float(found.pvalue))


def trend_effect(numbers: ArrayLike, figures: ArrayLike) -> Effect:
    """Does a figure go with a number? Spearman's rank correlation (1904).

    Parameters
    ----------
    numbers, figures : array of float, shape (n,)
        Of each person, in the same order.
    """
    from scipy import stats  # here: the command line reads this module before it needs it

    x, y = np.asarray(numbers, np.float64), np.asarray(figures, np.float64)
    if x.size < FEWEST_FOR_TREND:
        return Effect(count=int(x.size), why_not=f"not enough scans: {x.size} people; {FEWEST_FOR_TREND} are needed")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Effect(count=int(x.size), why_not=EQUAL)
    found = stats.spearmanr(x, y)
    return Effect("Spearman rank correlation", int(x.size), (), (), float(found.statistic), "rho, -1 to 1", float(found.pvalue))


def _too_few(groups: Sequence[Group]) -> str:
    if len(groups) < 2:
        return "only one group has figures" if groups else "it is known of no scan that has the figure"
    told = ", ".join(f"{one.name} {one.count}" for one in groups[:6])
    return f"not enough scans: fewer than two groups of {FEWEST_IN_GROUP} people ({told}{', ...' if len(groups) > 6 else ''})"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for their number (Holm 1979): the chance of any false claim stays at the level that is read.

    Parameters
    ----------
    p_values : array of float, shape (n,)

    Returns
    -------
    array of float, shape (n,)
        In the same order; ``max over smaller p of (n - rank) p``, at most 1.
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * (given.size - np.arange(given.size))))
    return corrected
