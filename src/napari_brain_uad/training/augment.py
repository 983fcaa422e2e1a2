"""Random changes of training slices: TorchIO's transforms, for a whole batch at once.

Perez-Garcia, Sparks, Ourselin: "TorchIO" (2021, doi:10.1016/j.cmpb.2021.106236). The formulas and the names of their settings are
TorchIO's, and so are the results; TorchIO itself takes one image at a time, which for slices is slower than training on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..core.errors import InputError
from .batch import Batch
from .draws import AUGMENTATION, seed_of

_NUMBERS = 32
"""Random numbers a slice; each has its fixed place, so that one setting does not change what the others draw."""


@dataclass(frozen=True)
class Recipe:
    """How often and how far slices are changed.

    Parameters
    ----------
    flip : float
        Probability of swapping left and right.
    turns : tuple of (degrees, scale)
        One of these, or none, all equally likely: rotation up to so many degrees, magnification by up to that share.
    nearest : bool
        Turned slices take the nearest pixel's value, which keeps those of labels; linear otherwise.
    often : float
        Probability of each of the following.
    bias : float
        Largest coefficient of the bias field's polynomial, which has order 3.
    noise : float
        Largest standard deviation of the noise, in units of the slices.
    log_gamma : float
        Largest logarithm of the exponent.
    ghosts : tuple of int
        Fewest and most ghosts; none when both are 0.
    """

    flip: float = 0.5
    turns: tuple[tuple[float, float], ...] = ()
    nearest: bool = False
    often: float = 0.0
    bias: float = 0.0
    noise: float = 0.0
    log_gamma: float = 0.0
    ghosts: tuple[int, int] = (0, 0)


RECIPES = {
    "flip": Recipe(),
    "mild": Recipe(turns=((10.0, 0.05),), often=0.3, bias=0.2, noise=0.05, log_gamma=0.15),
    # Chatterjee et al. 2022 (StRegA, arXiv:2201.13271) name the transforms and ranges, not how often each is used.
    "strega": Recipe(turns=((35.0, 0.1), (15.0, 0.0)), nearest=True, often=0.2, bias=0.5, noise=0.25, log_gamma=0.3, ghosts=(4, 10)),
}


class RandomChanges:
    """Changes batches by a recipe, as a function of seed and step alone.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __call__(self, batch: Batch, seed: int, step: int, first: int) -> Batch:
        """Change slices; where they show brain moves with them.

        Parameters
        ----------
        batch : Batch
            Slices, or volumes to be mirrored; rows `first` and on of the whole batch; left as they are.
        seed, step, first : int
            What the changes depend on.

        Returns
        -------
        Batch

        Raises
        ------
        InputError
            If these are volumes, and more is asked for than mirroring.
        """
        recipe = self._recipe
        if batch.images.ndim != 4 and recipe != RECIPES["flip"]:
            why = "all but mirroring is for slices, and this method trains on volumes"
            raise InputError("Augmentation", why=why, fix="Set augmentation to flip or none")
        generators = [np.random.default_rng(seed_of(seed, AUGMENTATION, step, first + row)) for row in range(len(batch))]
        numbers = torch.from_numpy(np.stack([generator.random(_NUMBERS, np.float32) for generator in generators]))
        images, brain = batch.images.clone(), batch.brain.clone()
        rows = _rows(numbers[:, 0] < recipe.flip)
        images[rows], brain[rows] = images[rows].flip(-1), brain[rows].flip(-1)
        self._turn(images, brain, numbers[:, 1], numbers[:, 2:5])
        often = numbers[:, 5:9] < recipe.often
        signed = 2 * numbers - 1
        # Only the slices that are changed are worked on: most are not.
        if recipe.bias > 0:
            rows = _rows(often[:, 0])
            images[rows] = bias_field(images[rows], recipe.bias * signed[rows, 16:26])
        if recipe.log_gamma > 0:
            rows = _rows(often[:, 1])
            images[rows] = gamma(images[rows], torch.exp(recipe.log_gamma * signed[rows, 9]))
        if recipe.ghosts[1] > 0:
            self._ghosts(images, _rows(often[:, 2]), numbers[:, 10:13])
        if recipe.noise > 0:
            for row in _rows(often[:, 3]).tolist():
                noise = generators[row].standard_normal(tuple(images.shape[1:]), np.float32)
                images[row] += recipe.noise * float(numbers[row, 13]) * torch.from_numpy(noise)
        return Batch(images, brain, batch.index)

    def _turn(self, images: torch.Tensor, brain: torch.Tensor, which: torch.Tensor, by: torch.Tensor) -> None:
        turns = self._recipe.turns
        choice = (which * (len(turns) + 1)).long()
        rows = _rows(choice < len(turns))
        if not turns or not len(rows):
            return
        ranges = torch.tensor(turns)[choice[rows]]
        signed = 2 * by[rows] - 1
        degrees, scales = signed[:, 0] * ranges[:, 0], 1 + signed[:, 1:] * ranges[:, 1:]
        images[rows] = affine(images[rows], degrees, scales, nearest=self._recipe.nearest)
        brain[rows] = affine(brain[rows][:, None].float(), degrees, scales, nearest=True)[:, 0] > 0.5

    def _ghosts(self, images: torch.Tensor, rows: torch.Tensor, numbers: torch.Tensor) -> None:
        low, high = self._recipe.ghosts
        for row in rows.tolist():
            count, axis, strength = numbers[row].tolist()
            images[row] = ghosting(images[row], min(high, low + int(count * (high - low + 1))), 1 + int(axis * 2) % 2, 0.5 + 0.5 * strength)


def augmentation(name: str) -> RandomChanges | None:
    """The changes of a name of `TrainingParams.augmentation`; None for "none"."""
    return None if name == "none" else RandomChanges(RECIPES[name])


def affine(images: torch.Tensor, degrees: torch.Tensor, scales: torch.Tensor, *, nearest: bool = False) -> torch.Tensor:
    """Turn and magnify slices around their centre (TorchIO's ``Affine``); what comes in from outside has the slice's smallest value.

    Parameters
    ----------
    images : tensor, shape (n, channels, H, W)
    degrees : tensor, shape (n,)
        From the rows' axis towards the columns'.
    scales : tensor, shape (n, 2)
        Along H and W; 1.5 makes things look 1.5 times as large.
    """
    height, width = images.shape[-2:]
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Coordinates run from -1 to 1, x (W) before y (H), and lead from the result back to the image.
    rows = [
        torch.stack([cos / scales[:, 1], -sin * height / width / scales[:, 0], torch.zeros_like(cos)], 1),
        torch.stack([sin * width / height / scales[:, 1], cos / scales[:, 0], torch.zeros_like(cos)], 1),
    ]
    where = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    low = images.amin(dim=(1, 2, 3), keepdim=True)
    return functional.grid_sample(images - low, where, mode="nearest" if nearest else "bilinear", align_corners=False) + low


def bias_field(images: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Multiply slices with the exponential of a polynomial of order 3 (TorchIO's ``BiasField``).

    Parameters
    ----------
    images : tensor, shape (n, channels, H, W)
    coefficients : tensor, shape (n, 10)
        Of the terms h^a w^b, in the order a = 0, 1, 2, 3, and for each b = 0 .. 3 - a.
    """
    axes = [torch.arange(-size / 2, size / 2) + 0.5 for size in images.shape[-2:]]
    h, w = torch.meshgrid(*(axis / axis.max() if float(axis.max()) > 0 else axis for axis in axes), indexing="ij")
    terms = torch.stack([h**a * w**b for a in range(4) for b in range(4 - a)])
    return images * torch.exp(torch.einsum("nt,thw->nhw", coefficients, terms))[:, None]


def gamma(images: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """Raise magnitudes to a power, each slice to its own, and keep the signs (TorchIO's ``Gamma``)."""
    return images.sign() * images.abs() ** exponents[:, None, None, None]


def ghosting(image: torch.Tensor, count: int, axis: int, strength: float) -> torch.Tensor:
    """Ghosts along an axis (TorchIO's ``Ghosting``): every `count`-th plane of the spectrum but the middle one is weakened.

    Parameters
    ----------
    image : tensor, shape (channels, H, W)
    count : int
        Of ghosts.
    axis : int
        1 (H) or 2 (W).
    strength : float
        0 changes nothing, 1 takes the planes away.
    """
    spectrum = torch.fft.fftshift(torch.fft.fftn(image, dim=(1, 2)), dim=(1, 2))
    size = image.shape[axis]
    weights = torch.ones(size)
    weights[::count] = 1 - strength
    weights[size // 2] = 1.0
    spectrum = spectrum * (weights[None, :, None] if axis == 1 else weights[None, None, :])
    changed: torch.Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(1, 2)), dim=(1, 2)).real
    return changed


def _rows(chosen: torch.Tensor) -> torch.Tensor:
    return torch.nonzero(chosen).flatten()
