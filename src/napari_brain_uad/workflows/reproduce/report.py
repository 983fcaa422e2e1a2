"""The table of an experiment: every figure beside the paper's, with what is not as in the paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import stdev
from typing import Any

from ...core import shell
from ...core.errors import BrainUADError
from ...core.provenance import NOTICE, versions
from ...core.text import counted, table_text, told_of
from ...io.atomic import json_text, write_bytes
from ...io.results import Run, written_whole
from ..compare.compare_table import COLUMNS
from ..detect.save import without_folders
from .plan import Experiment
from .run import PAGE, cohort_of
from .steps import EvaluateStep, TestStep

_FILES = {"csv": "reproduction.csv", "json": "reproduction.json", "text": "reproduction.txt"}
_MEAN = "mean "
_REDUCED = "A reduced run: small networks, few steps, few people, no registration. It shows that all of it runs, and reproduces nothing"


@dataclass(frozen=True)
class PaperFigure:
    """One figure of one method on one test: the paper's and ours, each None where there is none.

    Parameters
    ----------
    here, spread : float or None
        The mean over `models` models, and their standard deviation (n - 1) where there are several.
    run : str
        The method as it was run.
    scans : int
        How many were scored.
    """

    test: str
    method: str
    figure: str
    paper: float | None
    here: float | None
    spread: float | None
    models: int
    run: str
    scans: int

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.paper is None or self.here is None else self.here - self.paper


def figures_of(experiment: Experiment) -> tuple[PaperFigure, ...]:
    """All figures that the paper gives, and those that our runs of its methods gave, test by test."""
    return tuple(one for steps in _by_test(experiment) for one in _figures(steps))


def _by_test(experiment: Experiment) -> list[list[TestStep]]:
    """The steps of each test, one a fold."""
    found: dict[str, list[TestStep]] = {}
    for step in experiment.tests:
        found.setdefault(step.test.name, []).append(step)
    return list(found.values())


def _figures(steps: Sequence[TestStep]) -> list[PaperFigure]:
    test, cohorts = steps[0].test, [cohort_of(step) for step in steps]
    names = list(dict.fromkeys(name for own in test.published.values() for name in own))
    found = []
    for row in dict.fromkeys((*test.published, *steps[0].specs)):
        runs = [(step, step.specs[row].title, cohort) for step, cohort in zip(steps, cohorts, strict=True) if row in step.specs]
        scans = [len({scan["scan"] for scan in cohort.get("scans", ()) if scan["method"] == title}) for _, title, cohort in runs]
        run = next((title for (_, title, _), count in zip(runs, scans, strict=True) if count), "")
        for name in names:
            given = [_here(cohort, title, step, name) for step, title, cohort in runs]
            own = [value for value in given if value is not None]
            mean, spread = (sum(own) / len(own) if own else None), (stdev(own) if len(own) > 1 else None)
            paper = test.published.get(row, {}).get(name)
            found.append(PaperFigure(test.name, row, name, paper, mean, spread, len(own), run, max(scans, default=0)))
    return found


def _here(cohort: Mapping[str, Any], title: str, step: TestStep, name: str) -> float | None:
    if name.startswith(_MEAN):
        column = cohort.get("mean", {}).get(title, {}).get(name.removeprefix(_MEAN))
        return None if column is None else float(column["mean"])
    protocol = step.protocol if isinstance(step, EvaluateStep) else ""
    value = cohort.get("protocols", {}).get(title, {}).get(protocol, {}).get("figures", {}).get(name)
    return None if value is None else float(value)


def report_lines(experiment: Experiment, figures: Sequence[PaperFigure], failed: Mapping[str, BrainUADError]) -> list[str]:
    """Everything in words: what was run, on how many people, the table, and what is not as in the paper."""
    paper = experiment.paper
    said = [f"{paper.title}. {paper.source}", NOTICE]
    said += [f"{_REDUCED}."] if experiment.request.reduced else []
    said += [one.words for one in experiment.given.values()]
    for steps in _by_test(experiment):
        said += ["", *_table(steps, [one for one in figures if one.test == steps[0].test.name], experiment.out)]
    said += ["", "Not as in the paper:", *(f"- {line}." for line in paper.differs)]
    if failed:
        said += ["", "Failed:", *(f"- {told_of(name, error)}" for name, error in failed.items())]
    return said


def _table(steps: Sequence[TestStep], figures: Sequence[PaperFigure], out: Path) -> list[str]:
    step, scans = steps[0], max((one.scans for one in figures), default=0)
    names = list(dict.fromkeys(one.figure for one in figures))
    digits = 3 if isinstance(step, EvaluateStep) else 4  # an l1 is about a hundredth
    rows = [["Method", *map(_title, names), "Run as"]]
    for method in dict.fromkeys(one.method for one in figures):
        own = {one.figure: one for one in figures if one.method == method}
        cells = [f"{_cell(own[name].here, own[name].spread, digits)} ({_cell(own[name].paper, None, digits)})" for name in names]
        models = max((one.models for one in own.values()), default=0)
        rows.append([method, *cells, (own[names[0]].run or "not run") + (f" and {models - 1} more" if models > 1 else "")])
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    how = f"by the protocol {step.protocol}" if isinstance(step, EvaluateStep) else "l1: mean |scan - reconstruction| over all voxels"
    how += "; mean +- standard deviation of the models" if len(steps) > 1 else ""
    head = f"{step.test.name}: {counted(scans, 'scan')}; here (in the paper), {how}"
    lines = [head, *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)]
    pages = [(one.out / PAGE).relative_to(out).as_posix() for one in steps if isinstance(one, EvaluateStep)] if scans else []
    return [*lines, f"The report of {step.test.name}, with pictures: {', '.join(pages)}"] if pages else lines


def _title(figure: str) -> str:
    column = figure.removeprefix(_MEAN)
    return COLUMNS[column].title if figure.startswith(_MEAN) and column in COLUMNS else column


def _cell(value: float | None, spread: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}" + ("" if spread is None else f" +- {spread:.{digits}f}")


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
    head = ["test", "method", "figure", "paper", "here", "spread", "models", "difference", "run", "scans"]
    rows = [
        [one.test, one.method, one.figure, one.paper, one.here, one.spread, one.models, one.difference, one.run, one.scans]
        for one in figures
    ]
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
        "folds": 1 + max((step.fold for step in experiment.trainings), default=0),
        "data": {name: {"layout": one.layout, "words": one.words} for name, one in experiment.given.items()},
        "scans": {path.name: experiment.scans_in(path) for path in experiment.tables},
        "commands": [without_folders(shell.join(step.words(device))) for step in experiment.steps if step.words(device)],
        "figures": [asdict(one) | {"difference": one.difference} for one in figures],
        "differs": list(paper.differs),
        "failed": {name: str(error) for name, error in failed.items()},
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
