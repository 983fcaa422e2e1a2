"""Convolutions in bf16 where they are asked for: rounded as they say, the same on any processor, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.diffusion.pddpm import PatchedDDPM, PatchedDDPMParams
from napari_brain_uad.detectors.nets.diffusion_unet import ResidualBlock
from napari_brain_uad.inference.convolutions import BF16, Bf16Conv2d, choose_convolutions, ways_of
from napari_brain_uad.inference.winograd import WinogradConv2d


def wide(pixels: int, *, bias: bool) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(64, 48, pixels, padding=pixels // 2, bias=bias).requires_grad_(False)


def rounded(values: torch.Tensor) -> torch.Tensor:
    return values.bfloat16().double()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("pixels", [1, 3])
def test_images_weights_and_results_are_rounded_and_sums_are_not(
    monkeypatch: pytest.MonkeyPatch, native: bool, bias: bool, pixels: int
) -> None:
    if not native:
        monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: False)
    elif not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    own, images = wide(pixels, bias=bias), torch.randn(3, 64, 20, 24).contiguous(memory_format=torch.channels_last)
    expected = torch.conv2d(rounded(images), rounded(own.weight), None if own.bias is None else rounded(own.bias), padding=own.padding)
    choose_convolutions(nn.Sequential(own), "cpu", "bf16")
    found = own(images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=1e-4)  # half a step of bf16 is 2 to the power of -9
    assert torch.equal(found, found.bfloat16().float())
    assert torch.equal(found, torch.cat([own(image[None]) for image in images]))
    torch.testing.assert_close(own(images.contiguous()), found, rtol=0, atol=0)
    assert own(images[:0]).shape == (0, 48, 20, 24)


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(1, 64, 3, padding=1),
        nn.Conv2d(64, 1, 3, padding=1),
        nn.Conv2d(64, 1, 1),
        nn.Conv2d(64, 64, 1, stride=2),
        nn.Conv2d(64, 64, 1, padding=1),
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"),
    ],
)
def test_what_is_seen_at_once_or_is_of_another_kind_stays_in_float32(other: nn.Conv2d) -> None:
    choose_convolutions(nn.Sequential(other), "cpu", "bf16")
    assert type(other) is nn.Conv2d


def test_it_can_be_taken_back_and_gives_way_to_winograds_filtering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_brain_uad.inference.winograd.available", lambda: True)
    network = nn.Sequential(layer := nn.Conv2d(64, 64, 3, padding=1))
    kinds = []
    for device, precision in (("cpu", "auto"), ("cpu", "bf16"), ("cuda", "bf16"), ("cpu", "bf16"), ("cpu", "auto")):
        choose_convolutions(network, device, precision)
        kinds.append((type(layer), ways_of([network])))
    own, others = (Bf16Conv2d, BF16), (WinogradConv2d, "Winograd F(6x6, 3x3)")
    assert kinds == [others, own, (nn.Conv2d, ""), own, others]


def test_a_map_in_bf16_is_nearly_the_same_and_says_so() -> None:
    made = PatchedDDPM(PatchedDDPMParams.from_dict({**PatchedDDPMParams.preset("tiny").as_dict(), "base_channels": 32}))
    torch.manual_seed(0)
    state = {name: value + 0.05 * torch.randn_like(value) for name, value in made._task().build().state_dict().items()}
    arrays = {name: value.detach().numpy() for name, value in state.items()}
    data = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32) + 1
    scan, maps = Volume(data, Grid(data.shape, np.diag([1.5, 1.5, 2.0, 1.0]))), {}
    for precision in ("auto", "bf16"):
        detector = PatchedDDPM(replace(made.params, precision=precision))
        detector.load_state(arrays)
        maps[precision] = detector.score(scan)
    exact, half = maps["auto"].score, maps["bf16"].score
    assert maps["bf16"].provenance["convolutions"] == BF16
    assert maps["auto"].provenance.get("convolutions") != BF16
    assert 0 < np.abs(half - exact).max() < 0.05 * exact.max()
    assert np.abs(half - exact).mean() < 0.015 * exact.mean()  # 0.010 with AVX-512, less with AMX


def test_a_residual_block_keeps_bf16_between_its_convolutions() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(32, 32, 64, True).eval()
    for weights in block.parameters():
        weights.data = 0.1 * torch.randn_like(weights)
    images, told = torch.randn(3, 32, 12, 12), torch.randn(3, 64)
    with torch.no_grad():
        exact = block(images, told)
        choose_convolutions(block, "cpu", "bf16")
        assert isinstance(block.conv1, Bf16Conv2d)
        assert isinstance(block.conv2, Bf16Conv2d)
        assert (block.conv1.inner, block.conv2.inner) == (True, False)
        assert block.conv1(images).dtype == torch.bfloat16
        kept = block(images, told)
        single = torch.cat([block(images[at : at + 1], told[at : at + 1]) for at in range(3)])
        block.conv1.inner = False
        rounded = block(images, told)
        choose_convolutions(block, "cpu", "")
        again = block(images, told)
    assert kept.dtype == torch.float32
    # The time step's own layer sums in another order for one image; its last digit may tip a rounding.
    assert float((kept != single).float().mean()) < 1e-3
    assert 0 < float((kept - rounded).abs().max()) < 0.01 * float(exact.abs().max())
    assert float((kept - exact).abs().max()) < 0.02 * float(exact.abs().max())
    torch.testing.assert_close(again, exact, rtol=1e-4, atol=1e-5)
