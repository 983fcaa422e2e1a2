"""Write what methods did on a cohort: CSV, JSON, figures, and one HTML page that needs no other file."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import NOTICE, versions
from ...core.text import alike, counted, html_text, readable
from ...evaluation.protocols import PROTOCOLS
from ...evaluation.significance import DRAWS
from ...io.atomic import json_text, write_bytes
from ...io.results import Run, check_output, written_whole
from ..compare.compare_table import COLUMNS, cell
from ..detect.save import without_folders
from .case import Case
from .cohort import SUMMARISED, Cohort, cases_sha256
from .scan_facts import data_summary, data_words
from .study_record import (
    DEFINITIONS,
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD = ("best_dice", "dice", "auprc", "pro")
_PER_SCAN = (
    "best_dice",
    "best_dice_voxels",
    "dice",
    "auprc",
    "auroc",
    "pro",
    "lesion_recall",
    "false_positive_regions",
    "flagged_ml",
    "regions_beyond",
    "scan_p",
)
_DPI = 200
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#1b1b1b}
table{border-collapse:collapse;margin:1em 0;font-size:13px}th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}
th{border-bottom:2px solid #888}td:first-child,th:first-child,td.t{text-align:left}img{max-width:100%}
.notice{font-weight:bold;padding:.5em .8em;background:#fff3cd;border:1px solid #e0c060}dt{font-weight:600}dd{margin:0 0 .3em 1.5em}
code{font-size:12px;word-break:break-all}
"""


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
    from ...evaluation.cohort_figures import curves_figure, violin_figure  # they bring matplotlib, which only drawing needs

    progress = progress or Progress()
    record = cohort_record(cohort, command=command, left_out=left_out)
    progress.update(0.0, "Drawing the figures")
    spread = {COLUMNS[name].title: {method: list(cohort.values(method, name).values()) for method in cohort.methods} for name in _SPREAD}
    pictures = {"violins": _png(violin_figure(spread))}
    if cohort.pooled:
        pictures["curves"] = _png(curves_figure(cohort.pooled))
    texts = {"json": json_text(record), "html": _page(cohort, record, pictures)}
    files = {_FILES[kind]: text.encode("utf-8") for kind, text in texts.items()}
    files |= {_FILES[kind]: picture for kind, picture in pictures.items()} | contents(cohort, parquet=parquet)
    run = _run_of(cohort.cases_sha256)
    with written_whole(out, [run], overwrite=overwrite) as folder:
        for name, content in files.items():
            write_bytes(folder / name, content)
    progress.update(1.0, "Saved")
    kinds = {name: kind for kind, name in _FILES.items()} | {"cohort.csv": "csv"}
    return {kinds.get(name, name): Path(out) / name for name in files} | {"manifest": Path(out) / run.manifest}


def cohort_record(cohort: Cohort, *, command: str = "", left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Everything as JSON data, with the meaning of every column."""
    return {
        "notice": NOTICE,
        "threshold": cohort.threshold,
        "columns": {key: {"title": column.title, "definition": column.definition} for key, column in COLUMNS.items()},
        "scans": [{"scan": row.case, "sequence": row.sequence, "ill": row.ill, **row.figures.as_dict()} for row in cohort.rows],
        "data": {"summary": data_summary(cohort.scans), "scans": [one.as_dict() for one in cohort.scans]},
        **_measured(cohort),
        "by_sequence": {sequence: {"scans": len(part.scans), **_measured(part)} for sequence, part in cohort.apart.items()},
        "failures": [vars(failure) for failure in cohort.failures],
        "warnings": alike(cohort.warnings),
        "sequences": [": ".join(one) for one in cohort.sequences],
        "left_out": list(left_out),
        "command": without_folders(command),
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
        "tests": [vars(test) for test in cohort.tests()],
        "study": study_record(cohort),
    }


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
    protocols = [line for name, words, table in _protocol_lines(cohort) for line in (f"By the protocol {name}. {words}", *_columns(table))]
    study = [line for table in (strata_table(cohort), instances_table(cohort)) if table for line in _columns(table)]
    said_last = [*healthy_lines(cohort), *threshold_lines(cohort), *_test_lines(cohort), *effect_lines(cohort)]
    return [*_columns([head, *lines]), *protocols, *study, *_scan_level(cohort), *map(readable, said_last)]


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
    return [f"{', '.join(filter(None, (method, *cases)))}: {why}" for (method, why), cases in by_reason.items()]


def _page(cohort: Cohort, record: dict[str, Any], pictures: dict[str, bytes]) -> str:
    scans = len({(row.case, row.sequence) for row in cohort.rows})
    parts = [f"<h1>{counted(len(cohort.methods), 'method')} on {counted(scans, 'scan')}</h1>", f'<p class="notice">{NOTICE}</p>']
    parts.append(f"<p>Threshold: {html_text(cohort.threshold)}. Brackets: 95 % bootstrap interval over subjects ({DRAWS:,} draws).</p>")
    parts += ["<h2>Mean over scans</h2>", _table(*_mean_table(cohort))]
    parts += [f"<p>{html_text(line)}</p>" for line in _scan_level(cohort)]
    if cohort.pooled:
        names = list(next(iter(record["pooled"].values())))
        lines = [[method, *(cell(name, figures[name]) for name in names)] for method, figures in record["pooled"].items()]
        parts += ["<h2>Pooled</h2>", "<p>Over the brain voxels of all scans together; truth outside a brain mask counts as missed.</p>"]
        parts += [_table(["Method", *(COLUMNS[name].title for name in names)], lines), _image(pictures["curves"], "Pooled curves")]
    for name, words, lines in _protocol_lines(cohort):
        parts += [f"<h2>By the protocol {html_text(name)}</h2>", f"<p>{html_text(words)}</p>", _table(lines[0], lines[1:])]
    parts += _study(cohort)
    parts += ["<h2>Spread over scans</h2>", _image(pictures["violins"], "Violin plots of the figures over scans")]
    parts += _tests(record["tests"])
    head = ["Scan", "Sequence", "Method", *(COLUMNS[name].title for name in _PER_SCAN)]
    lines = [
        [row.case, row.sequence or "", row.figures.method, *(cell(name, row.figures.as_dict()[name]) for name in _PER_SCAN)]
        for row in cohort.rows
    ]
    parts += ["<h2>Every scan</h2>", _table(head, lines)]
    for title, lines_said in (("To be looked at", record["warnings"]), ("Not in the table", [*failure_lines(cohort), *record["left_out"]])):
        if lines_said:
            parts += [f"<h2>{title}</h2>", "<ul>", *(f"<li>{html_text(one)}</li>" for one in lines_said), "</ul>"]
    parts.append("<h2>What the columns mean</h2><dl>")
    parts += [f"<dt>{html_text(column.title)}</dt><dd>{html_text(column.definition)}</dd>" for column in COLUMNS.values()]
    made = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    parts += ["</dl>", f"<p>Made {record['created']} with {html_text(made)}.<br><code>{html_text(record['command'])}</code></p>"]
    head_html = f'<meta charset="utf-8"><title>Evaluation of a cohort</title><style>{_STYLE}</style>'
    return "\n".join(['<!doctype html>\n<html lang="en">', f"<head>{head_html}</head>", "<body>", *parts, "</body></html>\n"])


def _study(cohort: Cohort) -> list[str]:
    """The data, and the study's answers."""
    parts = ["<h2>The data</h2>", "<ul>", *(f"<li>{html_text(one)}</li>" for one in data_words(data_summary(cohort.scans))), "</ul>"]
    for sequence, part in ({"": cohort} | cohort.apart).items():
        of = f" ({html_text(sequence)} alone)" if sequence else ""
        if sequence:
            parts += [f"<h2>Mean over scans{of}</h2>", _table(*_mean_table(part))]
        for title, key, table in (
            ("Lesions by size", "lesion_strata", strata_table(part)),
            ("Lesions as wholes", "instances", instances_table(part)),
        ):
            if table:
                parts += [f"<h2>{title}{of}</h2>", f"<p>{_sentence(DEFINITIONS[key])}</p>", _table(table[0], table[1:])]
        for title, key, lines in (
            ("Healthy scans", "healthy_false_positive_ml", healthy_lines(part)),
            ("Thresholds of other scans", "thresholds", threshold_lines(part)),
            ("Effects", "effects", effect_lines(part)),
        ):
            if lines:
                said_lines = (f"<li>{html_text(one)}</li>" for one in lines)
                parts += [f"<h2>{title}{of}</h2>", f"<p>{_sentence(DEFINITIONS[key])}</p>", "<ul>", *said_lines, "</ul>"]
    return parts


def _sentence(words: str) -> str:
    return html_text(f"{words[0].upper()}{words[1:]}.")


def _tests(tests: Sequence[dict[str, Any]]) -> list[str]:
    if not tests:
        return []
    words = f"Two-sided paired permutation test, {DRAWS:,} sign flips by subject (all if there are fewer); not corrected for multiplicity."
    words += " Brackets: 95 % bootstrap interval."
    lines = [
        [f"{t['first']} against {t['second']}", COLUMNS[t["column"]].title, _difference(t), f"{t['p']:.4f}", str(t["scans"])] for t in tests
    ]
    table = _table(["Pair", "Figure", "Mean difference", "p", "Scans"], lines)
    return ["<h2>Differences between methods</h2>", f"<p>{words}</p>", table]


def _difference(test: dict[str, Any]) -> str:
    bounds = "" if test["low"] is None else f" [{test['low']:+.3f}, {test['high']:+.3f}]"
    return f"{test['difference']:+.3f}{bounds}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = ["<tr>" + "".join(f"<th>{html_text(one)}</th>" for one in head) + "</tr>"]
    rows += ["<tr>" + "".join(f"<td>{html_text(one)}</td>" for one in line) + "</tr>" for line in lines]
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _image(picture: bytes, text: str) -> str:
    return f'<img alt="{html_text(text)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
