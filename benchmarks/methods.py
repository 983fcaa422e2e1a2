"""The project's one table: every method on the shared real scans and on the synthetic held-out set.

``python -m benchmarks.methods`` runs all methods that can score (``--methods`` for others, ``--help`` for the rest) and writes
``results/methods.md``, ``.csv`` and ``.json``. Maps are taken from the cache when nothing they depend on has changed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks._cases import BenchCase, real_cases, synthetic_cases
from napari_brain_uad.cli.compare import method_list
from napari_brain_uad.cli.options import assignments
from napari_brain_uad.core.errors import BrainUADError
from napari_brain_uad.core.provenance import versions
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.detectors.registry import method_class, method_ids
from napari_brain_uad.io.atomic import write_json, write_text
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.template import MNI_GRID
from napari_brain_uad.workflows.compare.compare import MethodRun, compare
from napari_brain_uad.workflows.compare.compare_table import COLUMNS, Row
from napari_brain_uad.workflows.models.method_spec import parse_specs
from napari_brain_uad.workflows.scans.ready import AUTO

FLOOR = "thresh-raw"
"""The method that the others are related to."""

RESULTS = Path(__file__).parent / "results"
ON_TEMPLATE = ("covariance",)
"""Methods that know the template's grid alone: real scans on another go through the method's preset first, and the map comes back."""

FIGURES = ("best_dice", "best_dice_voxels", "auprc", "auroc", "pro")
Record = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print and write the table."""
    given = _parser().parse_args(argv)
    methods = method_list(given.methods) if given.methods else list(method_ids())
    cases = [case for case in (*real_cases(), *synthetic_cases()) if _wanted(case, given.only)]
    if not cases:
        raise SystemExit("no scan: set BRAIN_UAD_DATA to the shared scans' folder")
    records, failures = run(cases, methods, given)
    stem = "methods" + (f"-{given.resolution:g}mm" if given.resolution else "") + (f"-median{given.median}" if given.median else "")
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    if given.update:
        records, failures = updated(out / f"{stem}.json", records, failures)
    about = _about(given, failures)
    page = markdown(records, about)
    write_text(out / f"{stem}.md", page)
    write_text(out / f"{stem}.csv", _csv(records))
    write_json(out / f"{stem}.json", about | {"volumes": records, "means": means(records)})
    print(page)


def run(cases: Sequence[BenchCase], methods: Sequence[str], given: argparse.Namespace) -> tuple[list[Record], dict[str, str]]:
    """One record a scan and method; and why methods gave nothing."""
    records: list[Record] = []
    failures: dict[str, str] = {}
    for number, case in enumerate(cases):
        volume, truth = case.load(given.resolution)
        print(f"[{number + 1}/{len(cases)}] {case.group} {case.name} {case.sequence}", flush=True)
        for specs, prepare_with in _ways(methods, case, volume.grid):
            try:
                found = compare(
                    volume,
                    specs,
                    truth=truth,
                    models=assignments(given.model, option="--model"),
                    post=PostParams(median=given.median),
                    prepare_with=prepare_with,
                    device=given.device,
                    seed=given.seed,
                    jobs=given.jobs,
                    use_cache=not given.no_cache,
                )
            except BrainUADError as error:
                failures |= {f"{spec} on {case.name} {case.sequence}": str(error) for spec in specs}
                continue
            failures |= {f"{failure.spec} on {case.group} {case.sequence}": str(failure.error) for failure in found.failures}
            records += [_record(case, run_, row, prepare_with) for run_, row in zip(found.runs, found.table(), strict=True)]
    return records, failures


def updated(table: Path, records: Sequence[Record], failures: dict[str, str]) -> tuple[list[Record], dict[str, str]]:
    """An earlier table's records, each replaced where it was measured anew, and the new ones; failures of what succeeds now are gone."""
    earlier = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else {"volumes": [], "failures": {}}
    merged = {_place(record): record for record in (*earlier["volumes"], *records)}
    order = {
        case: number for number, case in enumerate((case.group, case.name, case.sequence) for case in (*real_cases(), *synthetic_cases()))
    }
    found = sorted(merged.values(), key=lambda one: order.get((one["data"], one["volume"], one["sequence"]), len(order)))
    done = {f"{one['method']} on {name} {one['sequence']}" for one in found for name in (one["data"], one["volume"])}
    return found, {which: why for which, why in (earlier["failures"] | failures).items() if which not in done}


def _place(record: Record) -> tuple[str, str, str, str]:
    return record["data"], record["volume"], record["sequence"], record["method"]


def _ways(methods: Sequence[str], case: BenchCase, grid: Grid) -> list[tuple[list[str], str]]:
    """The methods that see the scan as it is, and those it is registered for."""
    apart = [] if case.simulated is not None or not MNI_GRID.compare(grid, "scan") else [m for m in methods if _id(m) in ON_TEMPLATE]
    ways = [([method for method in methods if method not in apart], AUTO)]
    ways += [([method], method_class(_id(method)).INFO.preset) for method in apart]
    return [(specs, prepare_with) for specs, prepare_with in ways if specs]


def _id(method: str) -> str:
    return parse_specs([method])[0].method


def _record(case: BenchCase, run_: MethodRun, row: Row, prepare_with: str) -> Record:
    record = {"data": case.group, "volume": case.name, "sequence": case.sequence, "method": row.method}
    record |= {name: getattr(row, name) for name in (*FIGURES, "seconds", "memory_mb")}
    model = run_.map.provenance["method"]["weights_sha256"][:12]
    return record | {"model": model, "prepared": "" if prepare_with == AUTO else prepare_with}


def means(records: Sequence[Record]) -> list[Record]:
    """Means by data set, sequence and method; with the ratio of mean ⌈Dice⌉ to the floor's on the same scans."""
    found = []
    for data, sequence, method in dict.fromkeys((one["data"], one["sequence"], one["method"]) for one in records):
        own = [one for one in records if (one["data"], one["sequence"], one["method"]) == (data, sequence, method)]
        volumes = {one["volume"] for one in own}
        floor = [
            one for one in records if (one["data"], one["sequence"], one["method"]) == (data, sequence, FLOOR) and one["volume"] in volumes
        ]
        mean = {name: _mean([one[name] for one in own]) for name in (*FIGURES, "seconds", "memory_mb")}
        ratios = {}
        for name in ("best_dice", "best_dice_voxels", "auprc"):
            under = _mean([one[name] for one in floor])
            value = mean[name] if len(floor) == len(own) else None
            ratios[f"{name}_ratio"] = value / under if value is not None and under else None
        found.append({"data": data, "sequence": sequence, "method": method, "volumes": len(own), **mean, **ratios})
    return found


def markdown(records: Sequence[Record], about: Record) -> str:
    """The table for the README and for readers."""
    lines = [f"# Methods, measured {about['date']}", "", f"{about['settings']}", ""]
    lines += [f"* **{title}**: {text}" for title, text in about["definitions"].items()]
    titles = ["Method", "Volumes"]
    titles += [title for name in FIGURES[:3] for title in (COLUMNS[name].title, "x floor")]
    titles += [COLUMNS[name].title for name in (*FIGURES[3:], "seconds", "memory_mb")]
    head = [f"| {' | '.join(titles)} |", "|---|" + "---:|" * (len(titles) - 1)]
    averages = means(records)
    for data, sequence in dict.fromkeys((one["data"], one["sequence"]) for one in averages):
        own = [one for one in averages if (one["data"], one["sequence"]) == (data, sequence)]
        own.sort(key=lambda one: -(one["best_dice"] or 0.0))
        volumes = list(dict.fromkeys(one["volume"] for one in records if (one["data"], one["sequence"]) == (data, sequence)))
        lines += ["", f"## {data}, {sequence} ({len(volumes)} volumes)", "", *head]
        for one in own:
            columns = ("best_dice", "best_dice_ratio", "best_dice_voxels", "best_dice_voxels_ratio", "auprc", "auprc_ratio", "auroc", "pro")
            cells = [_text(one[name], "{:.2f}" if name.endswith("ratio") else "{:.3f}") for name in columns]
            cells += [_text(one["seconds"], "{:.1f}"), _text(one["memory_mb"], "{:.0f}")]
            lines.append(f"| {one['method']} | {one['volumes']} | {' | '.join(cells)} |")
        lines += ["", f"| ⌈Dice⌉ / AUPRC | {' | '.join(volumes)} |", "|---|" + "---:|" * len(volumes)]
        for one in own:
            cells = [_volume(records, data, sequence, one["method"], volume) for volume in volumes]
            lines.append(f"| {one['method']} | {' | '.join(cells)} |")
    if about["failures"]:
        lines += ["", "## Not in the table", "", *(f"* {which}: {why}" for which, why in about["failures"].items())]
    lines += _models(records)
    made = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return "\n".join([*lines, "", f"{about['machine']}. {made}.", "", "Research use only, not for diagnosis.", ""])


def _models(records: Sequence[Record]) -> list[str]:
    """Which weights gave the figures, by the start of their SHA-256."""
    used: dict[tuple[str, str, str], list[str]] = {}
    for one in records:
        if one["model"]:
            used.setdefault((one["method"], one["model"], one.get("prepared", "")), []).append(f"{one['data']} {one['sequence']}")
    lines = [
        f"* {method}: weights {model} on {', '.join(dict.fromkeys(where))}" + (f", registered first ({prepared})" if prepared else "")
        for (method, model, prepared), where in used.items()
    ]
    return ["", "## Models", "", *lines] if lines else []


def _volume(records: Sequence[Record], data: str, sequence: str, method: str, volume: str) -> str:
    key = (data, sequence, method, volume)
    one = next((one for one in records if (one["data"], one["sequence"], one["method"], one["volume"]) == key), None)
    return "-" if one is None else f"{_text(one['best_dice'], '{:.3f}')} / {_text(one['auprc'], '{:.3f}')}"


def _about(given: argparse.Namespace, failures: dict[str, str]) -> Record:
    grid = f"resampled to {given.resolution:g} mm" if given.resolution else "on the scans' own 1 mm grid"
    median = f"3-D median filter of {given.median} voxels on every map" if given.median else "maps as the methods give them, no filter"
    floor = f"mean divided by that of `{FLOOR}` on the same volumes"
    steps = "100 thresholds, each a hundredth of the truth lower (equalised scores: 0 to 1 in equal steps, as in the reference protocol)"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "settings": f"All methods see the same scan with the same brain mask, {grid}; {median}. Means are over volumes.",
        "definitions": {
            COLUMNS["best_dice"].title: f"{COLUMNS['best_dice'].definition}; {steps}. Whole volume, background outside the brain",
            **{COLUMNS[name].title: COLUMNS[name].definition for name in FIGURES[1:]},
            "x floor": floor,
            "Seconds, memory": f"scoring one volume; {COLUMNS['memory_mb'].definition}",
        },
        "machine": f"{platform.system()} {platform.machine()}, {_cores()} cores, device {given.device}",
        "versions": versions(),
        "failures": failures,
    }


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _wanted(case: BenchCase, only: Sequence[str]) -> bool:
    words = f"{case.group} {case.name} {case.sequence}".lower().split()
    return not only or any(all(word in words for word in one.lower().split()) for one in only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", metavar="A,B", help="method specs as in `brain-uad compare` (default: all methods)")
    parser.add_argument("--model", action="append", default=[], metavar="ID=MODEL", help="trained model of a method; repeatable")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="scans with all these words, like 'mslub T1'")
    parser.add_argument("--resolution", type=float, metavar="MM", help="resample everything first (default: the scans' own 1 mm)")
    parser.add_argument("--median", type=int, default=0, metavar="N", help="median filter on every map before it is evaluated (default: 0)")
    parser.add_argument("--device", default="auto", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="methods at a time")
    parser.add_argument("--update", action="store_true", help="keep what is in the table in DIR already, where it is not measured anew")
    parser.add_argument("--no-cache", action="store_true", help="score everything anew")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    return parser


if __name__ == "__main__":
    main()
