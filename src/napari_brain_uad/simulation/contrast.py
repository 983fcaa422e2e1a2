"""How bright each structure is in each sequence."""

from __future__ import annotations

import numpy as np

from .fields import Floats
from .labels import RIGHT, STRUCTURES, TISSUES
from .params import SimulationParams

LESION_TISSUES = ("ms lesion", "tumour core", "necrosis", "oedema", "infarct")
"""What lesions are made of; see `SIGNALS`."""

# Signal of each structure, white matter = 100: T1 as in MPRAGE (T1c: after contrast agent), T2 and PD as in late and early echoes of a
# turbo spin echo, FLAIR with nulled fluid, all at 1.5-3 T. Orders and rough ratios were set by eye and histogram beside real scans
# (docs/simulation.md).
_ROWS: dict[str, tuple[float, float, float, float, float]] = {
    # structure: T1, T1c, T2, FLAIR, PD
    "air": (0, 0, 0, 0, 0),
    "white matter": (100, 100, 100, 100, 100),
    "cortex": (71, 73, 134, 117, 124),
    "ventricles": (22, 22, 330, 20, 128),
    "outer CSF": (25, 27, 300, 24, 122),
    "cerebellar white matter": (97, 97, 104, 104, 103),
    "cerebellar cortex": (71, 73, 136, 116, 124),
    "thalamus": (85, 86, 120, 108, 114),
    "caudate": (76, 77, 127, 113, 120),
    "putamen": (79, 80, 120, 110, 118),
    "pallidum": (91, 91, 84, 96, 106),
    "hippocampus": (72, 74, 142, 122, 126),
    "accumbens": (75, 76, 130, 115, 120),
    "ventral diencephalon": (90, 90, 104, 102, 108),
    "brain stem": (92, 92, 110, 104, 108),
    "choroid plexus": (56, 150, 240, 95, 126),
    "vessel": (35, 120, 160, 60, 110),
    "optic chiasm": (85, 85, 115, 102, 108),
    "fluid beyond the brain mask": (24, 26, 295, 24, 120),
    "inner air": (2, 2, 4, 3, 3),
    "eyes": (25, 25, 330, 20, 120),
    "soft tissue": (62, 75, 75, 80, 85),
    "eye muscles": (55, 95, 70, 70, 80),
    "mucosa": (55, 130, 180, 110, 110),
    "skin": (110, 112, 120, 120, 110),
    "spinal cord": (90, 90, 112, 104, 110),
    "veins": (45, 150, 50, 40, 60),
    "compact bone": (10, 12, 10, 10, 12),
    "spongy bone": (88, 92, 75, 75, 80),
    "optic nerve": (80, 80, 125, 105, 110),
    "ms lesion": (66, 68, 185, 145, 132),
    "tumour core": (66, 150, 200, 150, 135),
    "necrosis": (36, 38, 280, 75, 128),
    "oedema": (72, 73, 205, 165, 138),
    "infarct": (58, 60, 225, 172, 140),
}
_COLUMNS = ("T1", "T1c", "T2", "FLAIR", "PD")

SIGNALS: dict[str, dict[str, float]] = {
    sequence: {name: float(row[column]) for name, row in _ROWS.items()} for column, sequence in enumerate(_COLUMNS)
}
"""Sequence, then structure or lesion tissue, to its mean signal."""

SIGNALS["tissue"] = dict.fromkeys(_ROWS, 0.0) | {
    structure.name: float(TISSUES[code]) for code, structure in enumerate(STRUCTURES) if TISSUES[code]
}
SIGNALS["tissue"] |= dict.fromkeys(LESION_TISSUES, 2.0) | {"necrosis": 1.0, "fluid beyond the brain mask": 1.0}

_RANDOM_LOW, _RANDOM_HIGH = 20.0, 220.0
_RANDOM_JITTER = 0.08


class Contrast:
    """The brightness of everything in one scan.

    Parameters
    ----------
    params : SimulationParams
        `sequence` and `contrast_variation`.
    rng : numpy.random.Generator
        Where the differences between scanners and subjects come from.

    Attributes
    ----------
    table : array of float32, shape (2 * RIGHT,)
        Signal of every code; both sides are equal.
    lesions : dict
        Signal of every one of `LESION_TISSUES`.
    white : float
        Signal of the brightest brain tissue but fluid: the yardstick of noise.
    """

    def __init__(self, params: SimulationParams, rng: np.random.Generator) -> None:
        jitter = 1.0 + params.contrast_variation * rng.standard_normal(len(_ROWS)).clip(-2.5, 2.5)
        names = list(_ROWS)
        means = _random_means(rng) if params.sequence == "random" else SIGNALS[params.sequence]
        signal = {name: means[name] * jitter[names.index(name)] for name in names}
        self.table: Floats = np.zeros(2 * RIGHT, np.float32)
        for code, structure in enumerate(STRUCTURES):
            self.table[[code, code + RIGHT]] = signal[structure.name]
        self.lesions = {name: signal[name] for name in LESION_TISSUES}
        self.white = max(signal["white matter"], signal["cortex"])


def _random_means(rng: np.random.Generator) -> dict[str, float]:
    """Each tissue class anywhere between dark and bright, its structures near it; outside the brain, and for lesions, each on its own."""
    classes = rng.uniform(_RANDOM_LOW, _RANDOM_HIGH, 4)
    of_tissue = {structure.name: int(TISSUES[code]) for code, structure in enumerate(STRUCTURES)}
    means = {}
    for name in _ROWS:
        tissue = of_tissue.get(name, 0)
        own, spread = rng.uniform(_RANDOM_LOW, _RANDOM_HIGH), rng.normal(0.0, _RANDOM_JITTER)
        means[name] = own if tissue == 0 else classes[tissue] * (1.0 + spread)
    means["air"] = 0.0
    for name in LESION_TISSUES:
        means[name] = means["white matter"] * (1.0 + float(rng.choice((-1.0, 1.0)) * rng.uniform(0.25, 0.6)))
    means["fluid beyond the brain mask"] = means["outer CSF"]
    return means
