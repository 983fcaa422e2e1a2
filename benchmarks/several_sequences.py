"""Several sequences of one person against the best of them alone: ``python -m benchmarks.several_sequences``.

Every shared patient with two sequences and more is scored by the method on each, at 2 mm, and on all together
(`workflows.detect.several`, the mean, nothing fitted). Printed are AUPRC / best Dice over all thresholds, and at the default threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks._cases import BenchCase, real_cases
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.detect.several import detect_several

_SPACING_MM = 2.0


def main(argv: Sequence[str] | None = None) -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="tissue-ensemble", metavar="METHOD", help="default: tissue-ensemble")
    method = parser.parse_args(argv).method
    people: dict[tuple[str, str], list[BenchCase]] = {}
    for case in real_cases():
        people.setdefault((case.group, case.name), []).append(case)
    print("patient | sequence | AUPRC / best Dice | Dice at the default threshold")
    ratios: list[tuple[float, float]] = []
    for (group, name), cases in people.items():
        if len(cases) < 2:
            continue
        loaded = [case.load(_SPACING_MM) for case in cases]
        scans = [replace(volume, name=name) for volume, _ in loaded]
        truth = loaded[0][1]
        alone = [_line(group, name, detect(scan, method, truth=truth, prepare_with="never"), scan, truth) for scan in scans]
        together = _line(group, name, detect_several(scans, method, truth=truth, prepare_with="never"), None, truth)
        ratios.append((together[0] / max(one[0] for one in alone), together[1] / max(one[1] for one in alone)))
    area, dice = np.exp(np.mean(np.log(ratios), axis=0))
    print(f"{len(ratios)} patients: together against the best sequence of each, geometric mean: AUPRC x {area:.2f}, best Dice x {dice:.2f}")


def _line(group: str, name: str, found: Detection, scan: Volume | None, truth: NDArray[np.bool_]) -> tuple[float, float]:
    curves = Curves(found.map.score, truth, found.map.mask)
    area, best = curves.average_precision or 0.0, curves.best_dice() or (0.0, 0.0)
    default = 0.0 if found.evaluation is None else found.evaluation["dice"].value or 0.0
    sequence = found.volume.sequence if scan is None else scan.sequence
    print(f"{group} {name} | {sequence} | {area:.3f} / {best[0]:.3f} | {default:.3f}", flush=True)
    return area, best[0]


if __name__ == "__main__":
    main()
