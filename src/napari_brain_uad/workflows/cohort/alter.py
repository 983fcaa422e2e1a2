"""Scans altered as other scanners and restless people would: noise, bias field, motion, low field, coarse voxels, each at three strengths.

The alterations are those of the simulation and of the training's augmentation, on a whole scan. They are simulated: real scanners differ
in more than one thing at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.optional import require
from ...core.text import choose_from
from ...core.volume import Volume
from ...preprocessing.geometry import grid_with_spacing, resample_array
from ...simulation.acquisition import average, with_bias, with_noise

Floats = NDArray[np.float32]

_GHOSTS, _ALONG = 4, 1
"""Ghosts of a head that moved, and the axis of a slice's transpose that they lie along: front to back, the usual phase encoding."""

_SIGNED = 0.05
"""Intensities are no magnitudes, but normalised, when negative ones make up more than this part of all, by size. Resampling overshoots a
little at the edge of a brain."""


@dataclass(frozen=True)
class AlterationKind:
    """A kind of alteration.

    Parameters
    ----------
    title, words : str
        For tables, and what it does.
    unit : str
        Of its strengths.
    strengths : tuple of float
        Mild, middle, strong.
    apply : callable
        Volume, bright level, strength and generator to the altered intensities.
    """

    title: str
    words: str
    unit: str
    strengths: tuple[float, float, float]
    apply: Callable[[Volume, float, float, np.random.Generator], Floats]


@dataclass(frozen=True)
class Alteration:
    """What is done to a scan; `level` is 1, 2 or 3, `key` and `seed` fix everything random (the same at all levels)."""

    kind: str
    level: int
    key: str
    seed: int = 0

    @property
    def strength(self) -> float:
        """In the unit of its kind."""
        return KINDS[self.kind].strengths[self.level - 1]


def altered(volume: Volume, alteration: Alteration) -> Volume:
    """A scan with simulated faults.

    Parameters
    ----------
    volume : Volume
        Magnitudes: whole heads, or brains with 0 around them, which stays 0.

    Returns
    -------
    Volume
        On the same grid.

    Raises
    ------
    InputError
        If the intensities are no magnitudes (z-scores, say), or the alteration needs a package that is not installed.
    """
    data = volume.data
    seen = data > 0
    if not seen.any() or -float(data[data < 0].sum(dtype=np.float64)) > _SIGNED * float(np.abs(data).sum(dtype=np.float64)):
        why = "its intensities are no magnitudes: they were normalised, or there are none"
        raise InputError(f"{volume.name} cannot be altered", why=why, fix="Give the scan before it was normalised")
    data = np.maximum(data, np.float32(0.0))
    bright = float(np.median(data[data >= data[seen].mean()]))
    rng = np.random.default_rng([alteration.seed, zlib.crc32(f"{alteration.kind} {alteration.key}".encode("utf-8", "surrogateescape"))])
    changed = KINDS[alteration.kind].apply(volume.with_data(data), bright, alteration.strength, rng)
    return replace(volume, data=np.asfortranarray(np.where(seen, changed, np.float32(0.0)), dtype=np.float32))


def kinds_of(words: str) -> tuple[str, ...]:
    """Kinds as users name them, with commas; all when empty.

    Raises
    ------
    InputError
        For an unknown one.
    """
    asked = tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    for one in asked:
        if one not in KINDS:
            raise InputError(f"There is no alteration '{one}'", fix=choose_from(one, KINDS, "There are"))
    return asked or tuple(KINDS)


def _noise(volume: Volume, bright: float, strength: float, rng: np.random.Generator) -> Floats:
    return with_noise(volume.data, strength * bright, rng)


def _bias(volume: Volume, bright: float, strength: float, rng: np.random.Generator) -> Floats:
    return with_bias(volume.data, strength, volume.grid.spacing, rng)


def _motion(volume: Volume, bright: float, strength: float, rng: np.random.Generator) -> Floats:
    require("torch", what_for="Motion cannot be simulated")
    import torch

    from ...training.augment import ghosting

    slices = torch.from_numpy(np.ascontiguousarray(volume.data.T))
    return np.asarray(ghosting(slices, _GHOSTS, _ALONG, strength).abs().numpy().T)


def _low_field(volume: Volume, bright: float, strength: float, rng: np.random.Generator) -> Floats:
    """Less contrast (an exponent towards the bright level) and more noise, as the signal falls with the field."""
    flat = bright * (volume.data / np.float32(bright)) ** np.float32(1.0 - strength)
    return with_noise(np.asarray(flat, np.float32), _NOISE_AT_LOW_FIELD * strength * bright, rng)


_NOISE_AT_LOW_FIELD = 0.2


def _coarse(volume: Volume, bright: float, strength: float, rng: np.random.Generator) -> Floats:
    """The mean over coarse voxels, of what there is in them, brought back to the scan's own.

    Without "of what there is" the zeros around a brain would give it a dark rim, which no scanner does.
    """
    wanted = tuple(max(strength, own) for own in volume.grid.spacing)
    x, y, z = (want / own for want, own in zip(wanted, volume.grid.spacing, strict=True))
    grid = grid_with_spacing(volume.grid, (wanted[0], wanted[1], wanted[2]))
    values, share = (resample_array(average(one, (x, y, z)), grid, volume.grid) for one in (volume.data, volume.data > 0))
    return np.asarray(values / np.maximum(share, np.float32(1e-6)))


KINDS = {
    "noise": AlterationKind("noise", "Rician noise, its standard deviation as a part of the bright tissue", "", (0.03, 0.06, 0.12), _noise),
    "bias": AlterationKind("bias field", "a smooth field over 60 mm, spread of its logarithm", "", (0.1, 0.25, 0.5), _bias),
    "motion": AlterationKind(
        "motion", "four ghosts from front to back, the part of k-space's planes that is lost", "", (0.2, 0.4, 0.8), _motion
    ),
    "low-field": AlterationKind("low field", "contrast and signal lost, as a part", "", (0.15, 0.3, 0.45), _low_field),
    "resolution": AlterationKind("resolution", "voxels of this size, averaged", "mm", (2.0, 3.0, 4.0), _coarse),
}
"""What can be done to a scan, by what users type."""
