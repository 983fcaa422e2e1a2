"""The papers' preprocessing by name, as pipelines.

Differences to the papers, where a tool or an atlas of theirs cannot be shipped, are said in each preset's ``notes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError
from ..core.text import choose_from


@dataclass(frozen=True)
class Preset:
    """A named pipeline.

    Parameters
    ----------
    id, title : str
        What users type, and what they read.
    paper : str
        Where it comes from; empty for our own.
    notes : str
        Grid, and what differs from the paper.
    pipeline : tuple of dict
        See `preprocessing.pipeline`.
    """

    id: str
    title: str
    paper: str
    notes: str
    pipeline: tuple[dict[str, Any], ...]


def _step(name: str, **params: Any) -> dict[str, Any]:
    return {"step": name, "params": params}


_HEAD = (_step("reorient"), _step("coregister"), _step("brain_extraction"))
_TO_MNI = (*_HEAD, _step("n4"), _step("register_mni"))

_PRESETS = (
    Preset(
        "clinical",
        "Raw scan to MNI, 1 mm",
        "",
        "182 x 218 x 182 voxels of 1 mm; intensities p1-p99 of the brain to 0-1",
        (*_TO_MNI, _step("intensity", method="percentile")),
    ),
    Preset(
        "native",
        "Raw scan on its own grid",
        "",
        "brain extraction and bias field only; nothing is resampled and intensities keep their unit",
        (*_HEAD, _step("n4")),
    ),
    Preset(
        "threshold-i",
        "FLAIR threshold, setting I",
        "Meissen et al., Challenging current semi-supervised anomaly segmentation methods for brain MRI, 2022, "
        "doi:10.1007/978-3-031-08999-2_5",
        "128 x 128 voxels in plane, slices 15 to 125 of 155; the paper registers to SRI24, here to MNI152 cut to SRI24's size, "
        "240 x 240 x 155 mm, so that slice numbers agree to some millimetres only; the equalisation belongs to the method",
        (
            *_TO_MNI,
            _step("crop_pad", i=240, j=240, k=155),
            _step("slice_range", first=15, last=125),
            _step("resample", x_mm=1.875, y_mm=1.875, z_mm=1.0),
        ),
    ),
    Preset(
        "threshold-ii",
        "FLAIR threshold, setting II",
        "Meissen et al. 2022, doi:10.1007/978-3-031-08999-2_5",
        "224 x 224 voxels in plane, slices 84 to 87 of 155; otherwise as threshold-i",
        (*_TO_MNI, _step("crop_pad", i=224, j=224, k=155), _step("slice_range", first=84, last=87)),
    ),
    Preset(
        "pddpm",
        "Patched diffusion",
        "Behrendt et al., Patched Diffusion Models for Unsupervised Anomaly Detection in Brain MRI, MIDL 2023, arXiv:2303.03758",
        "96 x 96 x 50 voxels of 2 mm: cut to 192 x 192 x 160 mm, p1-p99 to 0-1, halved by a cubic spline, 15 slices off each end; "
        "brain mask by deepbet instead of HD-BET; the paper registers to SRI24, here to MNI152",
        (
            *_TO_MNI,
            _step("crop_pad", i=192, j=192, k=160, centre="brain"),
            _step("intensity", method="percentile"),
            _step("downsample", factor=2),
            _step("slice_range", first=15, last=-16),
        ),
    ),
    Preset(
        "strega",
        "StRegA",
        "Chatterjee et al., StRegA, Computers in Biology and Medicine 2022, doi:10.1016/j.compbiomed.2022.106093",
        "256 x 256 axial slices of standardised tissue labels; classes by our hidden Markov random field instead of FSL FAST",
        (*_TO_MNI, _step("tissue_classes", standardise=True), _step("crop_pad", i=256, j=256)),
    ),
    Preset(
        "simple-slice-net",
        "SimpleSliceNet",
        "SimpleSliceNet (the seed paper)",
        "192 x 192 x 96 voxels of 1 mm around the middle of the brain: what lies above and below them is left out; p1-p99 to 0-1",
        (
            *_TO_MNI,
            _step("crop_pad", i=192, j=192, k=96, centre="brain"),
            _step("intensity", method="percentile"),
        ),
    ),
    Preset(
        "baur",
        "Autoencoder comparison",
        "Baur et al., Autoencoders for unsupervised anomaly segmentation in brain MR images, Medical Image Analysis 2021, "
        "doi:10.1016/j.media.2020.101952",
        "128 x 128 axial slices over 192 x 192 mm, p1-p99 to 0-1; the paper registers to SRI24, here to MNI152",
        (
            *_TO_MNI,
            _step("crop_pad", i=192, j=192, centre="brain"),
            _step("resample", x_mm=1.5, y_mm=1.5, z_mm=1.0),
            _step("intensity", method="percentile"),
        ),
    ),
)

PRESETS: dict[str, Preset] = {preset.id: preset for preset in _PRESETS}
"""All presets by id."""


def preset(identifier: str) -> Preset:
    """The preset with this id.

    Raises
    ------
    InputError
        If there is none; known ids are listed.
    """
    try:
        return PRESETS[identifier]
    except KeyError:
        raise InputError(f"There is no preset '{identifier}'", fix=choose_from(identifier, PRESETS, "Known presets")) from None
