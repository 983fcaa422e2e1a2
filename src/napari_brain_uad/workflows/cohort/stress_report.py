"""Write a stress test: every scan as CSV, the figures as JSON, and a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core.memory import told_as_error
from ...core.provenance import NOTICE, versions
from ...core.text import alike, table_text
from ...evaluation.significance import Interval
from ...io.atomic import json_text, write_bytes
from ...io.results import Run, check_output, written_whole
from ..detect.command import given_files
from ..detect.save import without_folders
from .alter import KINDS
from .case import Case
from .cohort import cases_sha256
from .stress import AS_IS, Stress, StressFigures, StressRow

_FILES = {"csv": "stress.csv", "json": "stress.json", "figure": "stress.png"}
_COLUMNS = ("flagged_ml", "regions", "dice", "best_dice", "auprc", "threshold", "image_score", "scan_p", "regions_beyond")
_NOT_LESIONS = "The alterations are simulated. What they do says how steady a method is, not how well it finds lesions."


def _run_of(sha256: str) -> Run:
    return Run("stress", r"stress\.(csv|json|png)", "a set of scans", sha256, kind="stress")


def check_stress_output(cases: Sequence[Case], out: str | Path, *, overwrite: bool = False) -> None:
    """See whether `save_stress` will be able to write, before anything is computed; raises `InputError`."""
    check_output(out, [_run_of(cases_sha256(cases))], overwrite=overwrite)


@told_as_error()
def save_stress(
    stress: Stress, out: str | Path, *, command: str = "", left_out: Sequence[str] = (), overwrite: bool = False
) -> dict[str, Path]:
    """Write table, record and figure into a folder: all files or none.

    Parameters
    ----------
    stress : Stress
        What `stress.stress_cohort` gave.
    out, command, left_out, overwrite
        As in `cohort_report.save_cohort`.

    Returns
    -------
    dict of str to Path
        "csv", "json", "figure", "manifest".

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on other scans.
    """
    from ...evaluation.stress_figure import stress_figure  # it brings matplotlib, which only drawing needs

    buffer = io.BytesIO()
    titles = {kind: f"{KINDS[kind].title}{f' ({KINDS[kind].unit})' if KINDS[kind].unit else ''}" for kind in stress.kinds}
    figure = stress_figure(_curves(stress, titles, "flagged_ml"), _curves(stress, titles, "dice"))
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": "napari-brain-uad"})
    contents = {
        "csv": stress_csv(stress).encode(),
        "json": json_text(stress_record(stress, command=command, left_out=left_out)).encode(),
        "figure": buffer.getvalue(),
    }
    run = _run_of(stress.cases_sha256)
    with written_whole(out, [run], overwrite=overwrite) as folder:
        for kind, content in contents.items():
            write_bytes(folder / _FILES[kind], content)
    return {kind: Path(out) / name for kind, name in _FILES.items()} | {"manifest": Path(out) / run.manifest}


def _curves(stress: Stress, titles: dict[str, str], column: str) -> dict[str, dict[str, list[tuple[float, Interval | None]]]]:
    """By kind and method: strength, from none on, and the figure."""
    figures = stress.figures()

    def line(method: str, kind: str) -> list[tuple[float, Interval | None]]:
        return [(one.strength, getattr(one, column)) for one in figures if one.method == method and one.kind in (AS_IS, kind)]

    return {title: {method: line(method, kind) for method in stress.methods} for kind, title in titles.items()}


def stress_csv(stress: Stress) -> str:
    """One line a scan, alteration and method."""
    head = ["scan", "sequence", "ill", "method", "alteration", "level", "strength", *_COLUMNS]
    return table_text([head, *map(_line, stress.rows)])


def _line(one: StressRow) -> list[Any]:
    own = one.row.figures
    about = [one.case, one.row.sequence, one.row.ill, own.method, one.kind or "none", one.level, one.strength]
    return [*about, *(getattr(own, name) for name in _COLUMNS)]


def stress_record(stress: Stress, *, command: str = "", left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Everything as JSON data."""
    about = {kind: {name: value for name, value in asdict(KINDS[kind]).items() if name != "apply"} for kind in stress.kinds}
    return {
        "notice": f"{NOTICE} {_NOT_LESIONS}",
        "threshold": stress.threshold,
        "threshold_of": "the scan as it is" if stress.kept else "each altered scan",
        "alterations": about,
        "mean": {method: [asdict(one) for one in stress.figures() if one.method == method] for method in stress.methods},
        "failures": [vars(failure) for failure in stress.failures],
        "warnings": alike(stress.warnings),
        "left_out": list(left_out),
        "command": without_folders(command),
        "given_files": given_files(command),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def stress_text(stress: Stress) -> str:
    """The means for a terminal, a line a method, alteration and strength."""
    head = ["Method", "Alteration", "Strength", "Healthy: flagged ml", "more than as is", "beyond", "Ill: Dice", "more than as is"]
    rows = [head, *map(_words, stress.figures())]
    widths = [max(len(row[number]) for row in rows) for number in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, _NOT_LESIONS])


def _words(one: StressFigures) -> list[str]:
    kind = KINDS[one.kind].title if one.level else "none"
    beyond = "-" if one.beyond is None else f"{100 * one.beyond:.0f} %"
    return [
        one.method,
        kind,
        f"{one.strength:g}",
        _mean(one.flagged_ml, ".1f"),
        _mean(one.flagged_change if one.level else None, "+.1f"),
        beyond,
        _mean(one.dice, ".3f"),
        _mean(one.dice_change if one.level else None, "+.3f"),
    ]


def _mean(found: Interval | None, form: str) -> str:
    if found is None:
        return "-"
    return f"{found.mean:{form}}" if found.low is None else f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"
