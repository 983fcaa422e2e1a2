"""A scan of any sequence as slices of tissue: what the methods of this family look at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.params import param
from ...core.progress import Progress
from ...core.volume import Volume
from ...preprocessing.tissue_scale import BRIGHTEST, CSF, DARKEST, SEQUENCES, WHITE, fit_tissue_scale
from ...sampling.slices import SliceGrid, Slices, to_slices
from ..base.card import LEARNED

TISSUE = "tissue"
"""The sequence of images that hold the scale of tissue itself, like simulated ones; so do maps of the classes 1, 2, 3."""

NEEDS = "A brain mask (or a skull-stripped scan) and a known sequence: T1, T1c, T2, FLAIR, or PD with a model of your own"
"""Of the methods that take the scale of tissue, for their cards."""
NEEDS_CLASSES = "A brain mask (or a skull-stripped scan), bias corrected, and a known sequence: T1, T1c, T2, PD or FLAIR"
"""Of the methods that take the classes of tissue."""

CARD = replace(
    LEARNED,
    needs=NEEDS,
    sequences=("T2", "T1c", "T1", "FLAIR"),
    score_unit="evidence from 0 to 1",
    preset="native",
    bytes_per_voxel=60.0,
    colour_limits=(0.0, 1.0),
)
"""Of the methods that score the scale of tissue: a method's card says what differs."""


def sequence_setting(*more: str) -> str:
    """The setting that says which tissue is dark and which bright; `more` are further choices."""
    told = "Tells which tissue is dark and which bright; auto = the scan's own"
    setting: str = param("auto", told, label="MRI sequence", choices=("auto", *SEQUENCES, *more))
    return setting


@dataclass(frozen=True, eq=False)
class Tissues:
    """Tissue of one scan, on the scale of `preprocessing.tissue_scale`.

    Parameters
    ----------
    slices : Slices
        From 0 to 4.
    scale : array of float32, shape (S, H, W)
        The scale that the slices were cut off from (`preprocessing.tissue_scale.TissueScale.unbounded`).
    tissue : array of float32, shape (I, J, K)
        Of the scan's own voxels.
    """

    slices: Slices
    scale: NDArray[np.float32]
    tissue: NDArray[np.float32]

    @property
    def whole(self) -> Slices:
        """The scale beyond healthy tissue as far as it tells anything; filled holes of the mask as they are; 0 outside."""
        beyond = np.where(self.slices.mask, self.scale.clip(DARKEST, BRIGHTEST), self.slices.data)
        return self.slices.with_data(beyond.astype(np.float32))


def sequence_of(volume: Volume, setting: str, method: str) -> str:
    """Which tissue is dark and which bright: the setting, or the scan's own where it is "auto".

    Raises
    ------
    InputError
        If neither is known.
    """
    found = volume.sequence if setting == "auto" else setting
    if found is None:
        raise InputError(
            f"{volume.name} cannot be scored by {method}",
            why="its sequence is not known, and with it which tissue is dark and which bright",
            fix=f"Set the method's setting sequence to {', '.join(SEQUENCES[:-1])} or {SEQUENCES[-1]}",
        )
    return found


def tissues_of(volume: Volume, setting: str, grid: SliceGrid, method: str) -> Tissues:
    """Tissue of a scan, by its sequence; see `sequence_of`. A scan that holds it already is taken as it is."""
    labels = labels_of(volume)
    if setting == TISSUE or labels is not None:
        held = volume if labels is None else volume.with_data(labels)
        slices = to_slices(held, grid)
        tissue = np.where(slices.mask, slices.data.clip(CSF, WHITE), np.float32(0.0))
        return Tissues(slices.with_data(tissue), tissue, held.data.clip(CSF, WHITE))
    slices = to_slices(volume, grid)
    scale = fit_tissue_scale(slices.data[slices.mask], sequence_of(volume, setting, method))
    tissue = np.where(slices.mask, scale(slices.data), np.float32(0.0))
    return Tissues(slices.with_data(_filled(tissue, slices.mask)), scale.unbounded(slices.data), scale(volume.data))


def labels_of(volume: Volume) -> NDArray[np.float32] | None:
    """The tissue classes (1 CSF, 2 grey, 3 white matter) that a scan holds instead of intensities; None where it is no such map.

    They may be standardised (the step `tissue_classes` with `standardise`): then what lies around the brain tells where 0 is.
    """
    data = volume.data
    if np.unique(data.ravel()[:: max(1, data.size // 10_000)]).size > 4:
        return None
    values = np.unique(data)
    if np.isin(values, (0.0, 1.0, 2.0, 3.0)).all():
        return data
    around = data[~volume.mask] if volume.mask is not None else data[:0]
    if values.size != 4 or not around.size or not (around == values[0]).all() or np.ptp(np.diff(values)) > 1e-3 * np.ptp(values):
        return None
    return np.searchsorted(values, data).astype(np.float32)


def classes_of(volume: Volume, setting: str, method: str, progress: Progress | None = None) -> NDArray[np.float32]:
    """Tissue classes of a scan (0 around the brain, 1 CSF, 2 grey, 3 white matter) by a hidden Markov random field; see `sequence_of`.

    A scan that holds them already is taken as it is.
    """
    held = labels_of(volume)
    if held is not None:
        return held
    from ...preprocessing.step import Context
    from ...preprocessing.steps.tissue_classes import TissueClasses

    named = Volume(volume.data, volume.grid, volume.name, volume.mask, sequence_of(volume, setting, method))
    return TissueClasses().apply(named, Context(progress=progress or Progress())).volume.data


def _filled(tissue: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Holes of the mask as CSF: masks made with a threshold leave out ventricles, which a network has never seen black."""
    from scipy.ndimage import binary_fill_holes

    for image, brain in zip(tissue, mask, strict=True):
        image[binary_fill_holes(brain) & ~brain] = CSF
    return tissue
