"""Effects of groups and numbers, against counting, textbook formulas and other programs' words."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from napari_brain_uad.evaluation.effects import EQUAL, group_effect, holm, trend_effect


def _group(values: list[float], first: int = 0) -> dict[str, float]:
    return {f"p{first + number}": value for number, value in enumerate(values)}


def test_two_groups_by_counting_all_orders() -> None:
    a, b = [0.9, 0.8, 0.7, 0.55, 0.5, 0.2], [0.6, 0.4, 0.3, 0.1, 0.05]
    found = group_effect({"a": _group(a), "b": _group(b, 10), "few": _group([1.0, 2.0], 20)})
    wins = sum(x > y for x in a for y in b)
    assert found.size == pytest.approx(2 * wins / 30 - 1)
    both = np.array(a + b)
    us = [sum(x > y for x in both[list(own)] for y in np.delete(both, list(own))) for own in combinations(range(11), 6)]
    p = np.mean([abs(u - 15) >= abs(wins - 15) for u in us])
    assert found.p == pytest.approx(p)
    assert (found.test, found.count) == ("Mann-Whitney U", 11)
    assert [(one.name, one.count, one.median) for one in found.groups] == [("a", 6, pytest.approx(0.625)), ("b", 5, 0.3)]
    assert [(one.name, one.count) for one in found.left_out] == [("few", 2)]


def test_three_groups_by_the_formula() -> None:
    rng = np.random.default_rng(2)
    groups = [rng.normal(shift, 1, size) for shift, size in ((0, 7), (0.5, 6), (1.5, 9))]
    found = group_effect({f"g{n}": _group(list(values), 100 * n) for n, values in enumerate(groups)})
    ranks = np.argsort(np.argsort(np.concatenate(groups))) + 1.0
    parts = np.split(ranks, [7, 13])
    h = 12 / (22 * 23) * sum(part.sum() ** 2 / part.size for part in parts) - 3 * 23
    assert found.size == pytest.approx(h / 21)
    assert found.p == pytest.approx(np.exp(-h / 2))  # chi squared with two degrees of freedom


def test_the_same_people_in_both_groups_are_compared_in_pairs() -> None:
    first = _group([0.5, 0.6, 0.7, 0.8, 0.9, 0.3])
    second = {person: value - 0.1 * (1 + number) for number, (person, value) in enumerate(first.items())}
    second["p5"] = 0.35  # the other way, by the smallest of the differences
    found = group_effect({"FLAIR": {**first, "alone": 9.0}, "T2": second})
    assert (found.test, found.count) == ("Wilcoxon signed ranks (paired)", 6)
    assert found.size == pytest.approx((2 + 3 + 4 + 5 + 6 - 1) / 21)
    assert found.p == pytest.approx(2 * 2 / 2**6)  # of all signs, only none and this one are so extreme, on either side
    three = group_effect({"FLAIR": first, "T1": {one: value - 1 for one, value in first.items()}, "T2": second})
    assert (three.test, three.count) == ("Friedman (paired)", 6)
    rank_sums = np.array([5 * 3 + 2, 6 * 1, 5 * 2 + 3])
    chi2 = 12 / (6 * 3 * 4) * (rank_sums**2).sum() - 3 * 6 * 4
    assert three.size == pytest.approx(chi2 / (6 * 2))
    assert three.p == pytest.approx(np.exp(-chi2 / 2))


def test_too_few_people_get_no_p() -> None:
    for found in (
        group_effect({"a": _group([0.1] * 4), "b": _group([0.2] * 9, 10)}),
        group_effect({"a": _group([0.1, 0.2, 0.3, 0.4]), "b": _group([0.2, 0.3, 0.1, 0.5])}),
        trend_effect(range(9), range(9)),
    ):
        assert (found.p, found.size, found.test) == (None, None, "")
        assert "not enough scans" in found.why_not
    assert "a 4, b 9" in group_effect({"a": _group([0.1] * 4), "b": _group([0.2] * 9, 10)}).why_not
    assert group_effect({"a": _group([0.1] * 9)}).why_not == "only one group has figures"
    assert group_effect({}).why_not
    same = _group([0.5] * 6)
    assert {group_effect({"a": same, "b": _group([0.5] * 6, 10)}).why_not, group_effect({"a": same, "b": same}).why_not} == {EQUAL}
    assert trend_effect([1.0] * 12, range(12)).why_not == EQUAL


def test_a_trend_by_ranks() -> None:
    rng = np.random.default_rng(1)
    age, figure = rng.uniform(20, 80, 15), rng.normal(size=15)
    figure += age / 60
    ranks = [np.argsort(np.argsort(one)) for one in (age, figure)]
    found = trend_effect(age, np.exp(figure))  # ranks alone count
    assert found.size == pytest.approx(1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (15 * 224))
    shuffled = np.array([np.corrcoef(ranks[0], rng.permutation(ranks[1]))[0, 1] for _ in range(4000)])
    assert found.size is not None
    assert found.p == pytest.approx(np.mean(np.abs(shuffled) >= found.size - 1e-12), abs=0.025)


def test_holm_by_hand() -> None:
    # The example of R's p.adjust(c(0.01, 0.02, 0.03, 0.005), "holm"), and its order kept.
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([]).size == 0
