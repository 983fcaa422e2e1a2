"""What the click answers: ``python -m benchmarks.answer --maps DIR``.

One table a sequence: the Dice of the mask that comes by default beside the best that any threshold would give, what is flagged in healthy
brains that no reference was made of, and how well the verdict tells scans apart. Everything goes through the road that window, command
line and scripts take (`workflows.detect.detect.judged`), with the references that come with the package. Healthy brains that are part of
one (``judged_by_others`` of ``healthy_split.json``) are judged by what is left of it without them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.provenance import versions
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.evaluation.significance import scan_auroc
from napari_brain_uad.io.atomic import write_json, write_text
from napari_brain_uad.postprocessing.clean_up import best_dice
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import filtered_score
from napari_brain_uad.workflows.detect.detect import Judged, judged, judged_by
from napari_brain_uad.workflows.models.models import default_model
from napari_brain_uad.workflows.models.references import compared, load_for, references_of, stem_of

from ._healthy import REFERENCES, Case, Mask, Subject, is_kept, map_of, of_reference, patients, person_numbers, samples, to_judge

RESULTS = Path(__file__).parent / "results"
METHODS = tuple(REFERENCES)
SEQUENCES = ("T1", "T1c", "T2", "FLAIR")


@dataclass(frozen=True)
class Figures:
    """One method on one scan."""

    method: str
    sequence: str
    scan: str
    role: str
    kind: str
    voxel_mm3: float
    threshold: float
    flagged_ml: float
    strength: float
    p: float | None
    applies: bool
    verdict: str
    region_p: tuple[float | None, ...] = ()
    dice: float | None = None
    best_dice: float | None = None
    auprc: float | None = None


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True, metavar="DIR", help="where raw maps are kept: made when missing")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="ID")
    parser.add_argument("--sequences", nargs="+", default=list(SEQUENCES), metavar="NAME")
    parser.add_argument("--kept", action="store_true", help="only scans whose maps are kept already")
    parser.add_argument("--update", action="store_true", help="keep the methods and sequences in DIR that are not measured anew")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    given = parser.parse_args()
    found: list[Figures] = []
    for sequence in given.sequences:
        subjects = [*samples(sequence), *to_judge(sequence), *patients(sequence)]
        for method in given.methods:
            if sequence not in REFERENCES.get(method, SEQUENCES):
                continue
            for one in subjects:
                if not given.kept or is_kept(one, method, given.maps):
                    found.append(figures(one, method, given.maps))
                    print(method, one.id, found[-1].verdict, flush=True)
    if given.update:
        found = [*_kept(given.out / "answer.json", found), *found]
        found.sort(key=lambda one: (SEQUENCES.index(one.sequence), [*METHODS, one.method].index(one.method)))
    page = markdown(found)
    about = {"date": datetime.now(UTC).date().isoformat(), "versions": versions(), "scans": [asdict(one) for one in found]}
    write_json(given.out / "answer.json", json.loads(json.dumps(about)))
    write_text(given.out / "answer.md", page)
    print(page)


def _kept(file: Path, found: Sequence[Figures]) -> list[Figures]:
    """What an earlier run measured and this one did not, under the names that methods have today."""
    anew = {(one.method, one.sequence) for one in found}
    earlier = [Figures(**one | {"region_p": tuple(one["region_p"])}) for one in json.loads(file.read_text(encoding="utf-8"))["scans"]]
    earlier = [replace(one, method="tissue-ensemble") if one.method == "strega" else one for one in earlier]
    return [one for one in earlier if (one.method, one.sequence) not in anew]


def figures(subject: Subject, method: str, store: Path) -> Figures:
    """What the default gives on one scan."""
    amap, case = map_of(subject, method, store)
    post = PostParams()
    filtered = filtered_score(amap, post)
    found = _judged(subject, method, amap, post, filtered)
    result, verdict = found.result, found.verdict
    # As references measure: of what lies above the threshold, before it gets its edge.
    plain = replace(post, outline=1.0, edge_contrast=0.0)
    strength, p = of_healthy_tissue(_judged(subject, method, amap, plain, filtered), case)
    ml = amap.grid.voxel_volume_mm3 / 1000.0
    flagged = float(np.count_nonzero(result.mask & case.counted)) * ml
    known = Figures(
        method,
        subject.sequence,
        subject.id,
        subject.role,
        subject.kind,
        amap.grid.voxel_volume_mm3,
        result.threshold.value,
        flagged,
        strength,
        p,
        verdict.applies,
        verdict.line,
        verdict.region_p,
    )
    if case.truth is None or not case.truth.any():
        return known
    hits = 2.0 * np.count_nonzero(result.mask & case.truth)
    dice = float(hits / (np.count_nonzero(result.mask) + np.count_nonzero(case.truth)))
    best = best_dice(*filtered, case.truth, post, amap.grid)
    auprc = Curves(result.score, case.truth).average_precision
    return Figures(**{**asdict(known), "dice": dice, "best_dice": None if best is None else best[0], "auprc": auprc})


def _judged(subject: Subject, method: str, amap: AnomalyMap, post: PostParams, filtered: tuple[NDArray[np.float32], Mask]) -> Judged:
    """As the click does; a person that the reference is made of by the others in it."""
    number = person_numbers(of_reference(subject.sequence)).get(subject.person)
    if number is None:
        return judged(amap, post, filtered=filtered)
    model = default_model(method, subject.sequence) if method_class(method).INFO.trainable else None
    file = references_of(stem_of(method, model))[subject.sequence]
    reference = load_for(file, "" if model is None else model.sha256)
    others = reference.of([scan.person != number for scan in reference.scans])
    return judged_by(compared(others, amap, filtered, post), amap, post, filtered=filtered)


def of_healthy_tissue(found: Judged, case: Case) -> tuple[float, float | None]:
    """Strength and p-value of the strongest region, as far as it is healthy tissue, as in a reference (`calibration.measure`).

    The hyperintensities of the elderly are no false alarms. The whole scan's own for patients, where all tissue counts.
    """
    verdict, result, reference = found.verdict, found.result, found.reference
    if case.truth is not None or verdict.p is None or reference is None or not (result.mask & ~case.counted).any():
        return verdict.strength, verdict.p
    inside = result.mask & case.counted
    above = np.maximum(result.score[inside].astype(np.float64) - np.float32(result.threshold.value), 0.0)
    sums = np.bincount(result.labels[inside], weights=above, minlength=2) * case.volume.grid.voxel_volume_mm3 / 1000.0
    strength = float(sums.max())
    p = reference.p_values([strength], result.threshold.value) if strength else None
    return strength, 1.0 if p is None else float(p[0])


def markdown(found: Sequence[Figures]) -> str:
    """The tables."""
    lines = [
        "# The click's answer, measured",
        "",
        "Default threshold and clean-up of every method; see docs/calibration.md for the columns.",
    ]
    for sequence in dict.fromkeys(one.sequence for one in found):
        lines += ["", f"## {sequence}", "", *_patients(found, sequence), "", *_healthy(found, sequence)]
    return "\n".join([*lines, "", "Research use only, not for diagnosis.", ""])


def _patients(found: Sequence[Figures], sequence: str) -> list[str]:
    head = [
        "| Method | Patients | Best Dice | Default Dice | Ratio | AUPRC | Scan-level AUROC (95 %) | Called unusual |",
        "|---|" + "---:|" * 7,
    ]
    for method, own in _by_method(found, sequence):
        ill = [one for one in own if one.role == "patient" and one.best_dice is not None]
        healthy = [one for one in own if one.role == "check" and one.kind != "part"]
        if not ill:
            continue
        area = scan_auroc(*([one.strength for one in group if one.applies] for group in (healthy, ill)))
        ratio = np.mean([one.dice / one.best_dice for one in ill if one.dice is not None and one.best_dice])
        told = "-" if area is None else area.words
        means = [_mean(ill, lambda one: one.best_dice), _mean(ill, lambda one: one.dice), f"{ratio:.2f}", _mean(ill, lambda one: one.auprc)]
        unusual = sum(one.p is not None and one.p <= 0.05 for one in ill)
        head.append(f"| {method} | {len(ill)} | {' | '.join(means)} | {told} | {unusual} of {len(ill)} |")
    return head


def _healthy(found: Sequence[Figures], sequence: str) -> list[str]:
    head = [
        "| Method | Held-back healthy scans | ml flagged, mean | median | largest | p <= 0.05 | nothing beyond | no verdict |",
        "|---|---|" + "---:|" * 6,
    ]
    for method, own in _by_method(found, sequence):
        groups: dict[str, list[Figures]] = {}
        for one in own:
            if one.role == "check":
                size = "" if one.kind != "real" else f", {one.voxel_mm3 ** (1 / 3):.1f} mm"
                groups.setdefault(f"{one.kind}{size}" if not one.scan.startswith("sample") else "sample", []).append(one)
        for name, members in groups.items():
            ml = np.array([one.flagged_ml for one in members])
            judged_ = [one for one in members if one.p is not None]
            unusual = sum(one.p <= 0.05 for one in judged_ if one.p is not None)
            nothing = sum(one.p > 0.05 for one in judged_ if one.p is not None)
            without = sum(one.p is None for one in members)
            head.append(
                f"| {method} | {name}: {len(members)} | {ml.mean():.2f} | {np.median(ml):.2f} | {ml.max():.2f} "
                f"| {unusual} of {len(judged_)} | {nothing} | {without} |"
            )
    return head


def _by_method(found: Sequence[Figures], sequence: str) -> list[tuple[str, list[Figures]]]:
    methods = dict.fromkeys(one.method for one in found if one.sequence == sequence)
    return [(method, [one for one in found if one.sequence == sequence and one.method == method]) for method in methods]


def _mean(own: Sequence[Figures], value: Callable[[Figures], Any]) -> str:
    known = [float(value(one)) for one in own if value(one) is not None]
    return f"{np.mean(known):.3f}" if known else "-"


if __name__ == "__main__":
    main()
