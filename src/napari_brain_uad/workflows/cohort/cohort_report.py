"""Write what methods did on a cohort: CSV, JSON, figures, and one HTML page that needs no other file."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...calibration.verdict import ALPHA
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import NOTICE, versions
from ...core.text import alike, counted, is_told, readable
from ...evaluation.p_values import share_below
from ...evaluation.protocols import PROTOCOLS
from ...evaluation.volume_agreement import volume_agreement
from ...io.atomic import json_text, write_bytes
from ...io.results import Run, check_output, written_whole
from ..compare.compare_table import COLUMNS
from ..detect.command import given_files
from ..detect.save import without_folders
from ..report.cards import method_record, software_citation
from ..report.contents import PageContents
from .case import Case
from .cohort import SUMMARISED, Cohort, cases_sha256
from .scan_facts import data_summary, data_words
from .study_record import (
    effect_lines,
    healthy_lines,
    instances_table,
    interval,
    said,
    strata_table,
    study_record,
    threshold_lines,
)
from .study_tables import contents, file_names
from .without_truth import without_truth, without_truth_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD = ("best_dice", "dice", "auprc", "pro")
_DPI = 200


_FILES = {
    "json": "cohort.json",
    "violins": "cohort_violins.png",
    "curves": "cohort_curves.png",
    "html": "cohort.html",
}


def _run_of(sha256: str) -> Run:
    return Run("cohort", "|".join(map(re.escape, (*_FILES.values(), *file_names()))), "a set of scans", sha256, kind="evaluate")


def check_cohort_output(cases: Sequence[Case], out: str | Path, *, overwrite: bool = False) -> None:
    """See whether `save_cohort` will be able to write, before anything is computed.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on other scans.
    """
    check_output(out, [_run_of(cases_sha256(cases))], overwrite=overwrite)


@told_as_error()
def save_cohort(
    cohort: Cohort,
    out: str | Path,
    *,
    command: str = "",
    left_out: Sequence[str] = (),
    parquet: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write table, figures and page into a folder: all files or none.

    Parameters
    ----------
    cohort : Cohort
        What `evaluate_cohort` gave.
    out : str or Path
        The folder; made when missing.
    command : str
        The command line that gives the same; folders are left out of it.
    left_out : sequence of str
        Subjects that were not evaluated, with the reason.
    parquet : bool
        Write the tables as Parquet too; see `study_tables`.
    overwrite : bool
        Results on other scans may be replaced; those on the same scans always are.

    Returns
    -------
    dict of str to Path
        "csv", "json", "violins", "html", "manifest", and "curves" when voxels were pooled; the other tables by their names.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on other scans.
    """
    from ...evaluation.cohort_figures import curves_figure, violin_figure  # they bring matplotlib and Bokeh, which only drawing needs
    from ..report.page import report_page

    progress = progress or Progress()
    record = cohort_record(cohort, command=command, left_out=left_out)
    progress.update(0.0, "Drawing the figures")
    spread = {COLUMNS[name].title: {method: list(cohort.values(method, name).values()) for method in cohort.methods} for name in _SPREAD}
    pictures = {"violins": _png(violin_figure(spread))}
    if cohort.pooled:
        pictures["curves"] = _png(curves_figure(cohort.pooled))
    progress.update(0.4, "Writing the page")
    texts = {"json": json_text(record), "html": report_page(_page_contents(cohort, record))}
    files = {_FILES[kind]: text.encode("utf-8") for kind, text in texts.items()}
    files |= {_FILES[kind]: picture for kind, picture in pictures.items()} | contents(cohort, parquet=parquet)
    run = _run_of(cohort.cases_sha256)
    with written_whole(out, [run], overwrite=overwrite) as folder:
        for name, content in files.items():
            write_bytes(folder / name, content)
    progress.update(1.0, "Saved")
    kinds = {name: kind for kind, name in _FILES.items()} | {"cohort.csv": "csv"}
    return {kinds.get(name, name): Path(out) / name for name in files} | {"manifest": Path(out) / run.manifest}


def _page_contents(cohort: Cohort, record: dict[str, Any]) -> PageContents:
    curves = {number: row.curves for number, row in enumerate(cohort.rows) if row.curves is not None}
    return PageContents(record, cohort.pooled, curves, cohort.shown)


def cohort_record(cohort: Cohort, *, command: str = "", left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Everything as JSON data, with the meaning of every column."""
    summary = data_summary(cohort.scans)
    return {
        "notice": NOTICE,
        "threshold": cohort.threshold,
        "columns": {key: {"title": column.title, "definition": column.definition} for key, column in COLUMNS.items()},
        "scans": [
            {"scan": row.case, "sequence": row.sequence, "ill": row.ill, "true_ml": row.true_ml, **row.figures.as_dict()}
            for row in cohort.rows
        ],
        "data": {"summary": summary, "words": data_words(summary), "scans": [one.as_dict() for one in cohort.scans]},
        **_measured(cohort),
        "by_sequence": {sequence: {"scans": len(part.scans), **_measured(part)} for sequence, part in cohort.apart.items()},
        "failures": [vars(failure) for failure in cohort.failures],
        "failed": failure_lines(cohort),
        "methods": {method: method_record(cohort.used[method]) for method in cohort.methods if method in cohort.used},
        "citation": software_citation(),
        "warnings": alike(cohort.warnings),
        "sequences": [": ".join(one) for one in cohort.sequences],
        "left_out": list(left_out),
        "command": without_folders(command),
        "given_files": given_files(command),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _measured(cohort: Cohort) -> dict[str, Any]:
    """What was measured over several scans together, as JSON data."""
    return {
        "mean": {method: {name: interval(cohort.mean(method, name)) for name in SUMMARISED} for method in cohort.methods},
        "pooled": {method: pooled_figures(cohort, method) for method in cohort.methods if method in cohort.pooled},
        "protocols": {method: protocol_figures(cohort, method) for method in cohort.protocols},
        "scan_auroc": {method: None if (area := cohort.scan_auroc(method)) is None else vars(area) for method in cohort.methods},
        "image_level": {method: None if (level := cohort.image_level(method)) is None else level.as_dict() for method in cohort.methods},
        "volume_agreement": {method: _agreement(cohort, method) for method in cohort.methods},
        "healthy_p": {method: _p_values(cohort, method) for method in cohort.methods},
        "tests": [vars(test) for test in cohort.tests()],
        "study": study_record(cohort),
        "without_truth": without_truth(cohort),
    }


def _agreement(cohort: Cohort, method: str) -> dict[str, Any] | None:
    """Flagged against true volume of one method; None without a ground truth."""
    own = [row for row in cohort.rows if row.figures.method == method and row.true_ml is not None]
    found = volume_agreement([row.true_ml or 0.0 for row in own], [row.figures.flagged_ml for row in own])
    return None if found is None else found.as_dict()


def _p_values(cohort: Cohort, method: str) -> dict[str, dict[str, Any] | None]:
    """How often healthy and ill scans are called unusual; None where no scan of the kind has a p-value."""
    found = {}
    for name, kind in (("healthy", False), ("ill", True)):
        own = [row.figures.scan_p for row in cohort.rows if row.figures.method == method and row.ill is kind]
        share = share_below([p for p in own if p is not None], ALPHA)
        found[name] = None if share is None else share.as_dict()
    return found


def pooled_figures(cohort: Cohort, method: str) -> dict[str, float | None]:
    """The figures of one method over all scans together."""
    found = cohort.pooled[method]
    return {
        "best_dice_voxels": found.best_dice_voxels,
        "dice": cohort.pooled_dice(method),
        "auprc": found.auprc,
        "auroc": found.auroc,
        "lesion_recall": cohort.pooled_lesion_recall(method),
    }


def protocol_figures(cohort: Cohort, method: str) -> dict[str, dict[str, Any]]:
    """The figures of one method as papers aggregate them, with what each does."""
    found = cohort.protocols[method].items()
    return {name: {"paper": PROTOCOLS[name].paper, "what": PROTOCOLS[name].words, "figures": figures} for name, figures in found}


def _protocol_lines(cohort: Cohort) -> list[tuple[str, str, list[list[str]]]]:
    """Of every protocol: its name, what it does, and a line a method; the first line holds the names of the figures."""
    asked = next(iter(cohort.protocols.values()), {})  # empty where no scan has a ground truth
    told = []
    for name, figures in asked.items():
        lines = [["Method", *figures]]
        for method, own in cohort.protocols.items():
            lines.append([method, *("undefined" if value is None else f"{value:.3f}" for value in own[name].values())])
        told.append((name, f"{PROTOCOLS[name].paper}: {PROTOCOLS[name].words}.", lines))
    return told


def cohort_text(cohort: Cohort) -> str:
    """Means, pooled figures and the study's answers for a terminal."""
    parts = [*map(readable, data_words(data_summary(cohort.scans))), *_part_text(cohort)]
    for sequence, part in cohort.apart.items():
        parts += ["", f"{readable(sequence)} alone, {counted(len(part.scans), 'scan')}", *_part_text(part)]
    return "\n".join(parts)


def _part_text(cohort: Cohort) -> list[str]:
    head, lines = _mean_table(cohort)
    measured = [head, *lines] if any(one.true_ml is not None for one in cohort.rows) else []
    flagged = without_truth_table(without_truth(cohort))
    protocols = [line for name, words, table in _protocol_lines(cohort) for line in (f"By the protocol {name}. {words}", *_columns(table))]
    study = [line for table in (strata_table(cohort), instances_table(cohort)) if table for line in _columns(table)]
    said_last = [*healthy_lines(cohort), *threshold_lines(cohort), *_test_lines(cohort), *effect_lines(cohort)]
    tables = [line for table in (measured, flagged) if table for line in _columns(table)]
    tables += ["These are means, in brackets from the lowest to the highest; every scan has its line in cohort.csv"] if flagged else []
    return [*tables, *protocols, *study, *_scan_level(cohort), *map(readable, said_last)]


def _test_lines(cohort: Cohort) -> list[str]:
    lines = []
    for one in cohort.tests():
        bounds = "" if one.low is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
        of = f"{one.scans} scans of {counted(one.subjects, 'subject')}"
        title = COLUMNS[one.column].title
        lines.append(f"{one.first} - {one.second}, {title}: {one.difference:+.3f}{bounds}, paired permutation test p {one.p:.4f} ({of})")
    return lines


def _columns(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[number]) for line in cells) for number in range(len(cells[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _scan_level(cohort: Cohort) -> list[str]:
    """How well each method's verdict, and the highest score of its maps, tell scans with lesions from healthy ones."""
    areas = {method: cohort.scan_auroc(method) for method in cohort.methods}
    said = [f"Scan-level AUROC of {method}: {area.words}" for method, area in areas.items() if area is not None]
    for method in cohort.methods:
        level = cohort.image_level(method)
        said += [] if level is None else [f"Image level (highest score of each map) of {method}: {level.words}"]
    return said


def _mean_table(cohort: Cohort) -> tuple[list[str], list[list[str]]]:
    lines = []
    for method in cohort.methods:
        means = [cohort.mean(method, name) for name in SUMMARISED]
        lines.append([method, *(said(found) for found in means)])
    return ["Mean over scans", *(COLUMNS[name].title for name in SUMMARISED)], lines


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": "napari-brain-uad"})
    return buffer.getvalue()


def failure_lines(cohort: Cohort) -> list[str]:
    """What gave nothing and why, each reason once with the scans it holds for."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for failure in cohort.failures:
        by_reason.setdefault((failure.method, failure.why), []).append(failure.case)
    lines = []
    for (method, why), cases in by_reason.items():
        who = ", ".join(filter(None, (method, *(case for case in cases if not is_told(case, why)))))
        lines.append(f"{who}: {why}" if who else why)
    return lines
