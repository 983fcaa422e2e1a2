"""Wide convolutions by Winograd's filtering: right, the same whatever the batch, and only where they pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.diffusion.pddpm import PatchedDDPM, PatchedDDPMParams
from napari_brain_uad.inference import winograd
from napari_brain_uad.inference.winograd import WinogradConv2d, uses_winograd, winograd_where_it_pays

here = pytest.mark.skipif(not winograd._trial(), reason="this PyTorch is without NNPACK, or the processor is none for it")


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this processor were one that it pays on."""
    monkeypatch.setattr(winograd, "available", lambda: True)


def layer(*, bias: bool = True) -> WinogradConv2d:
    torch.manual_seed(0)
    return WinogradConv2d(64, 72, 3, padding=1, bias=bias).requires_grad_(False)


@here
@pytest.mark.parametrize("bias", [True, False])
def test_the_result_is_the_convolution_that_double_precision_gives(bias: bool) -> None:
    own, images = layer(bias=bias), torch.randn(3, 64, 25, 31).contiguous(memory_format=torch.channels_last)
    double = None if own.bias is None else own.bias.double()
    expected = torch.conv2d(images.double(), own.weight.double(), double, padding=1)
    torch.testing.assert_close(own(images).double(), expected, rtol=0, atol=3e-5 * float(expected.abs().max()))


@here
def test_an_image_gives_the_same_bits_in_every_batch_and_with_every_number_of_threads() -> None:
    own, images = layer(), torch.randn(3, 64, 24, 24)
    torch.set_num_threads(1)
    together = own(images)
    assert torch.equal(together, torch.cat([own(image[None]) for image in images]))
    torch.set_num_threads(2)
    assert torch.equal(together, own(images))
    assert own(images[:0]).shape == (0, 72, 24, 24)


@pytest.mark.parametrize(
    "ask",
    [
        lambda own: own(torch.randn(1, 64, 23, 24)),  # too small
        lambda own: own(torch.randn(1, 64, 24, 24, requires_grad=True)),
        lambda own: own.double()(torch.randn(1, 64, 24, 24, dtype=torch.float64)),
    ],
)
def test_what_it_is_not_for_is_computed_as_usual(monkeypatch: pytest.MonkeyPatch, ask: Callable[[nn.Module], torch.Tensor]) -> None:
    def refuse(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError("not for this")

    monkeypatch.setattr(winograd, "_convolve", refuse)
    assert ask(layer()).shape[1] == 72
    with torch.autocast("cpu", torch.bfloat16):
        assert layer()(torch.randn(1, 64, 24, 24)).dtype == torch.bfloat16


@pytest.mark.usefixtures("everywhere")
def test_wide_plain_convolutions_alone_and_only_on_a_cpu() -> None:
    wide = nn.Conv2d(64, 64, 3, padding=1)
    others = [
        nn.Conv2d(32, 64, 3, padding=1),
        nn.Conv2d(64, 32, 3, padding=1),
        nn.Conv2d(64, 64, 1, padding=1),
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, padding=1, stride=2),
        nn.Conv2d(64, 64, 3, padding=1, dilation=2),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(64, 64, 3, padding=1),
    ]
    network = nn.Sequential(wide, *others)
    winograd_where_it_pays(network, "cpu")
    assert [type(one) is WinogradConv2d for one in network] == [True] + [False] * len(others)
    assert wide.weight.is_contiguous()
    assert uses_winograd(network)
    winograd_where_it_pays(network, "cuda")
    assert type(wide) is nn.Conv2d
    assert not uses_winograd(network)
    assert wide.weight.is_contiguous(memory_format=torch.channels_last)


def test_it_is_tried_on_avx2_alone_and_leaves_the_number_of_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = winograd.available.__wrapped__
    monkeypatch.setattr(winograd, "_trial", lambda: True)
    for capability in ("DEFAULT", "AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda known=capability: known)
        assert ask() == (capability == "AVX2")
    monkeypatch.undo()
    torch.set_num_threads(2)
    winograd._trial()
    assert torch.get_num_threads() == 2


@here
def test_a_map_is_the_same_but_for_rounding_and_says_how_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {**PatchedDDPMParams.preset("tiny").as_dict(), "base_channels": 64, "multipliers": (1,)}
    made = PatchedDDPM(PatchedDDPMParams.from_dict(tiny))
    torch.manual_seed(0)
    state = {name: value + 0.05 * torch.randn_like(value) for name, value in made._task().build().state_dict().items()}
    made.load_state({name: value.detach().numpy() for name, value in state.items()})
    data = np.random.default_rng(0).random((32, 32, 1), dtype=np.float32) + 1
    scan = Volume(data, Grid(data.shape, np.diag([1.5, 1.5, 2.0, 1.0])))
    maps = {}
    for used in (True, False):
        monkeypatch.setattr(winograd, "available", lambda there=used: there)
        maps[used] = made.score(scan)
    assert maps[True].provenance["convolutions"] == winograd.NAME
    assert "convolutions" not in maps[False].provenance
    np.testing.assert_allclose(maps[True].score, maps[False].score, rtol=0, atol=1e-4)
    assert not np.array_equal(maps[True].score, maps[False].score)
