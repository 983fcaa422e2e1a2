from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.significance import bootstrap_mean, bootstrap_ratio, permutation_test, scan_auroc


@pytest.mark.parametrize("count", [4, 9, 25])
def test_interval_against_scipy(count: int) -> None:
    values = np.random.default_rng(count).beta(2, 3, count)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    ours = bootstrap_mean(values)
    assert ours is not None
    assert ours.mean == pytest.approx(values.mean())
    spread = values.std() / np.sqrt(count)
    assert ours.low == pytest.approx(theirs.low, abs=0.1 * spread)
    assert ours.high == pytest.approx(theirs.high, abs=0.1 * spread)
    assert ours == bootstrap_mean(values)  # seeded


def test_intervals_of_few_values() -> None:
    assert bootstrap_mean([]) is None
    one = bootstrap_mean([0.4])
    assert one is not None
    assert (one.mean, one.low, one.high, one.count) == (0.4, None, None, 1)


@pytest.mark.parametrize(("count", "effect"), [(5, 0.0), (5, 0.3), (10, 0.05), (12, 0.1)])
def test_exact_p_against_scipy(count: int, effect: float) -> None:
    rng = np.random.default_rng(count)
    a, b = rng.random(count) + effect, rng.random(count)
    theirs = stats.permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf)
    assert permutation_test(a, b) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert permutation_test(b, a) == permutation_test(a, b)


def test_random_p_is_close_to_the_exact_one_and_never_zero() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(16) + 0.12, rng.random(16)
    exact = permutation_test(a, b, permutations=2**16)
    assert permutation_test(a, b) == pytest.approx(exact, abs=0.01)
    assert permutation_test(np.arange(40.0), np.arange(40.0) - 5) == pytest.approx(1 / 10_001)
    assert permutation_test(a, a) == 1.0


def test_unpaired_figures_are_refused() -> None:
    with pytest.raises(InputError, match="2 and 3 figures"):
        permutation_test([0.1, 0.2], [0.1, 0.2, 0.3])


def test_scans_told_apart_against_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(4)
    healthy, ill = np.round(rng.gamma(1, 1, 30), 1), np.round(rng.gamma(2, 1, 20), 1)  # rounded: with ties
    found = scan_auroc(healthy, ill)
    assert found is not None
    assert found.area == pytest.approx(roc_auc_score([0] * 30 + [1] * 20, [*healthy, *ill]))
    draws = [np.random.default_rng(seed) for seed in range(500)]
    areas = [roc_auc_score([0] * 30 + [1] * 20, [*one.choice(healthy, 30), *one.choice(ill, 20)]) for one in draws]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(areas, (2.5, 97.5))), abs=0.03)
    assert (found.healthy, found.ill) == (30, 20)
    assert scan_auroc([], ill) is None


def _fixed() -> tuple[np.ndarray, np.ndarray]:
    """Dice of two methods on nine scans."""
    first = np.array([0.62, 0.58, 0.71, 0.33, 0.45, 0.80, 0.52, 0.66, 0.49])
    return first, np.array([0.55, 0.57, 0.60, 0.35, 0.31, 0.71, 0.53, 0.50, 0.40])


def test_paired_permutations_against_mlxtend() -> None:
    from mlxtend.evaluate import permutation_test as theirs  # here, as it takes seconds

    a, b = _fixed()
    assert permutation_test(a, b) == pytest.approx(theirs(a, b, method="exact", paired=True), abs=1e-12)
    # Its default is not paired, as in Behrendt et al. 2023: the scans' own spread then hides the difference.
    assert theirs(a, b, method="exact") > 10 * permutation_test(a, b)


def test_interval_of_the_difference_against_scipy() -> None:
    a, b = _fixed()
    ours = bootstrap_mean(a - b)
    theirs = stats.bootstrap(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_a_share_over_all_scans_against_scipy() -> None:
    rng = np.random.default_rng(7)
    whole = rng.integers(1, 12, 14)
    part = rng.binomial(whole, 0.4)
    theirs = stats.bootstrap(
        (part, whole), lambda x, y, axis: x.sum(axis) / y.sum(axis), paired=True, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    ours = bootstrap_ratio([*part, 0], [*whole, 0])  # a scan without lesions changes nothing
    assert ours is not None
    assert ours == bootstrap_ratio(part, whole)
    assert (ours.mean, ours.count) == (part.sum() / whole.sum(), 14)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert bootstrap_ratio([0.0], [0.0]) is None


def test_scans_of_one_subject_go_together() -> None:
    a, b = _fixed()
    people = ["a", "a", "a", "b", "b", "c", "d", "e", "e"]
    signs = np.array(list(product((1, -1), repeat=5)))[:, ["abcde".index(person) for person in people]]
    means = (signs * (a - b)).mean(axis=1)
    assert permutation_test(a, b, groups=people) == np.mean(np.abs(means) >= abs((a - b).mean()) - 1e-12)
    assert permutation_test(a, b, groups=people) > permutation_test(a, b)
    drawn = np.random.default_rng(3).integers(5, size=(4000, 5))
    by_person = [a[[one == person for one in people]] for person in "abcde"]
    means = np.array([np.concatenate([by_person[one] for one in row]).mean() for row in drawn])
    found = bootstrap_mean(a, groups=people)
    assert found is not None
    assert (found.mean, found.count) == (pytest.approx(a.mean()), 9)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.01)
    alone = bootstrap_mean(a, groups=["a"] * 9)
    assert alone is not None
    assert alone.low is None  # one subject says nothing of others
    assert bootstrap_mean(a, groups=list("abcdefghi")) == bootstrap_mean(a)
