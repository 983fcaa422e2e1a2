"""The quicker way to the log-likelihoods: what the flow itself gives, of any dimension, and no further than rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.flow.conditional import ConditionalFlow
from napari_brain_uad.detectors.flow.likelihood import log_likelihoods


def _flow(dimension: int, widening: int) -> ConditionalFlow:
    torch.manual_seed(dimension)
    mean, deviation = torch.randn(dimension), torch.rand(dimension) + 0.5
    flow = ConditionalFlow(dimension, 3, 1.9, mean, deviation, widening=widening)
    for block in flow.blocks:
        # As after a training: neither scale nor offset are those that a block begins with.
        torch.nn.init.normal_(block.global_scale, 1.0, 0.3)
        torch.nn.init.normal_(block.global_offset, 0.0, 0.5)
        for layer in (block.subnet[0], block.subnet[2]):
            torch.nn.init.normal_(layer.weight, 0.0, 0.3)
            torch.nn.init.normal_(layer.bias, 0.0, 0.5)
    return flow.eval()


@pytest.mark.parametrize(("dimension", "widening"), [(16, 1), (9, 2)])
def test_they_are_what_the_flow_gives(dimension: int, widening: int) -> None:
    flow, rng = _flow(dimension, widening), np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 2, (2500, dimension)), rng.integers(0, 20, (2500, 2))], axis=1).astype(np.float32)
    with torch.no_grad():
        wanted = flow(torch.from_numpy(places))[1].numpy()
    assert np.ptp(wanted) > 1.0
    np.testing.assert_allclose(log_likelihoods(flow, places, "cpu", Progress()), wanted, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("native", [True, False])
def test_in_bf16_they_are_nearly_the_same_and_do_not_depend_on_how_many_go_through(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor that multiplies bf16 and on one that does not."""
    if native and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    flow, rng = _flow(64, 1), np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 1, (1500, 64)), rng.integers(0, 20, (1500, 2))], axis=1).astype(np.float32)
    exact, found = (log_likelihoods(flow, places, "cpu", Progress(), precision) for precision in ("32", "bf16"))
    assert 0.0 < np.abs(found - exact).max() < 0.02 * np.ptp(exact)
    np.testing.assert_allclose(log_likelihoods(flow, places[:1100], "cpu", Progress(), "bf16"), found[:1100], rtol=1e-3)


def test_a_place_counts_by_its_row_and_its_column() -> None:
    flow = _flow(16, 1)
    features = np.random.default_rng(1).normal(size=16)
    places = np.array([[*features, 3, 5], [*features, 5, 3], [*features, 3, 5]], np.float32)
    found = log_likelihoods(flow, places, "cpu", Progress())
    assert found[0] == found[2]
    assert abs(found[0] - found[1]) > 1e-3


def test_no_place_is_no_likelihood() -> None:
    assert log_likelihoods(_flow(16, 1), np.empty((0, 18), np.float32), "cpu", Progress()).shape == (0,)
