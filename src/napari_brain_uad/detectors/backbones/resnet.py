"""ResNet-18, ResNet-50 and Wide ResNet-50-2.

He et al.: "Deep residual learning for image recognition" (2016, doi:10.1109/CVPR.2016.90), table 1; Zagoruyko, Komodakis: "Wide
residual networks" (2016, arXiv:1605.07146). Layers are named as in torchvision's weights, and as there the second convolution of a
bottleneck has its stride.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .catalogue import STRIDES

_STEM, _CLASSES = 64, 1000


class ResNet(nn.Module):
    """From images (B, 3, H, W) to features at the strides 4, 8, 16 and 32.

    Parameters
    ----------
    counts : sequence of int
        Blocks of the levels.
    bottleneck : bool
        Blocks of three convolutions, whose results have four times the channels.
    width : int
        The channels within bottlenecks, as a multiple of ResNet-50's.
    channels, stem, outputs : int
        Of the images, of the first convolution, and of `logits`.
    """

    def __init__(
        self, counts: tuple[int, ...], *, bottleneck: bool, width: int = 1, channels: int = 3, stem: int = _STEM, outputs: int = _CLASSES
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        before, self._levels = stem, len(counts)
        for level, count in enumerate(counts):
            channels = stem * 2**level
            after = channels * (4 if bottleneck else 1)
            blocks = []
            for number in range(count):
                stride = 2 if level and number == 0 else 1
                blocks.append(ResNetBlock(before, channels * width, after, stride, bottleneck))
                before = after
            setattr(self, f"layer{level + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, outputs)

    def forward(self, images: torch.Tensor, levels: tuple[int, ...] = (1, 2, 3, 4)) -> list[torch.Tensor]:
        """Features of these levels, each (B, channels, H / stride, W / stride), rounded up; what lies behind them is not computed."""
        found = []
        features = functional.max_pool2d(functional.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        for level in range(1, max(levels) + 1):
            features = getattr(self, f"layer{level}")(features)
            if level in levels:
                found.append(features)
        return found

    def keep(self, level: int) -> None:
        """Forget what lies behind a level: `forward` gives no more than that, and `logits` nothing."""
        for number in range(level + 1, len(STRIDES) + 1):
            delattr(self, f"layer{number}")
        del self.fc

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Of the classes, shape (B, 1000), or as many outputs as there are."""
        found: torch.Tensor = self.fc(self(images, (self._levels,))[0].mean(dim=(2, 3)))
        return found


class ResNet18(ResNet):
    """11,689,512 weights."""

    def __init__(self) -> None:
        super().__init__((2, 2, 2, 2), bottleneck=False)


class ResNet50(ResNet):
    """25,557,032 weights."""

    def __init__(self) -> None:
        super().__init__((3, 4, 6, 3), bottleneck=True)


class WideResNet50(ResNet):
    """68,883,240 weights."""

    def __init__(self) -> None:
        super().__init__((3, 4, 6, 3), bottleneck=True, width=2)


class ResNetBlock(nn.Module):
    """Two convolutions of 3 x 3, or (a bottleneck) 3 x 3 between 1 x 1, added to what came in.

    Parameters
    ----------
    before, inner, after : int
        Channels that come in, within and that go out.
    stride : int
        Of the first 3 x 3.
    bottleneck : bool
        Which of both.
    """

    def __init__(self, before: int, inner: int, after: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        # (channels, kernel, stride) of the convolutions
        layers = ((inner, 1, 1), (inner, 3, stride), (after, 1, 1)) if bottleneck else ((inner, 3, stride), (after, 3, 1))
        self._count, incoming = len(layers), before
        for number, (channels, kernel, step) in enumerate(layers, 1):
            setattr(self, f"conv{number}", nn.Conv2d(incoming, channels, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(channels))
            incoming = channels
        fits = stride == 1 and before == after
        self.downsample = None if fits else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """From (B, before, h, w) to (B, after, h / stride, w / stride), rounded up."""
        found = features
        for number in range(1, self._count + 1):
            found = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(found))
            if number < self._count:
                found = functional.relu(found)
        return functional.relu(found + (features if self.downsample is None else self.downsample(features)))
