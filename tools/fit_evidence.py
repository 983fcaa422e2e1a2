"""Choose how `combined-evidence` pools intensity and tissue evidence: ``python -m tools.fit_evidence LABELMAPS``.

For each sequence simulated patients, two of each kind of synthetic anomaly, are scored by the members; of a grid of pools that with the
highest mean AUPRC over the kinds is taken, if it is clearly above tissue evidence alone. No real scan is looked at. What the choice
without a kind gives on that kind is written beside it: a choice made on synthetic anomalies prefers its own kinds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.detectors.tissue import combined_evidence
from napari_brain_uad.detectors.tissue.combined_evidence import OpinionPool
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.io.atomic import write_json
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume

SEQUENCES = ("FLAIR", "T2", "T1c", "T1")
KINDS = ("tumour", "ms", "stroke", "strega")
LABEL_MAPS = ("13", "02", "05", "09")
"""Of the 13 that the networks' training knows; 14 to 16 are for the benchmark and the references."""

SPACING_MM = 2.0
PER_KIND = 2
GAIN = 1.05
"""How many times the AUPRC of tissue evidence alone a pool has to reach: less is no reason to mix."""

GRID = [OpinionPool(*values) for values in product((1.0, 1.5, 2.0, 2.5, 3.0), (0.25, 0.5, 1.0), (0.25, 0.5, 0.75), (0.01, 0.05))]
ALONE = OpinionPool(2.0, 0.5, 0.0, 0.01)

Means = Mapping[OpinionPool, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Patient:
    """Evidence in one simulated brain: what was learned and intensity of its voxels, and which are anomalous."""

    kind: str
    learned: NDArray[np.float32]
    intensity: NDArray[np.float32]
    truth: NDArray[np.bool_]


def main() -> None:
    """Choose, and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("--out", type=Path, default=Path(combined_evidence.__file__).with_suffix(".json"))
    given = parser.parse_args()
    chosen: dict[str, Any] = {}
    report: dict[str, Any] = {}
    for sequence in SEQUENCES:
        means = measured(patients(given.label_maps, sequence))
        pool, report[sequence] = choose(means)
        if pool is not None:
            chosen[sequence] = vars(pool)
        print(sequence, pool, report[sequence], flush=True)
    about = "Chosen by tools/fit_evidence.py on synthetic anomalies in simulated brains; AUPRC by kind"
    write_json(given.out, {"about": about, "pools": chosen, "auprc": report})


def patients(label_maps: Path, sequence: str) -> list[Patient]:
    """The simulated patients of a sequence."""
    found = []
    for place, kind in enumerate(KINDS):
        for number in range(PER_KIND):
            params = SimulationParams(sequence=sequence, lesions=kind, spacing_mm=SPACING_MM)
            found.append(simulated(label_maps, params, "tissue-ensemble", place, number))
    return found


def simulated(label_maps: Path, params: SimulationParams, learned: str, place: int, number: int) -> Patient:
    """One patient, scored by a learned method and by intensity; `place` is that of the kind among others, `number` that of the patient."""
    label_map = label_maps / f"{LABEL_MAPS[(place + number) % len(LABEL_MAPS)]}.nii.gz"
    params = replace(params, pose="scanner" if number % 2 else "template")
    made = Population([label_map], params, 7000 + 10 * place + number)[0]
    brain, truth = made.volume.mask, made.truth
    assert brain is not None
    assert truth is not None
    maps = [scored_volume(made.volume, ScoringRequest.of(spec)).map.score[brain] for spec in (learned, "robust-intensity")]
    return Patient(params.lesions, maps[0], maps[1], truth[brain])


def measured(scans: list[Patient]) -> Means:
    """Mean AUPRC by kind, of every pool of the grid and of tissue evidence alone."""
    found = {}
    for pool in (ALONE, *GRID):
        values = [(one.kind, Curves(pool.pooled(one.learned, one.intensity), one.truth).average_precision or 0.0) for one in scans]
        found[pool] = {kind: round(fmean(value for of, value in values if of == kind), 4) for kind in dict.fromkeys(of for of, _ in values)}
    return found


def choose(means: Means) -> tuple[OpinionPool | None, dict[str, Any]]:
    """The best pool, None where tissue evidence alone is as good; and what the choice without a kind gives on that kind."""
    best = max(means, key=lambda pool: fmean(means[pool].values()))
    apart = {}
    for kind in means[ALONE]:
        without = max(means, key=lambda pool, kind=kind: fmean(value for of, value in means[pool].items() if of != kind))  # type: ignore[misc]
        apart[kind] = means[without][kind]
    mixes = fmean(means[best].values()) >= GAIN * fmean(means[ALONE].values())
    report = {"tissue alone": dict(means[ALONE]), "pooled": dict(means[best]), "chosen without the kind": apart}
    return (best if mixes else None), report


if __name__ == "__main__":
    main()
