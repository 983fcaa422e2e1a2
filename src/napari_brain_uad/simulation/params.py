"""Settings of a simulated population."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.params import Params, param

SEQUENCES = ("T1", "T1c", "T2", "FLAIR", "PD", "random", "tissue")
"""tissue is no contrast but the tissue itself: 1 CSF, 2 grey, 3 white matter, with partial volume and without bias and noise."""
LESIONS = ("none", "ms", "tumour", "stroke", "strega", "structural")


@dataclass(frozen=True)
class SimulationParams(Params):
    """How heads are bent, what contrast they get and how they are scanned; see `population.Population`."""

    sequence: str = param(
        "T1",
        "Contrast; random gives every tissue any brightness, tissue is the scale 1 (CSF) to 3 (white matter)",
        label="MRI sequence",
        choices=SEQUENCES,
    )
    lesions: str = param("none", "Lesions put in, with their exact truth", choices=LESIONS)
    lesion_load: float = param(1.0, "Factor on the number (MS) or volume of lesions", low=0.1, high=5.0, step=0.1)
    with_skull: bool = param(False, "Show the whole head instead of the brain alone")
    spacing_mm: float = param(1.0, "Voxel size", label="Voxel size", unit="mm", low=1.0, high=4.0, step=0.5)
    thickness_mm: float = param(
        0.0,
        "Slice thickness along the body's axis; 0 = as the voxel size",
        label="Slice thickness",
        unit="mm",
        low=0.0,
        high=10.0,
        step=1.0,
    )
    pose: str = param(
        "template",
        "How heads lie: turned as a registered scan is, or as in the label map",
        label="Head pose",
        choices=("template", "scanner"),
    )
    deformation_mm: float = param(2.0, "Spread of the random smooth deformation", unit="mm", low=0.0, high=6.0, step=0.5)
    rotation_deg: float = param(
        6.0, "Largest rotation about each axis", label="Largest rotation", unit="degrees", low=0.0, high=45.0, step=1.0
    )
    scaling: float = param(
        0.08, "Largest change of size along each axis, as a fraction", label="Largest scaling", low=0.0, high=0.3, step=0.01
    )
    shear: float = param(0.02, "Largest shear between two axes", label="Largest shear", low=0.0, high=0.2, step=0.01, advanced=True)
    contrast_variation: float = param(0.05, "Spread of each structure's brightness, as a fraction", low=0.0, high=0.5, step=0.01)
    texture: float = param(0.04, "Spread of the brightness within a structure, as a fraction", low=0.0, high=0.3, step=0.01)
    bias: float = param(0.1, "Spread of the logarithm of the bias field", label="Bias field", low=0.0, high=1.0, step=0.05)
    noise: float = param(0.02, "Noise of each channel, as a fraction of white matter's signal (Rician)", low=0.0, high=0.5, step=0.01)
    resolution_mm: float = param(
        1.8,
        "Width at half height of what a point becomes, in the slice",
        label="Point spread (FWHM)",
        unit="mm",
        low=1.0,
        high=6.0,
        step=0.1,
        advanced=True,
    )
    rim_mm: float = param(
        2.0, "Fluid around the cortex that the brain mask keeps", label="Fluid rim", unit="mm", low=0.0, high=20.0, step=0.5, advanced=True
    )
