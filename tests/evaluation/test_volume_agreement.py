"""Bland and Altman's figures against numbers worked out by hand, and p-values against scipy's own tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.p_values import expected_p, share_below
from napari_brain_uad.evaluation.volume_agreement import volume_agreement


def test_bias_and_limits_by_hand() -> None:
    """Differences 2, -1, 3, 0: mean 1, squares about it 1 + 4 + 4 + 1 = 10, variance 10 / 3."""
    found = volume_agreement([10.0, 20.0, 30.0, 40.0], [12.0, 19.0, 33.0, 40.0])
    assert found is not None
    assert found.scans == 4
    assert found.bias == 1.0
    assert found.deviation == pytest.approx(1.8257418583505538, abs=1e-12)
    assert found.low == pytest.approx(1 - 1.96 * 1.8257418583505538, abs=1e-12)
    assert found.high == pytest.approx(4.578454042367085, abs=1e-12)
    # t(0.975, 3) = 3.182446; standard errors s / 2 and s sqrt(1/4 + 1.96^2 / 6).
    assert found.bias_error == pytest.approx(3.182446305284263 * 1.8257418583505538 / 2, abs=1e-9)
    assert found.limit_error == pytest.approx(3.182446305284263 * 1.8257418583505538 * 0.9435394356711683, abs=1e-9)
    # The interval of the bias is that of a t-test.
    interval = stats.ttest_1samp([2.0, -1.0, 3.0, 0.0], 0.0).confidence_interval()
    assert (found.bias - found.bias_error, found.bias + found.bias_error) == pytest.approx(tuple(interval))


def test_few_scans_have_no_limits() -> None:
    one = volume_agreement([10.0], [7.5])
    assert one is not None
    assert (one.bias, one.deviation, one.low, one.high) == (-2.5, None, None, None)
    assert volume_agreement([], []) is None
    with pytest.raises(InputError, match="2 true and 1 flagged"):
        volume_agreement([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("p", "below"), [([0.01, 0.05, 0.2, 0.9], 2), ([0.5, 0.6], 0), ([0.01, 0.02], 2)])
def test_share_of_small_p_values_has_the_exact_interval(p: list[float], below: int) -> None:
    found = share_below(p, 0.05)
    assert found is not None
    assert (found.below, found.share) == (below, below / len(p))
    exact = stats.binomtest(below, len(p)).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert share_below([], 0.05) is None


def test_band_of_sorted_uniform_p_values() -> None:
    """Against uniform numbers drawn 20,000 times."""
    drawn = np.sort(np.random.default_rng(0).random((20_000, 7)), axis=1)
    mean, low, high = expected_p(7)
    np.testing.assert_allclose(mean, drawn.mean(axis=0), atol=0.005)
    np.testing.assert_allclose(low, np.percentile(drawn, 2.5, axis=0), atol=0.01)
    np.testing.assert_allclose(high, np.percentile(drawn, 97.5, axis=0), atol=0.01)
