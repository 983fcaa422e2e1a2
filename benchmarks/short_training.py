"""What a method reaches on the shared T2 scans after a short training: ``python -m benchmarks.short_training METHOD ... [options]``.

Every method is trained on the same 20 simulated T2 brains (label maps 01 to 16, the kinds of the recipe ``pddpm``, seed 7) on one core,
for the few steps of `TRAININGS` unless ``--train`` says otherwise, and scores the real T2 scans at 2 mm. Printed are AUPRC and the best
Dice over all thresholds, of each scan and as the mean of the gliomas. This says how methods compare after minutes, not what they can reach.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._cases import data_folder, real_cases
from napari_brain_uad.cli.options import assignments
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.params import value_text
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.workflows.train.recipe_scans import training_scans

_RECIPES = Path(__file__).resolve().parents[1] / "src" / "napari_brain_uad" / "workflows" / "train" / "recipes.json"
_SCANS, _SEED, _SPACING_MM = 10, 7, 2.0
_OF_PLACES, _OF_SLICES = {"steps": 300, "batch_size": 2048}, {"steps": 300, "batch_size": 8}

TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "simplenet": _OF_PLACES,
    "simple-slice-net": _OF_PLACES,
    "cflow": {"steps": 300, "batch_size": 512},
    "bgad": {"steps": 300, "batch_size": 512},
    "stfpm": _OF_SLICES,
    "rd++": _OF_SLICES,
    "ae-flow": _OF_SLICES,
    "fae": _OF_SLICES,
    "cutpaste": {"steps": 300, "batch_size": 16},
    "symmetry-ae": {"steps": 1000, "batch_size": 8, "learning_rate": 0.001},
    "cradl": {"steps": 300, "batch_size": 32, "learning_rate": 0.001},
    "ae-3d": {"steps": 500, "learning_rate": 0.001},
}
"""Settings of the training; methods without gradients have none."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="METHOD", help="ids of methods")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all of them (repeatable)")
    parser.add_argument("--train", action="append", default=[], metavar="NAME=VALUE", help="a setting of all their trainings (repeatable)")
    given = parser.parse_args(argv)
    root = data_folder()
    if root is None:
        raise SystemExit("no scan: set BRAIN_UAD_DATA to the shared scans' folder")
    import torch

    torch.set_num_threads(1)
    kinds = json.loads(_RECIPES.read_text(encoding="utf-8"))["pddpm"]["scans"]
    scans = list(training_scans({**kinds, "contrasts": {"T2": _SCANS}}, sorted((root / "labelmaps").glob("*.nii.gz")), _SEED))
    cases = [(case.group, case.name, *case.load(_SPACING_MM)) for case in real_cases() if case.sequence == "T2"]
    print(f"{len(scans)} simulated scans", flush=True)
    for method in given.methods:
        measure(method, assignments(given.set), assignments(given.train), scans, cases)


def measure(
    method: str,
    settings: Mapping[str, str],
    training: Mapping[str, str],
    scans: Sequence[Volume],
    cases: Sequence[tuple[str, str, Volume, NDArray[np.bool_]]],
) -> None:
    """Train one method and print its figures."""
    kind = method_class(method)
    detector = create(method, kind.Params.from_strings(settings))
    short = {name: value_text(value) for name, value in TRAININGS.get(method, {}).items()}
    how = None if kind.Training is None else kind.Training.from_strings({**short, **training})
    begun = time.process_time()
    detector.fit(scans, seed=0, progress=Progress(), training=how)
    print(f"{method}: trained in {time.process_time() - begun:.0f} s of a core", flush=True)
    gliomas = []
    for group, name, volume, truth in cases:
        begun = time.process_time()
        amap = detector.score(volume, seed=0, progress=Progress())
        taken, area, dice = time.process_time() - begun, *figures(amap, truth)
        gliomas += [(area, dice)] if group.startswith("BraTS") else []
        print(f"{method}: {group} {name} {area:.3f} / {dice:.3f}, {taken:.1f} s", flush=True)
    print("{}: mean of the gliomas {:.3f} / {:.3f}".format(method, *np.mean(gliomas, axis=0)), flush=True)


def figures(amap: AnomalyMap, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """AUPRC and the best Dice over all thresholds, within the brain."""
    curves = Curves(amap.score, truth, amap.mask)
    area, best = curves.average_precision, curves.best_dice()
    assert area is not None, "a scan without truth"
    assert best is not None
    return area, best[0]


if __name__ == "__main__":
    main()
