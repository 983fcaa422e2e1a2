"""The networks: parameter counts of the papers' codes, and the same numbers as MONAI's U-Net with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.networks.nets import DiffusionModelUNet

from napari_brain_uad.detectors.diffusion.dae import DAE, DAEParams
from napari_brain_uad.detectors.diffusion.ddpm import DDPM, DDPMParams
from napari_brain_uad.detectors.diffusion.pddpm import PatchedDDPM, PatchedDDPMParams
from napari_brain_uad.detectors.nets.dae_unet import DenoisingUNet, StandardisedConv, groups
from napari_brain_uad.detectors.nets.diffusion_unet import DiffusionUNet


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 37_513_857),
        ({"scale_shift": False}, 34_493_313),
        ({"scale_shift": False, "multipliers": (1, 1, 2)}, 23_768_577),
    ],
)
def test_parameter_counts(settings: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        network = DiffusionUNet(128, **settings)
    assert sum(weights.numel() for weights in network.parameters()) == count


def test_presets_have_the_networks_of_paper_and_code() -> None:
    assert PatchedDDPM(PatchedDDPMParams.preset("code")).parameter_count() == 37_513_857
    assert DDPM(DDPMParams.preset("anoddpm")).parameter_count() == 34_493_313
    paper = DDPMParams.preset("paper")
    assert [paper.base_channels * factor for factor in paper.multipliers] == [128, 128, 256]
    assert paper.transposed
    assert paper.schedule == "linear"
    assert DDPMParams.preset("code").schedule == "cosine"
    assert DAE(DAEParams.preset("paper")).parameter_count() == 7_701_825


def monai_unet(width: int, maps: tuple[int, ...]) -> DiffusionModelUNet:
    settings: dict[str, Any] = {"attention_levels": (False,) * len(maps), "num_res_blocks": 3, "num_head_channels": 64}
    return DiffusionModelUNet(2, 1, 1, channels=maps, resblock_updown=True, norm_eps=1e-5, norm_num_groups=32, **settings)


def with_our_names(weights: dict[str, torch.Tensor], levels: int, blocks: int) -> dict[str, torch.Tensor]:
    """MONAI's weights under our names."""
    places = {"conv_in.conv": "first", "time_embed": "time", "middle_block.resnet_1": "middle.0", "middle_block.resnet_2": "middle.2"}
    places |= {"middle_block.attention.norm": "middle.1.norm", "middle_block.attention.attn.out_proj": "middle.1.outward"}
    places |= {"out.0": "last.0", "out.2.conv": "last.2"}
    for level in range(levels):
        for block in range(blocks):
            places[f"down_blocks.{level}.resnets.{block}"] = f"down.{level * (blocks + 1) + block}"
        places[f"down_blocks.{level}.downsampler"] = f"down.{level * (blocks + 1) + blocks}"
        for block in range(blocks + 1):
            places[f"up_blocks.{level}.resnets.{block}"] = f"up.{level * (blocks + 2) + block}"
        places[f"up_blocks.{level}.upsampler"] = f"up.{level * (blocks + 2) + blocks + 1}"
    found = {}
    for name, array in weights.items():
        if ".attn.to_" in name:
            continue
        place = max((place for place in places if name.startswith(f"{place}.")), key=len)
        rest = name.removeprefix(place).replace(".conv.", ".").replace("time_emb_proj", "time").replace("skip_connection", "skip")
        found[places[place] + rest] = array
    for kind in ("weight", "bias"):
        parts = [weights[f"middle_block.attention.attn.to_{part}.{kind}"] for part in "qkv"]
        found[f"middle.1.inward.{kind}"] = torch.cat(parts)
    return found


@pytest.mark.parametrize("multipliers", [(1, 2, 2), (1, 1, 2)])
def test_the_unet_is_monais(multipliers: tuple[int, ...]) -> None:
    """With random weights everywhere: those that start as zero would hide what they multiply."""
    torch.manual_seed(0)
    theirs = monai_unet(128, tuple(128 * factor for factor in multipliers)).eval()
    with torch.no_grad():
        for weights in theirs.parameters():
            weights += 0.02 * torch.randn_like(weights)
    ours = DiffusionUNet(128, multipliers, scale_shift=False).eval()
    ours.load_state_dict(with_our_names(theirs.state_dict(), 3, 3))
    images, steps = torch.randn(2, 1, 32, 48), torch.tensor([499, 17])
    with torch.no_grad():
        expected = theirs(images, steps)
        assert torch.allclose(ours(images, steps), expected, atol=1e-5 * float(expected.abs().max()))
    assert float(expected.std()) > 0.1


@pytest.mark.parametrize("settings", [{"transposed": True}, {"blocks": 1, "multipliers": (1, 2, 4, 4)}, {"scale_shift": False}])
def test_predictions_have_the_size_of_the_images(settings: dict[str, Any]) -> None:
    network = DiffusionUNet(16, **settings)
    assert network(torch.rand(2, 1, 32, 48), torch.tensor([0, 999])).shape == (2, 1, 32, 48)


def test_the_time_step_changes_the_prediction() -> None:
    torch.manual_seed(0)
    for scale_shift in (True, False):
        network = DiffusionUNet(16, (1, 2), 1, scale_shift=scale_shift)
        with torch.no_grad():
            for weights in network.parameters():
                weights += 0.05 * torch.randn_like(weights)
            image = torch.rand(1, 1, 16, 16)
            one, other = (network(image, torch.tensor([step])) for step in (10, 900))
        assert float((one - other).abs().max()) > 1e-3


def test_the_filters_of_the_denoising_unet_are_standardised() -> None:
    torch.manual_seed(0)
    layer = StandardisedConv(3, 5)
    with torch.no_grad():
        layer.weight.mul_(7).add_(3)
        image = torch.rand(1, 3, 8, 8)
        own = layer.weight
        own = (own - own.mean(dim=(1, 2, 3), keepdim=True)) / own.std(dim=(1, 2, 3), keepdim=True)
        border = torch.nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect")
        border.weight.copy_(own)
        border.bias.copy_(layer.bias)  # type: ignore[union-attr]
        assert torch.allclose(layer(image), border(image), atol=1e-3)
    assert [groups(count) for count in (64, 128, 256, 512)] == [8, 16, 16, 32]


def test_the_denoising_unet_keeps_the_size() -> None:
    assert DenoisingUNet((8, 16, 32))(torch.rand(2, 1, 32, 48)).reconstruction.shape == (2, 1, 32, 48)
