"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al.: "MobileNetV2: inverted residuals and linear bottlenecks" (2018, arXiv:1801.04381), table 2. Layers are named as in
torchvision's weights.
"""

from __future__ import annotations

import torch
from torch import nn

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks, stride of the first block."""
_LEVELS = (3, 6, 13, 17)
"""The last of ``features`` of each level."""
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


class MobileNetV2(nn.Module):
    """From images (B, 3, H, W) to features at the strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, _STEM, 3, 2)]
        before = _STEM
        for expansion, channels, count, stride in _STAGES:
            for number in range(count):
                layers.append(_Block(before, channels, stride if number == 0 else 1, expansion))
                before = channels
        self.features = nn.Sequential(*layers, _convolution(before, _HEAD, 1, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(_HEAD, _CLASSES))

    def forward(self, images: torch.Tensor, levels: tuple[int, ...] = (1, 2, 3, 4)) -> list[torch.Tensor]:
        """Features of these levels, each (B, channels, H / stride, W / stride), rounded up; what lies behind them is not computed."""
        found, features = [], images
        for number, layer in enumerate(list(self.features)[: _LEVELS[max(levels) - 1] + 1]):
            features = layer(features)
            if number in _LEVELS and _LEVELS.index(number) + 1 in levels:
                found.append(features)
        return found

    def keep(self, level: int) -> None:
        """Forget what lies behind a level: `forward` gives no more than that, and `logits` nothing."""
        self.features = nn.Sequential(*list(self.features)[: _LEVELS[level - 1] + 1])
        del self.classifier

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Of the 1000 classes, shape (B, 1000)."""
        found: torch.Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return found


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        widening = [_convolution(before, wide, 1, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widening, _convolution(wide, wide, 3, stride, groups=wide), nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after)
        )
        self._adds = stride == 1 and before == after

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(features)
        return found + features if self._adds else found


def _convolution(before: int, after: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU6())
