"""Scores of methods that reconstruct tissues instead of intensities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def lost_white_matter(scale: Tensor, probabilities: Tensor) -> Tensor:
    """How probably a pixel shows a tissue that it would not show if it were healthy: less than the white matter expected there.

    ``p(white) * clip(3 - x, 0, 1)``, or how far beyond healthy tissue it lies, ``clip(x - 3, 0, 1)``, whichever is higher. Lesions of white
    matter look like grey matter or CSF, whatever the sequence; where grey matter or CSF is expected anyway, the score stays low. A
    residual, in contrast, grows at every fold of the cortex, because no reconstruction puts each fold in its place.

    Parameters
    ----------
    scale : tensor, shape (B, 1, H, W)
        Tissue (`preprocessing.tissue_scale`): 1 CSF, 2 grey, 3 white matter, up to 4 beyond; 0 background.
    probabilities : tensor, shape (B, 4, H, W)
        Of background, CSF, grey and white matter, as reconstructed.

    Returns
    -------
    tensor, shape (B, H, W)
        From 0 to 1.
    """
    seen, white = scale[:, 0], _white(probabilities)
    return (white * (3.0 - seen).clamp(0, 1)).maximum((seen - 3.0).clamp(0, 1))


def white_matter_deficit(scale: Tensor, probabilities: Tensor) -> Tensor:
    """How far a pixel lies below white matter where this is expected for certain.

    ``p(white)^2 * clip((3 - x) / 2, 0, 1)``, or how far beyond healthy tissue it lies, ``clip(x - 3, 0, 1)``, whichever is higher. Unlike
    `lost_white_matter` it goes on growing from grey matter to CSF: on T2, where lesions are brighter than the cortex, that sets them
    apart from its folds.

    Parameters
    ----------
    scale, probabilities
        As for `lost_white_matter`.

    Returns
    -------
    tensor, shape (B, H, W)
        From 0 to 1.
    """
    seen, white = scale[:, 0], _white(probabilities)
    return (white.square() * ((3.0 - seen) / 2.0).clamp(0, 1)).maximum((seen - 3.0).clamp(0, 1))


def _white(probabilities: Tensor) -> Tensor:
    """Share of white matter in what is expected of the brain, shape (B, H, W)."""
    tissue = probabilities[:, 1:]
    return tissue[:, 2] / tissue.sum(dim=1).clamp(min=1e-3)
