"""What methods reach after a short training: ``python -m benchmarks.short_training METHOD ... [options]``.

Every method is trained on the same 20 simulated brains of one sequence (label maps 01 to 13, the kinds of the recipe ``pddpm``, seed 7) on
one core, for the few steps of `TRAININGS` unless ``--steps`` or ``--train`` say otherwise, and scores the shared scans of that sequence and
the synthetic set, at 2 mm. With several ``--steps`` each is a training of its own: figures against seconds. This says how methods compare
after minutes, not what they can reach. With ``--known`` so many simulated brains with a tumour, marked, come beside the healthy ones for
the methods that learn from known anomalies; the synthetic set's tumours are of the same simulator. With ``--real`` so many real T1 brains
come too, with the contrast of the sequence as in the recipes; ``--scans 0`` leaves them alone. Each ``--score`` scores the trained model
once more, with other settings. With ``--shipped`` nothing is trained: the models that come with the package are scored, for comparison;
they saw other scans, for longer. ``results/short_training.json`` keeps a record for each method, settings, training and scan.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._cases import BenchCase, data_folder, real_cases, synthetic_cases
from benchmarks._healthy import healthy_subjects, read
from napari_brain_uad.cli.options import assignments
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.detector import Detector, State
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.params import value_text
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.base.detector import BaseDetector
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.evaluation.chosen_thresholds import dice_table, held_out_dice
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.evaluation.pooled import BrainScores
from napari_brain_uad.evaluation.pro import per_region_overlap
from napari_brain_uad.evaluation.protocols import PROTOCOLS
from napari_brain_uad.io.atomic import write_json, write_text
from napari_brain_uad.preprocessing.geometry import grid_with_spacing, resample_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.training.session import LabelledScan, TrainingSession
from napari_brain_uad.workflows.detect.score import load_detector
from napari_brain_uad.workflows.train.carried_scans import carried_makers
from napari_brain_uad.workflows.train.recipe_scans import training_scans

RESULTS = Path(__file__).with_name("results")
"""Folder of ``short_training.json`` and ``.md``."""

_RECIPES = Path(__file__).resolve().parents[1] / "src" / "napari_brain_uad" / "workflows" / "train" / "recipes.json"
_SCANS, _MAPS, _SEED, _SPACING_MM = 10, 13, 7, 2.0
"""Scans of each kind; label maps: the heads of the synthetic set are the others; seed; voxel size."""
_OTHER_SEEDS = 100
_OF_PLACES, _OF_SLICES = {"steps": 300, "batch_size": 2048}, {"steps": 300, "batch_size": 8}
_OF_NOISE = {"steps": 150, "batch_size": 4, "learning_rate": 0.001}

TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "simplenet": _OF_PLACES,
    "simple-slice-net": _OF_PLACES,
    "cflow": {"steps": 300, "batch_size": 512},
    "bgad": {"steps": 300, "batch_size": 512},
    "stfpm": _OF_SLICES,
    "rd++": _OF_SLICES,
    "edc": _OF_SLICES,
    "ae-flow": _OF_SLICES,
    "fae": _OF_SLICES,
    "cutpaste": {"steps": 300, "batch_size": 16},
    "symmetry-ae": {"steps": 1000, "batch_size": 8, "learning_rate": 0.001},
    "cradl": {"steps": 150, "batch_size": 32, "learning_rate": 0.001},
    "ae-3d": {"steps": 500, "learning_rate": 0.001},
    "skip-ae": {"steps": 300, "batch_size": 8, "learning_rate": 0.001},
    "gmvae": {"steps": 300, "batch_size": 8, "learning_rate": 0.001},
    "cddpm": _OF_NOISE,
    "auto-ddpm": _OF_NOISE,
    "thor": _OF_NOISE,
    "itermask": _OF_NOISE,
    "reflect": {"steps": 300, "batch_size": 8, "learning_rate": 0.001},
}
"""Settings of the training; methods without gradients have none."""

Record = dict[str, Any]
_KEY = ("sequence", "method", "settings", "training", "group", "scan", "scans", "real", "seed")
_USUAL: Mapping[str, int] = {"scans": _SCANS, "real": 0, "seed": 0}
_COLUMNS = ("voxel AUROC", "AUPRC", "PRO", "\u2308Dice\u2309 (no dropping)", "slice AUROC")
_OTHERS, _CALIBRATED, _L1 = "Dice, threshold of the others", "Dice, 3 ml in healthy", "l1 on healthy"
_TITLES = (*_COLUMNS, _OTHERS, _CALIBRATED, _L1)
_HEALTHY, _HEALTHY_ML = 4, 3.0
"""Held-back healthy brains of each kind, and what an average one of them shows at the calibrated threshold."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train, score, print and keep."""
    given = _parser().parse_args(argv)
    root = data_folder()
    if root is None:
        raise SystemExit("no scan: set BRAIN_UAD_DATA to the shared scans' folder")
    import torch

    torch.set_num_threads(1)
    cases = [
        case
        for case in (*real_cases(), *synthetic_cases())
        if case.sequence == given.sequence and any(name in case.group for name in given.group)
    ]
    loaded = [(case, *case.load(_SPACING_MM)) for case in cases]
    healthy = healthy_scans(given.sequence)
    print(f"{len(loaded)} scans of {given.sequence} to score", flush=True)
    if given.shipped:
        for method in given.methods:
            about, settings, state = shipped(method, given.sequence)
            keep(given.out, measured(about, settings, state, loaded, healthy))
    else:
        _train_and_score(given, root, loaded, healthy)


def _train_and_score(
    given: argparse.Namespace, root: Path, loaded: Sequence[tuple[BenchCase, Volume, NDArray[np.bool_]]], healthy: Sequence[Volume]
) -> None:
    kinds = {"kinds": json.loads(_RECIPES.read_text(encoding="utf-8"))["pddpm"]["scans"]["kinds"]}
    maps = sorted((root / "labelmaps").glob("*.nii.gz"))[:_MAPS]
    scans = list(training_scans({**kinds, "contrasts": {given.sequence: given.scans}}, maps, _SEED))
    reals = carried_makers({"cohort": "ixi", "contrasts": [given.sequence]}, root, _SEED)[: given.real] if given.real else []
    scans += [make() for make in reals]
    known = known_scans(kinds["kinds"], maps, given.sequence, max(given.known))
    print(f"{len(scans) - len(reals)} simulated and {len(reals)} real scans", flush=True)
    settings, training = assignments(given.set), assignments(given.train)
    scorings = [settings, *({**settings, **assignments(one.split(","))} for one in given.score)]
    who = {name: value for name, usual in _USUAL.items() if (value := getattr(given, name)) != usual}
    for method in given.methods:
        for steps, count in product(given.steps or [None], given.known):
            own = training if steps is None else {**training, "steps": str(steps)}
            about, state = trained(method, given.sequence, settings, own, scans, known[:count], given.seed)
            for scoring in scorings:
                records = measured({**about, "settings": _said(scoring)}, scoring, state, loaded, healthy, given.seed)
                keep(given.out, [{**one, **who} for one in records])


def trained(
    method: str,
    sequence: str,
    settings: Mapping[str, str],
    training: Mapping[str, str],
    scans: Sequence[Volume],
    known: Sequence[LabelledScan] = (),
    seed: int = 0,
) -> tuple[Record, State]:
    """Train one method: what its records say of that, and its state."""
    kind = method_class(method)
    detector = create(method, kind.Params.from_strings(settings))
    about: Record = {"sequence": sequence, "method": method, "settings": _said(settings), "training": "", "train_seconds": 0.0}
    if not kind.INFO.trainable:
        return about, {}
    short = {**{name: value_text(value) for name, value in TRAININGS.get(method, {}).items()}, **training}
    how = None if kind.Training is None else kind.Training.from_strings(short)
    begun, own = time.process_time(), known if kind.LEARNS_ANOMALIES else ()
    detector.fit(scans, seed=seed, progress=Progress(), training=how, session=TrainingSession(known=own))
    short |= {"known": str(len(own))} if own else {}
    about |= {"training": "" if how is None else _said(short), "train_seconds": round(time.process_time() - begun, 1)}
    print(f"{method} {about['settings']}: trained in {about['train_seconds']:.0f} s of a core", flush=True)
    return about, detector.state()


def shipped(method: str, sequence: str) -> tuple[Record, dict[str, str], State]:
    """The model of the package for a sequence: what its records say, its settings and its state."""
    detector = load_detector(method, sequence=sequence)
    assert isinstance(detector, BaseDetector)
    settings = {name: value_text(value) for name, value in detector.params.as_dict().items()}
    training = "model of the package" if detector.INFO.trainable else ""
    about: Record = {"sequence": sequence, "method": method, "settings": "", "training": training, "train_seconds": 0.0}
    return about, settings, detector.state()


def measured(
    about: Record,
    settings: Mapping[str, str],
    state: State,
    cases: Sequence[tuple[BenchCase, Volume, NDArray[np.bool_]]],
    healthy: Sequence[Volume] = (),
    seed: int = 0,
) -> list[Record]:
    """Score with a state and settings; one record a scan, and one for all slices of a group's scans together."""
    method = about["method"]
    detector = create(method, method_class(method).Params.from_strings(settings))
    detector.load_state(state)
    calibrated, l1 = on_healthy(detector, healthy, seed)
    records: list[Record] = []
    groups: dict[str, list[BrainScores]] = {}
    for case, volume, truth in cases:
        begun = time.process_time()
        amap = detector.score(volume, seed=seed, progress=Progress())
        seconds = round(time.process_time() - begun, 2)
        groups.setdefault(case.group, []).append(BrainScores.of(amap.score, truth, amap.mask))
        found = figures(amap, truth, calibrated)
        records.append({**about, "group": case.group, "scan": case.name, "seconds": seconds, **found})
    for group, scores in groups.items():
        paper = PROTOCOLS["simple-slice-net"].measure(scores)
        own = [one for one in records if one["group"] == group]
        for record, dice in zip(own, others_dice(scores), strict=True):
            record[_OTHERS] = dice
        slices = {name: paper[name] for name in paper if name.startswith("slice")}
        records.append({**about, "group": group, "scan": "all", **slices, _L1: l1})
        print(f"{method} {about['settings']} {group}: {_cells(records, group)}", flush=True)
    return records


def others_dice(scores: Sequence[BrainScores]) -> list[float | None]:
    """Dice of each scan at the threshold that is best for the others of its group; nothing for a scan alone."""
    found: list[float | None] = []
    for number in range(len(scores)):
        others = np.arange(len(scores)) != number
        _, dice = dice_table(range(len(scores)), scores.__getitem__, others)
        found.append(float(held_out_dice(dice, others, ~others)[1][0]) if dice.size else None)
    return found


def healthy_scans(sequence: str) -> list[Volume]:
    """Healthy brains that no model has seen: of each kind so many, at 2 mm."""
    kinds: dict[str, list[Volume]] = {}
    for one in healthy_subjects(sequence):
        if one.role == "check" and len(own := kinds.setdefault(one.kind, [])) < _HEALTHY:
            volume = read(one).volume
            own.append(resample_volume(volume, grid_with_spacing(volume.grid, (_SPACING_MM,) * 3)))
    return [volume for own in kinds.values() for volume in own]


def on_healthy(detector: Detector, healthy: Sequence[Volume], seed: int = 0) -> tuple[float | None, float | None]:
    """The score at which an average healthy brain shows 3 ml, and the mean absolute error of what is reconstructed; where there are any."""
    if not healthy:
        return None, None
    scores, errors = [], []
    for volume in healthy:
        amap = detector.score(volume, seed=seed, progress=Progress())
        scores.append(amap.score[amap.mask])
        assert isinstance(detector, BaseDetector)
        with suppress(InputError):  # methods of other kinds reconstruct nothing
            pictures = detector.reconstruct(volume, seed=seed, progress=Progress())
            errors.append(float(np.abs(pictures["input"] - pictures["reconstruction"])[amap.mask].mean()))
    pooled = np.sort(np.concatenate(scores))
    flagged = int(_HEALTHY_ML * 1000.0 / _SPACING_MM**3 * len(healthy))
    return float(pooled[-flagged]), float(np.mean(errors)) if errors else None


def known_scans(kinds: Sequence[Mapping[str, Any]], maps: Sequence[Path], sequence: str, count: int) -> list[LabelledScan]:
    """Simulated brains with a tumour, of the kinds of scan in turn; seeds of their own."""
    found = []
    for number in range(count):
        kind = {name: value for name, value in kinds[number % len(kinds)].items() if name != "rims_mm"}
        settings = SimulationParams.from_dict({"spacing_mm": _SPACING_MM, **kind, "sequence": sequence, "lesions": "tumour"})
        made = Population(maps, settings, _SEED + _OTHER_SEEDS)[number]
        assert made.truth is not None
        found.append(LabelledScan(made.volume, made.truth))
    return found


def figures(amap: AnomalyMap, truth: NDArray[np.bool_], calibrated: float | None) -> dict[str, float | None]:
    """Figures of one map within the brain, over all thresholds and at one."""
    curves = Curves(amap.score, truth, amap.mask)
    best = curves.best_dice()
    values = (curves.auroc, curves.average_precision, per_region_overlap(amap.score, truth, amap.mask), None if best is None else best[0])
    return dict(zip(_COLUMNS, values, strict=False)) | {_CALIBRATED: None if calibrated is None else curves.dice_at(calibrated)}


def keep(folder: Path, records: Sequence[Record]) -> None:
    """Add records to those of earlier runs, in place of those of the same method, settings, training and scan; write the page."""
    file = folder / "short_training.json"
    earlier = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    merged = {tuple(one.get(name, _USUAL.get(name)) for name in _KEY): one for one in (*earlier, *records)}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, list(merged.values()))
    write_text(folder / "short_training.md", page(list(merged.values())))


def page(records: Sequence[Record]) -> str:
    """One table a sequence and group of scans, the best AUPRC first."""
    lines = ["# Methods after a short training", "", *(__doc__ or "").strip().splitlines()[2:], ""]
    lines += [
        "Voxel figures are means over the scans, within the brain. A slice's score is its highest voxel, scaled to 0-1 within its scan as",
        "the SimpleSliceNet paper does; it is abnormal when it has a voxel of truth. Few scans, one seed: no ranking.",
        "",
    ]
    lines += [
        f"{_OTHERS}: that is best for the other scans of the group. {_CALIBRATED}: the score at which an average held-back healthy brain",
        f"of benchmarks/healthy_split.json (up to {_HEALTHY} of each kind) shows {_HEALTHY_ML:g} ml. {_L1}: mean absolute error of the",
        "reconstruction in these brains, on the method's own scale. No clean-up. Newer columns are empty for older runs.",
        "",
    ]
    for sequence, group in dict.fromkeys((one["sequence"], one["group"]) for one in records):
        own = [one for one in records if (one["sequence"], one["group"]) == (sequence, group)]
        ways = dict.fromkeys(_way(one) for one in own)
        rows = []
        for way in ways:
            mine = [one for one in own if _way(one) == way]
            spread = [one["AUPRC"] for one in mine if one.get("AUPRC") is not None]
            name = f"`{way[0]}`" + (f", {way[1]}" if way[1] else "")
            low_high = f"{min(spread):.3f} to {max(spread):.3f}" if spread else "-"
            training = ", ".join(filter(None, way[2:])) or "-"
            head = f"| {name} | {training} | {mine[0]['train_seconds']:.0f} | {_cells(mine, group)} | {low_high} |"
            rows.append((float(np.mean(spread)) if spread else 0.0, head))
        count = len({one["scan"] for one in own} - {"all"})
        titles = f"| Method | Training | s of a core | {' | '.join(_TITLES)} | AUPRC over scans |"
        lines += [f"## {group}, {sequence} ({count} scans)", "", titles, "|---|---|" + "---:|" * (len(_TITLES) + 2)]
        lines += [row for _, row in sorted(rows, key=lambda one: -one[0])] + [""]
    return "\n".join([*lines, "Research use only, not for diagnosis.", ""])


def _way(one: Record) -> tuple[str, ...]:
    """Method, settings, training, which healthy brains and which seed, unless they are the usual ones."""
    who = f"{one.get('scans', _SCANS)} of each kind, {one.get('real', 0)} real" if {"scans", "real"} & set(one) else ""
    return one["method"], one["settings"], one["training"], who, f"seed {one['seed']}" if one.get("seed") else ""


def _cells(records: Iterable[Record], group: str) -> str:
    own = [one for one in records if one["group"] == group]
    means = ([one[name] for one in own if one.get(name) is not None] for name in _TITLES)
    return " | ".join(f"{np.mean(values):.3f}" if values else "-" for values in means)


def _said(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(settings.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="METHOD", help="ids of methods")
    parser.add_argument("--sequence", default="T2", metavar="NAME", help="which sequence is simulated and scored (default: T2)")
    parser.add_argument("--steps", type=int, nargs="+", metavar="N", help="length of the training; several train anew for each")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all of them (repeatable)")
    parser.add_argument("--train", action="append", default=[], metavar="NAME=VALUE", help="a setting of all their trainings (repeatable)")
    known = "brains with a known tumour, where a method learns from them; several train anew for each"
    parser.add_argument("--known", type=int, nargs="+", default=[0], metavar="N", help=known)
    parser.add_argument("--scans", type=int, default=_SCANS, metavar="N", help=f"healthy brains of each of two kinds (default: {_SCANS})")
    real = "real brains in addition (default: 0)"
    parser.add_argument("--real", type=int, default=0, metavar="N", help=real)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the training and the scoring (default: 0); the scans stay")
    parser.add_argument("--shipped", action="store_true", help="score the models that come with the package, without a training")
    more = "settings to score with once more, without another training (repeatable; several with commas)"
    parser.add_argument("--score", action="append", default=[], metavar="NAME=VALUE,...", help=more)
    parser.add_argument(
        "--group", nargs="+", default=[""], metavar="NAME", help="score scans of the groups whose name has one of these in it alone"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    return parser


if __name__ == "__main__":
    main()
