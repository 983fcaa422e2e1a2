"""What methods add to the scan's own intensity, voxel by voxel: ``python -m benchmarks.against_raw --maps DIR``.

Best Dice over all thresholds and average precision of the raw maps, before any clean-up, beside those of the intensity in the same brain.
Twice, as the two answer different questions: the ratio of the means, in which scans with high figures count most, and the mean of the
ratios, in which each scan counts the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.io.atomic import write_text

from ._healthy import Case, Subject, map_of, patients

RESULTS = Path(__file__).parent / "results"
METHODS = {
    "FLAIR": ("combined-evidence", "hyperintensity-segmentation", "robust-intensity"),
    "T2": ("tissue-ensemble",),
    "T1c": ("tissue-ensemble",),
    "T1": ("tissue-ensemble",),
}
"""`combined-evidence` is the ensemble on all but FLAIR."""


@dataclass(frozen=True)
class Pair:
    """A method and the intensity on one scan: best Dice and average precision of either."""

    sequence: str
    lesions: str
    method: str
    scan: str
    own: tuple[float, float]
    raw: tuple[float, float]


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True, metavar="DIR", help="where raw maps are kept: made when missing")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    given = parser.parse_args()
    pairs = [pair for sequence in METHODS for subject in patients(sequence) for pair in pairs_of(subject, given.maps)]
    page = markdown(pairs)
    write_text(given.out / "against_raw.md", page)
    print(page)


def pairs_of(subject: Subject, store: Path) -> Iterator[Pair]:
    """All methods of the scan's sequence beside its intensity."""
    for method in METHODS[subject.sequence]:
        amap, case = map_of(subject, method, store)
        own, raw = figures(amap.score, case), figures(case.volume.data, case)
        print(f"{subject.id} {method} {own[0]:.3f}/{own[1]:.3f}, intensity {raw[0]:.3f}/{raw[1]:.3f}", flush=True)
        yield Pair(subject.sequence, lesions_of(subject), method, subject.id, own, raw)


def lesions_of(subject: Subject) -> str:
    """What the patients of a data set have."""
    return "glioma" if "brats" in subject.id else "multiple sclerosis"


def figures(score: NDArray[np.float32], case: Case) -> tuple[float, float]:
    """Best Dice and average precision of a map in the brain; what lies outside comes last."""
    assert case.truth is not None
    assert case.volume.mask is not None
    inside = np.where(case.volume.mask, score, np.float32(score[case.volume.mask].min()))
    curves = Curves(inside, case.truth)
    best, precision = curves.best_dice(), curves.average_precision
    assert best is not None
    assert precision is not None
    return best[0], precision


def markdown(pairs: Sequence[Pair]) -> str:
    """The table."""
    lines = [
        "# Against raw intensity, voxel by voxel",
        "",
        "Best Dice / AUPRC of raw maps before any clean-up, in the brain; see `benchmarks/against_raw.py`.",
        "",
        "| Sequence | Lesions | Method | Scans | Method's | Intensity's | Ratio of means | Mean of ratios |",
        "|---|---|---|" + "---:|" * 5,
    ]
    for sequence, lesions, method in dict.fromkeys((one.sequence, one.lesions, one.method) for one in pairs):
        group = [one for one in pairs if (one.sequence, one.lesions, one.method) == (sequence, lesions, method)]
        own, raw = (np.array([getattr(one, name) for one in group]) for name in ("own", "raw"))
        cells = [
            _pair(own.mean(axis=0), 3),
            _pair(raw.mean(axis=0), 3),
            _pair(own.mean(axis=0) / raw.mean(axis=0), 2),
            _pair((own / raw).mean(axis=0), 2),
        ]
        lines.append(f"| {sequence} | {lesions} | `{method}` | {len(group)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Research use only, not for diagnosis.", ""])


def _pair(values: NDArray[np.float64], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


if __name__ == "__main__":
    main()
