"""Every score by name. A score needs slices and a reconstruction; some need an energy of the model as well.

Importing this loads no torch: settings and cards list the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import distance, gradient, likelihood, residual, structure, tissue
from .smooth import gaussian

if TYPE_CHECKING:
    from torch import Tensor

_SMOOTHING = 2.0
"""Sigma in pixels of the smoothing of gradients before they are multiplied with a residual; raw, they are grainy. The authors' published
code smooths with a sigma of 3 cut to 7 x 7 pixels, which spreads as far as a sigma of 1.9."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a score is made of.

    Parameters
    ----------
    images, reconstruction : tensor, shape (B, C, H, W)
    energies : mapping of str to callable
        Energies of the model, each one number a slice: "kl" is KL(q(z|x) || p(z)), "elbo" is what the training minimised.
    probabilities : tensor, shape (B, 4, H, W), optional
        Of the tissues, where a method reconstructs those (`scoring.tissue`).
    samples : tensor, shape (N, B, C, H, W), optional
        Several reconstructions, where a method makes them; `reconstruction` is their mean.
    """

    images: Tensor
    reconstruction: Tensor
    energies: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    probabilities: Tensor | None = None
    samples: Tensor | None = None


@dataclass(frozen=True)
class Score:
    """One score.

    Parameters
    ----------
    words : str
        What it is.
    compute : callable
        `Evidence` to scores (B, H, W), higher = more abnormal.
    energies : tuple of str
        Energies it asks for.
    tissues : bool
        Whether it asks for the probabilities of tissues.
    samples : bool
        Whether it asks for several reconstructions.
    limits : tuple of float, optional
        Fixed colour scale for intensities from 0 to 1; None where its size depends on the model.
    """

    words: str
    compute: Callable[[Evidence], Tensor]
    energies: tuple[str, ...] = ()
    tissues: bool = False
    samples: bool = False
    limits: tuple[float, float] | None = None


def _product(evidence: Evidence) -> Tensor:
    fine = residual.absolute(evidence.images, evidence.reconstruction)
    coarse = structure.dissimilarity(evidence.images, evidence.reconstruction, 4.0)
    return fine * coarse


def _lost_white_matter(evidence: Evidence) -> Tensor:
    if evidence.probabilities is None:
        raise TypeError("this method gives no probabilities of tissues")
    return tissue.lost_white_matter(3.0 * evidence.images, evidence.probabilities)


def _white_matter_deficit(evidence: Evidence) -> Tensor:
    if evidence.probabilities is None:
        raise TypeError("this method gives no probabilities of tissues")
    return tissue.white_matter_deficit(3.0 * evidence.images, evidence.probabilities)


def _combi(evidence: Evidence) -> Tensor:
    """Zimmerer 2018, section 2.3: the residual where the model, too, finds the place unlikely."""
    slope = gradient.input_gradient(evidence.energies["kl"], evidence.images)
    smooth = gaussian(slope[:, None], _SMOOTHING)[:, 0]
    return smooth * residual.absolute(evidence.images, evidence.reconstruction)


def _mahalanobis(evidence: Evidence) -> Tensor:
    if evidence.samples is None:
        raise TypeError("this method makes a single reconstruction")
    return distance.mahalanobis(evidence.images, evidence.samples)


def _harmonic(evidence: Evidence, *, brighter: bool = False) -> Tensor:
    if evidence.samples is None:
        raise TypeError("this method makes a single reconstruction")
    return likelihood.harmonic(evidence.images, evidence.samples, brighter=brighter)


SCORES: dict[str, Score] = {
    "l1": Score("|input - reconstruction|", lambda e: residual.absolute(e.images, e.reconstruction), limits=(0.0, 0.5)),
    "l2": Score("(input - reconstruction) squared", lambda e: residual.squared(e.images, e.reconstruction), limits=(0.0, 0.25)),
    "brighter": Score("input - reconstruction where positive", lambda e: residual.brighter(e.images, e.reconstruction), limits=(0.0, 0.5)),
    "darker": Score("reconstruction - input where positive", lambda e: residual.darker(e.images, e.reconstruction), limits=(0.0, 0.5)),
    "ssim": Score("structural dissimilarity", lambda e: structure.dissimilarity(e.images, e.reconstruction), limits=(0.0, 1.0)),
    "ssim-ensemble": Score("dissimilarity over window sizes", lambda e: structure.ensemble(e.images, e.reconstruction), limits=(0.0, 1.0)),
    "l1-ssim": Score("residual times coarse dissimilarity", _product, limits=(0.0, 0.3)),
    "kl-gradient": Score(
        "|gradient of the KL divergence|", lambda e: gradient.input_gradient(e.energies["kl"], e.images), energies=("kl",)
    ),
    "elbo-gradient": Score("|gradient of the ELBO|", lambda e: gradient.input_gradient(e.energies["elbo"], e.images), energies=("elbo",)),
    "combi": Score("smoothed KL gradient times residual", _combi, energies=("kl",)),
    "lost-white-matter": Score("probability of white matter that is not seen", _lost_white_matter, tissues=True, limits=(0.0, 1.0)),
    "mahalanobis": Score("Mahalanobis distance from several reconstructions", _mahalanobis, samples=True),
    "harmonic": Score("harmonic mean of residual times dissimilarity, over several reconstructions", _harmonic, samples=True),
    "harmonic-brighter": Score("the same, of input - reconstruction where positive", lambda e: _harmonic(e, brighter=True), samples=True),
    "white-matter-deficit": Score("how far below certain white matter", _white_matter_deficit, tissues=True, limits=(0.0, 1.0)),
}


def score_names(*, energies: tuple[str, ...] = (), tissues: bool = False) -> tuple[str, ...]:
    """The scores of one reconstruction that a model with these energies can give; with `tissues`, those of tissues as well."""
    able = {name: score for name, score in SCORES.items() if set(score.energies) <= set(energies) and not score.samples}
    return tuple(name for name, score in able.items() if tissues or not score.tissues)
