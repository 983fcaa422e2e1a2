"""The table of an experiment: every figure beside the paper's, with what is not as in the paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core import shell
from ...core.errors import BrainUADError
from ...core.provenance import NOTICE, versions
from ...core.text import counted, table_text
from ...io.atomic import json_text, write_bytes
from ...io.results import Run, written_whole
from ..compare.compare_table import COLUMNS
from ..detect.save import without_folders
from .plan import EvaluateStep, Experiment
from .run import PAGE, cohort_of

_FILES = {"csv": "reproduction.csv", "json": "reproduction.json", "text": "reproduction.txt"}
_MEAN = "mean "
_REDUCED = "A reduced run: small networks, few steps, few people, no registration. It shows that all of it runs, and reproduces nothing"


@dataclass(frozen=True)
class PaperFigure:
    """One figure of one method on one test: the paper's and ours, each None where there is none."""

    test: str
    method: str
    figure: str
    paper: float | None
    here: float | None
    run: str
    scans: int

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.paper is None or self.here is None else self.here - self.paper


def figures_of(experiment: Experiment) -> tuple[PaperFigure, ...]:
    """All figures that the paper gives, and those that our runs of its methods gave, test by test."""
    return tuple(one for step in experiment.tests for one in _figures(step, cohort_of(step)))


def _figures(step: EvaluateStep, cohort: Mapping[str, Any]) -> list[PaperFigure]:
    published = step.test.published
    names = list(dict.fromkeys(name for own in published.values() for name in own))
    found = []
    for row in dict.fromkeys((*published, *step.specs)):
        spec = step.specs.get(row)
        title = "" if spec is None else spec.title
        scans = len({scan["scan"] for scan in cohort.get("scans", ()) if scan["method"] == title})
        run = title if scans else ""
        found += [
            PaperFigure(step.test.name, row, name, published.get(row, {}).get(name), _here(cohort, title, step.protocol, name), run, scans)
            for name in names
        ]
    return found


def _here(cohort: Mapping[str, Any], title: str, protocol: str, name: str) -> float | None:
    if name.startswith(_MEAN):
        column = cohort.get("mean", {}).get(title, {}).get(name.removeprefix(_MEAN))
        return None if column is None else float(column["mean"])
    value = cohort.get("protocols", {}).get(title, {}).get(protocol, {}).get("figures", {}).get(name)
    return None if value is None else float(value)


def report_lines(experiment: Experiment, figures: Sequence[PaperFigure], failed: Mapping[str, BrainUADError]) -> list[str]:
    """Everything in words: what was run, on how many people, the table, and what is not as in the paper."""
    paper = experiment.paper
    said = [f"{paper.title}. {paper.source}", NOTICE]
    said += [f"{_REDUCED}."] if experiment.request.reduced else []
    said += [one.words for one in experiment.given.values()]
    for step in experiment.tests:
        page = (step.out / PAGE).relative_to(experiment.out).as_posix()
        said += ["", *_table(step, [one for one in figures if one.test == step.test.name], page)]
    said += ["", "Not as in the paper:", *(f"- {line}." for line in paper.differs)]
    if failed:
        said += ["", "Failed:", *(f"- {name}: {error}" for name, error in failed.items())]
    return said


def _table(step: EvaluateStep, figures: Sequence[PaperFigure], page: str) -> list[str]:
    scans = max((one.scans for one in figures), default=0)
    names = list(dict.fromkeys(one.figure for one in figures))
    titles = (COLUMNS[name.removeprefix(_MEAN)].title if name.startswith(_MEAN) else name for name in names)
    rows = [["Method", *titles, "Run as"]]
    for method in dict.fromkeys(one.method for one in figures):
        own = {one.figure: one for one in figures if one.method == method}
        cells = [f"{_cell(own[name].here)} ({_cell(own[name].paper)})" for name in names]
        rows.append([method, *cells, own[names[0]].run or "not run"])
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    head = f"{step.test.name}: {counted(scans, 'scan')}; here (in the paper), by the protocol {step.protocol}"
    lines = [head, *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)]
    return [*lines, f"The report of {step.test.name}, with pictures: {page}"] if scans else lines


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def save_report(
    experiment: Experiment, failed: Mapping[str, BrainUADError], *, device: str = "auto", overwrite: bool = False
) -> dict[str, Path]:
    """Write the table as text, CSV and JSON with its provenance: all files or none.

    Returns
    -------
    dict of str to Path
        "csv", "json", "text" and "manifest".

    Raises
    ------
    InputError
        If the folder cannot be written, or holds the table of another paper.
    """
    figures = figures_of(experiment)
    head = ["test", "method", "figure", "paper", "here", "difference", "run", "scans"]
    rows = [[one.test, one.method, one.figure, one.paper, one.here, one.difference, one.run, one.scans] for one in figures]
    texts = {
        "csv": table_text([head, *rows]),
        "json": json_text(_record(experiment, figures, failed, device)),
        "text": "\n".join(report_lines(experiment, figures, failed)) + "\n",
    }
    run = Run("reproduction", "|".join(map(re.escape, _FILES.values())), experiment.paper.id, experiment.paper.id, kind="reproduce")
    with written_whole(experiment.out, [run], overwrite=overwrite) as folder:
        for kind, text in texts.items():
            write_bytes(folder / _FILES[kind], text.encode("utf-8"))
    return {kind: experiment.out / name for kind, name in _FILES.items()} | {"manifest": experiment.out / run.manifest}


def _record(experiment: Experiment, figures: Sequence[PaperFigure], failed: Mapping[str, BrainUADError], device: str) -> dict[str, Any]:
    paper, request = experiment.paper, experiment.request
    return {
        "notice": NOTICE,
        "paper": {"id": paper.id, "title": paper.title, "source": paper.source},
        "reduced": request.reduced,
        "seed": request.seed,
        "data": {name: {"layout": one.layout, "words": one.words} for name, one in experiment.given.items()},
        "scans": {path.name: experiment.scans_in(path) for path in experiment.tables},
        "commands": [without_folders(shell.join(step.words(device))) for step in experiment.steps],
        "figures": [asdict(one) | {"difference": one.difference} for one in figures],
        "differs": list(paper.differs),
        "failed": {name: str(error) for name, error in failed.items()},
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
