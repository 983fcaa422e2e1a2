"""What a network of tissues sees and gives, with networks that are written down and slices that differ from side to side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.detectors.nets.output import Output
from napari_brain_uad.detectors.tissue.restoration_task import TissueTask, shares
from napari_brain_uad.detectors.tissue.synthetic_anomalies import as_scanned
from napari_brain_uad.preprocessing.tissue_scale import CSF, GREY, WHITE
from napari_brain_uad.training.draws import BatchDraw


class Copies(torch.nn.Module):
    """Expects what it sees, surely."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor, noise: torch.Tensor | None = None) -> Output:
        self.seen.append(images)
        return Output(shares(images * WHITE).clamp(min=1e-9).log())


def sides() -> torch.Tensor:
    """White matter on one side, fluid with a spot of grey matter on the other."""
    scale = torch.zeros(1, 1, 8, 8)
    scale[..., 1:7, 1:5], scale[..., 1:7, 5:7], scale[..., 2, 6] = WHITE, CSF, GREY
    return scale


@pytest.mark.parametrize("mirror", [False, True])
def test_the_mirrored_view_is_turned_back_before_it_is_averaged(mirror: bool) -> None:
    network, scale = Copies(), sides()
    found = TissueTask(Copies, 3, 1.0, corrupted=1.0, mirror=mirror).evidence(network, scale)
    assert found.probabilities is not None
    torch.testing.assert_close(found.probabilities, shares(scale), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.reconstruction, scale / WHITE, atol=1e-5, rtol=0)
    assert len(network.seen) == 1 + mirror
    torch.testing.assert_close(network.seen[-1], (scale.flip(-1) if mirror else scale) / WHITE)


def test_the_network_sees_nothing_beyond_white_matter() -> None:
    """Contrast agent lies beyond it on the scale; the score still compares with what was there."""
    network, scale = Copies(), sides()
    scale[..., 4, 2] = WHITE + 1.0
    found = TissueTask(Copies, 3, 1.0, corrupted=1.0, mirror=False).evidence(network, scale)
    assert float(network.seen[0].max()) == 1.0
    assert float(found.images[0, 0, 4, 2]) == pytest.approx((WHITE + 1.0) / WHITE)


@pytest.mark.parametrize("most", [0.0, 0.2, 0.4])
def test_a_scan_is_noisy_as_asked_and_cut_off_at_its_tissues(most: float) -> None:
    """Within uniform tissue, blur and the smooth shift change nothing from one pixel to the next."""
    scale = torch.zeros(400, 1, 12, 12)
    scale[:, :, 2:10, 2:10] = GREY
    seen = as_scanned(scale, BatchDraw(1, 0, 400, 400), CSF, WHITE, most)[:, 0, 4:8, 4:8]
    steps = seen.diff(dim=-1).flatten(1).std(dim=1).numpy() / np.sqrt(2)
    # Each slice has its own share of the noise, evenly from none to the most; some of the shift's slope is left.
    assert np.median(steps) == pytest.approx(most / 2, abs=0.04)
    assert steps.min() < 0.05
    white = as_scanned(torch.where(scale > 0, WHITE, 0.0), BatchDraw(1, 0, 400, 400), CSF, WHITE, most)
    assert float(white.max()) == WHITE
    fluid = as_scanned(torch.where(scale > 0, CSF, 0.0), BatchDraw(1, 0, 400, 400), CSF, WHITE, most)
    assert float(fluid[scale > 0].min()) == CSF
