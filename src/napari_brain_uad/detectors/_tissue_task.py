"""What StRegA's network minimises when it reconstructs tissues. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ..preprocessing.tissue_scale import CSF, GREY, WHITE
from ..scoring.registry import Evidence
from ..training.draws import Draw
from ._tasks import VariationalTask

_MOST_PATCHES = 6
_SMALL, _LARGE, _LARGE_SHARE = (3.0, 15.0), (14.0, 52.0), 0.35
"""Axes of the painted ellipses in pixels: of the size of MS lesions, and of tumours."""
_NOISE = 0.3
_SHIFT_PIXELS, _RELIEF_PIXELS = 24.0, 7.0
_ROUGHEST, _SHARPEST, _SOFTEST = 0.35, 0.02, 0.25
"""Of a patch's edge: how far it moves in and out, and over which part of the radius it fades."""
_WHITE_SHARE, _WIDE_SHARE = 0.25, 0.3
"""Patches over white matter alone, and patches of any tissue; the others are between CSF and a little above grey matter."""


class TissueTask(VariationalTask):
    """Context-encoding on tissues: restore a slice's tissues from a copy in which elliptic patches were painted over.

    The negative log likelihood of background, CSF, grey and white matter at every pixel (a categorical decoder), and the weighted KL
    divergence. Batches hold the scale of `preprocessing.tissue_scale`, shape (B, 1, H, W).

    Parameters
    ----------
    painted : float
        Share of the slices that are painted on.
    mirror : bool
        At test time, the mean of the slice's and the mirrored slice's reconstruction.
    """

    def __init__(self, build: Callable[[], nn.Module], latent: int, kl_weight: float, *, painted: float, mirror: bool) -> None:
        super().__init__(build, "sum", latent, kl_weight)
        self.painted = painted
        self.mirror = mirror

    def loss(self, network: nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        """See `training.task.Task`; "nll" is in nats a slice."""
        seen = _label_image(as_scanned(paint_patches(batch, self.painted, draw), draw))
        output = network(seen, draw.normal((len(batch), self.latent)))
        log_probabilities = functional.log_softmax(output.reconstruction.float(), dim=1)
        likelihood = -(shares(batch) * log_probabilities).flatten(1).sum(dim=1).mean()
        divergence = self._divergence(output)
        return {"loss": likelihood + self.kl_weight * divergence, "nll": likelihood, "kl": divergence}

    @torch.no_grad()
    def pictures(self, network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """Tissue, expected tissue and their difference; see `training.task.Task`."""
        image = _label_image(batch)
        expected = expected_tissue(network(image).reconstruction.float().softmax(dim=1))
        return torch.stack([image[:, 0], expected[:, 0], (image - expected).abs()[:, 0]], dim=1)

    @torch.no_grad()
    def evidence(self, network: nn.Module, images: torch.Tensor) -> Evidence:
        """Slices and expected tissue on a scale where white matter is 1, and the probabilities of the tissues."""
        seen = _label_image(images)
        probabilities = network(seen).reconstruction.float().softmax(dim=1)
        if self.mirror:
            mirrored = network(seen.flip(-1)).reconstruction.float().softmax(dim=1).flip(-1)
            probabilities = (probabilities + mirrored) / 2
        return Evidence(images / WHITE, expected_tissue(probabilities), probabilities=probabilities)


def shares(scale: torch.Tensor) -> torch.Tensor:
    """Shares of background, CSF, grey and white matter, shape (B, 4, H, W), of a scale (B, 1, H, W): linear mixing of neighbours."""
    steps = torch.arange(4, device=scale.device, dtype=scale.dtype).view(1, 4, 1, 1)
    return (1.0 - (scale.clamp(0.0, WHITE) - steps).abs()).clamp(min=0.0)


def as_scanned(scale: torch.Tensor, draw: Draw) -> torch.Tensor:
    """More or less blur, noise of up to 0.3 of the distance between two tissues and a smooth shift of up to 0.3, within the brain.

    The shift stands for what is left of a bias field.
    """
    blur, noise, shift = draw.uniform((len(scale), 3, 1, 1))[:, :, None].unbind(dim=1)
    brain = (scale > 0).to(scale.dtype)
    around = functional.avg_pool2d(scale, 3, 1, 1) / functional.avg_pool2d(brain, 3, 1, 1).clamp(min=0.1)
    changed = scale + blur * (around - scale) + _NOISE * noise * draw.normal(tuple(scale.shape))
    changed = changed + _NOISE * shift * _smooth(scale, _SHIFT_PIXELS, draw)[:, None]
    return torch.where(scale > 0, changed.clamp(0.8 * CSF, WHITE), scale)


def paint_patches(scale: torch.Tensor, share: float, draw: Draw) -> torch.Tensor:
    """Paint up to 6 irregular ellipses of one tissue value over the brain of some slices; some only over its white matter, like oedema.

    Zimmerer's context encoding paints squares; shapes of a lesion's size and tissue teach the network what it is to take away.

    Parameters
    ----------
    scale : tensor, shape (B, 1, H, W)
    share : float
        Probability of painting on a slice.
    draw : Draw
        Gives the numbers.
    """
    count, height, width = len(scale), scale.shape[-2], scale.shape[-1]
    rows = torch.arange(height, device=scale.device)[None, :, None]
    columns = torch.arange(width, device=scale.device)[None, None, :]
    patches = draw.integers((count,), 1, _MOST_PATCHES + 1) * (draw.uniform((count,)) < share)
    inside, image, relief = scale[:, 0] > 0, scale[:, 0], _smooth(scale, _RELIEF_PIXELS, draw)
    white = (image - GREY).clamp(0.0, 1.0)
    for number in range(_MOST_PATCHES):
        numbers = draw.uniform((count, 12)).unbind(dim=1)
        top, left, turn, large, first, second, grey, wide, opacity, rough, edge, where = (value[:, None, None] for value in numbers)
        big = large < _LARGE_SHARE
        low, span = torch.where(big, _LARGE[0], _SMALL[0]), torch.where(big, _LARGE[1] - _LARGE[0], _SMALL[1] - _SMALL[0])
        down, right = rows - height * (0.1 + 0.8 * top), columns - width * (0.1 + 0.8 * left)
        cosine, sine = torch.cos(torch.pi * turn), torch.sin(torch.pi * turn)
        along, across = (
            (down * cosine + right * sine) * 2 / (low + span * first),
            (right * cosine - down * sine) * 2 / (low + span * second),
        )
        distance = torch.hypot(along, across) + _ROUGHEST * rough * relief
        weight = torch.sigmoid((1.0 - distance) / (_SHARPEST + _SOFTEST * edge.square()))
        weight = weight * (0.5 + 0.5 * (2.0 * opacity).clamp(max=1.0)) * torch.where(where < _WHITE_SHARE, white, 1.0)
        fill = CSF + torch.where(wide < _WIDE_SHARE, (WHITE - CSF) * grey, 1.35 * grey)
        patch = inside & (patches > number)[:, None, None]
        image = torch.where(patch, image + weight * (fill - image), image)
    return image[:, None]


def _smooth(scale: torch.Tensor, pixels: float, draw: Draw) -> torch.Tensor:
    """A random field with a spread of about 1 that changes over so many pixels, shape (B, H, W)."""
    height, width = scale.shape[-2:]
    coarse = draw.normal((len(scale), 1, max(2, round(height / pixels) + 1), max(2, round(width / pixels) + 1)))
    return 1.2 * functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)[:, 0]


def _label_image(scale: torch.Tensor) -> torch.Tensor:
    """What the network sees: 0 background to 1 white matter."""
    return scale.clamp(0.0, WHITE) / WHITE


def expected_tissue(probabilities: torch.Tensor) -> torch.Tensor:
    """The mean of the tissues, shape (B, 1, H, W), without the background: outside the brain nothing is scored."""
    tissue = probabilities[:, 1:]
    values = torch.arange(1, 4, device=tissue.device, dtype=tissue.dtype).view(1, 3, 1, 1) / WHITE
    return (tissue * values).sum(dim=1, keepdim=True) / tissue.sum(dim=1, keepdim=True).clamp(min=1e-3)
