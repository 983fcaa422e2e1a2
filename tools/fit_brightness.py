"""What `hyperintensity-segmentation` reaches at several weights of brightness: ``python -m tools.fit_brightness LABELMAPS``.

Simulated FLAIR patients, two of each kind of lesion that is bright on FLAIR, are scored by the network alone; AUPRC, the mean over the
kinds, for each weight and each brightness that counts as one half. No real scan is looked at.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from statistics import fmean

from napari_brain_uad.detectors.tissue.hyperintensity_segmentation import with_brightness
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.simulation.params import SimulationParams

from .fit_evidence import PER_KIND, simulated

KINDS = ("tumour", "ms", "stroke")
WEIGHTS, MIDDLES = (0.0, 0.25, 0.5, 1.0, 2.0), (1.0, 1.5, 2.0, 2.5)

Figures = dict[tuple[float, float], float]


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    given = parser.parse_args()
    by_kind: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
    for (place, kind), number in product(enumerate(KINDS), range(PER_KIND)):
        by_kind[kind].append(figures(given.label_maps, kind, place, number))
        print(f"{kind} {number}: {by_kind[kind][-1]}", flush=True)
    print(f"middle, weight: {', '.join(KINDS)}; mean")
    for setting in product(MIDDLES, WEIGHTS):
        means = [fmean(one[setting] for one in by_kind[kind]) for kind in KINDS]
        print(f"{setting[0]}, {setting[1]}: {', '.join(f'{mean:.3f}' for mean in means)}; {fmean(means):.3f}")


def figures(label_maps: Path, kind: str, place: int, number: int) -> Figures:
    """AUPRC on one simulated patient."""
    params = SimulationParams(sequence="FLAIR", lesions=kind, spacing_mm=1.0)
    one = simulated(label_maps, params, "hyperintensity-segmentation@intensity_weight=0", place, number)
    scores = {(middle, weight): with_brightness(one.learned, one.intensity, weight, middle) for middle, weight in product(MIDDLES, WEIGHTS)}
    return {setting: round(Curves(score, one.truth).average_precision or 0.0, 4) for setting, score in scores.items()}


if __name__ == "__main__":
    main()
