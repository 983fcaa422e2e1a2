from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.significance import bootstrap_mean, permutation_test, scan_auroc


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
