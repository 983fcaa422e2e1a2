"""Tissue classes: CSF, grey and white matter, from one image of any contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.params import param
from ...core.progress import Progress
from ...core.volume import Volume
from ..step import Context, Step, StepResult

CLASSES = ("background", "CSF", "GM", "WM")
"""What the labels 0 to 3 mean."""

_DARK_TO_BRIGHT = {"T1": (1, 2, 3), "T1c": (1, 2, 3), "T2": (3, 2, 1), "FLAIR": (1, 3, 2), "PD": (3, 2, 1)}
"""The labels in the order of their intensity, for each sequence; FLAIR nulls CSF and shows grey matter brighter than white."""


@dataclass(frozen=True)
class TissueClasses(Step):
    """Replace the image by its tissue classes: 0 background, 1 CSF, 2 grey matter, 3 white matter.

    A hidden Markov random field with Gaussian classes, fitted by expectation maximisation (Zhang, Brady & Smith, IEEE TMI 2001),
    as in FSL FAST and in dipy's ``TissueClassifierHMRF``, which it was checked against; computed on brain voxels only.
    """

    ID = "tissue_classes"
    TITLE = "Classify tissues"
    SHARE = 6.0

    smoothness: float = param(
        0.1, "Weight of equal neighbours (beta); 0 classifies each voxel alone", label="Smoothness (β)", low=0.0, high=2.0, step=0.05
    )
    iterations: int = param(20, "Most rounds of expectation maximisation", label="EM iterations", low=1, high=200)
    standardise: bool = param(False, "Give the label image mean 0 and standard deviation 1 (Chatterjee 2022)", label="Standardise labels")

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if volume.mask is None or not volume.mask.any():
            raise InputError(f"Tissue classes of {volume.name}", why="no brain mask is known", fix="Extract the brain first")
        order = _DARK_TO_BRIGHT.get(volume.sequence or "T1", (1, 2, 3))
        box = _box(volume.mask)
        ranks, rounds = classify(volume.data[box], volume.mask[box], self.smoothness, self.iterations, context.progress)
        labels = np.zeros(volume.data.shape, np.float32, order="F")
        labels[box] = np.array([0, *order], np.float32)[ranks]
        counts = np.bincount(labels[volume.mask].astype(int), minlength=4)
        share = ", ".join(f"{name} {100 * n / counts.sum():.0f} %" for name, n in zip(CLASSES[1:], counts[1:], strict=True))
        if self.standardise:
            labels = ((labels - labels.mean()) / labels.std()).astype(np.float32)
        assumed = "" if volume.sequence in _DARK_TO_BRIGHT else "; the sequence is not known, taken as T1"
        return StepResult(volume.with_data(labels), said=f"{share}, {rounds} rounds{assumed}")


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The brain's box with one voxel around it, as far as there is one."""
    ends = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return tuple(slice(max(int(where[0]) - 1, 0), int(where[-1]) + 2) for where in ends)


def classify(
    data: NDArray[np.float32], mask: NDArray[np.bool_], smoothness: float, iterations: int, progress: Progress
) -> tuple[NDArray[np.uint8], int]:
    """Three classes by a hidden Markov random field, numbered by rising mean intensity.

    Parameters
    ----------
    data, mask : array, shape (i, j, k)
        Image and brain.
    smoothness : float
        Energy of each of the 6 neighbours of another class, times 2; see Notes.
    iterations : int
        Most rounds; it stops earlier when fewer than 1 in 2,000 voxels change.

    Returns
    -------
    classes : array of uint8
        1, 2, 3 in the mask, 0 outside.
    rounds : int
        Rounds done.

    Notes
    -----
    Each round: labels minimise ``(y - mu)^2 / (2 sigma^2) + log sigma - beta * (equal - different neighbours)`` (iterated
    conditional modes, Besag 1986, all voxels at once), then every class's mean and variance are updated with the posteriors.
    """
    brain = data[mask].astype(np.float32)
    # By a power of two, which changes no digit: squares of very large or small intensities leave what float32 holds.
    brain = np.ldexp(brain, -int(np.frexp(np.abs(brain).max())[1]))
    means, variances = _start(brain)
    labels = np.zeros(data.shape, np.uint8)
    labels[mask] = 1 + _energies(brain, means, variances).argmin(axis=0)
    weights = np.ones((3, 1), np.float32)
    rounds = 0
    for rounds in range(1, iterations + 1):
        progress.update(rounds / iterations)
        neighbours = _neighbours(labels, mask)
        weights = np.exp(smoothness * 2.0 * neighbours)
        means, variances = _update(brain, weights, means, variances)
        energy = _energies(brain, means, variances) - smoothness * 2.0 * neighbours
        new = (1 + energy.argmin(axis=0)).astype(np.uint8)
        changed = int(np.count_nonzero(new != labels[mask]))
        labels[mask] = new
        if changed < brain.size / 2000:
            break
    return labels, rounds


def _start(brain: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and variances of three clusters, by Lloyd's algorithm on the histogram."""
    low, high = np.percentile(brain, (0.5, 99.5))
    counts, edges = np.histogram(brain, bins=512, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    means = np.interp((0.15, 0.5, 0.85), np.cumsum(counts) / counts.sum(), centres)
    for _ in range(50):
        nearest = np.abs(centres[:, None] - means).argmin(axis=1)
        means = np.array([np.average(centres[nearest == c], weights=counts[nearest == c] + 1e-9) for c in range(3)])
    nearest = np.abs(centres[:, None] - means).argmin(axis=1)
    spread = [np.average((centres[nearest == c] - means[c]) ** 2, weights=counts[nearest == c] + 1e-9) for c in range(3)]
    return means.astype(np.float32), np.maximum(spread, 1e-12).astype(np.float32)


def _energies(brain: NDArray[np.float32], means: NDArray[np.float32], variances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Minus log likelihood of each voxel in each class, shape (3, n)."""
    return np.stack([(brain - m) ** 2 / (2.0 * v) + np.float32(0.5) * np.log(v) for m, v in zip(means, variances, strict=True)])


def _neighbours(labels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How many of the 6 neighbours of each brain voxel are of each class, shape (3, n)."""
    counts = []
    for label in (1, 2, 3):
        same = (labels == label).astype(np.uint8)
        total = np.zeros_like(same)
        for axis in range(3):
            ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            total[ahead] += same[behind]
            total[behind] += same[ahead]
        counts.append(total[mask].astype(np.float32))
    return np.stack(counts)


def _update(
    brain: NDArray[np.float32], prior: NDArray[np.float32], means: NDArray[np.float32], variances: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One expectation maximisation step of the classes' means and variances."""
    energy = _energies(brain, means, variances)
    posterior = prior * np.exp(energy.min(axis=0) - energy)
    posterior /= posterior.sum(axis=0)
    total = posterior.sum(axis=1, dtype=np.float64)
    new_means = (posterior @ brain) / total
    new_variances = [float(p @ (brain - m) ** 2) / n for p, m, n in zip(posterior, new_means, total, strict=True)]
    return new_means.astype(np.float32), np.maximum(new_variances, 1e-12).astype(np.float32)
