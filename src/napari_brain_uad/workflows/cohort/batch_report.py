"""What a batch gave: one table of the scans, and one HTML page that lists their regions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core.provenance import NOTICE, versions
from ...core.text import counted, html_text, table_text, told_of
from ...evaluation.image_level import ImageLevel, image_level
from ...io.atomic import json_text, write_text
from ...io.results import Run, written_whole
from ...postprocessing.atlas import ATLAS_TITLE
from ..detect.save import without_folders
from .batch import BatchOutcome
from .cohort import cases_sha256

COLUMNS = (
    "scan", "sequence", "regions", "volume_ml", "dice", "strongest", "seconds", "scan_p", "image_score", "verdict", "folder", "warnings",
    "error",
)  # fmt: skip
"""Of the table; `strongest` is the name of the strongest region, `scan_p` its p-value against healthy brains, `image_score` the highest
score of the map, `warnings` what there is to know about scan, truth and result."""

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#1b1b1b}
table{border-collapse:collapse;margin:1em 0;font-size:13px}th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}
th{border-bottom:2px solid #888}td:first-child,th:first-child,td.t{text-align:left}
.notice{font-weight:bold;padding:.5em .8em;background:#fff3cd;border:1px solid #e0c060}
code{font-size:12px;word-break:break-all}
"""

_LISTED = 10
"""So many regions of a scan are on the page, the strongest first."""


def save_batch(outcomes: Sequence[BatchOutcome], out: str | Path, *, command: str = "", left_out: Sequence[str] = ()) -> dict[str, Path]:
    """Write table and page into the batch's folder, all or nothing; those of an earlier batch are replaced, which its scans' own are not.

    Parameters
    ----------
    outcomes : sequence of BatchOutcome
        What `batch.run_batch` gave.
    out : str or Path
        The folder that it was given.
    command : str
        The command line that gives the same; folders are left out of it.
    left_out : sequence of str
        Subjects without such a scan.

    Returns
    -------
    dict of str to Path
        "tsv", "json", "html", "manifest".

    Raises
    ------
    InputError
        If they cannot be written.
    """
    rows = [_row(outcome) for outcome in outcomes]
    about = {
        "notice": NOTICE,
        "command": without_folders(command),
        "left_out": list(left_out),
        "image_level": None if (level := batch_image_level(outcomes)) is None else level.as_dict(),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    table = table_text([COLUMNS, *([_cell(row[name]) for name in COLUMNS] for row in rows)], delimiter="\t")
    texts = {"tsv": table, "json": json_text({**about, "scans": rows}), "html": _page(outcomes, rows, about)}
    sha256 = cases_sha256([outcome.case for outcome in outcomes])
    run = Run("batch", r"batch\.(tsv|json|html)", "a set of scans", sha256, kind="batch")
    with written_whole(out, [run], overwrite=True) as folder:
        for kind, text in texts.items():
            write_text(folder / f"batch.{kind}", text)
    return {kind: Path(out) / f"batch.{kind}" for kind in texts} | {"manifest": Path(out) / run.manifest}


def batch_words(outcomes: Sequence[BatchOutcome]) -> str:
    """How many scans gave something and how many failed, in a sentence."""
    failed = sum(bool(outcome.error) for outcome in outcomes)
    done = len(outcomes) - failed
    return f"{counted(done, 'scan')} done{f', {failed} failed' if failed else ''}"


def batch_image_level(outcomes: Sequence[BatchOutcome]) -> ImageLevel | None:
    """How well the highest scores tell ill images from healthy ones, where the data set says which is which."""
    return image_level((outcome.image_score, outcome.case.ill) for outcome in outcomes)


def _row(outcome: BatchOutcome) -> dict[str, Any]:
    ended = not outcome.error
    return {
        "scan": outcome.case.name,
        "sequence": outcome.case.sequence,
        "regions": len(outcome.regions) if ended else None,
        "volume_ml": round(outcome.volume_ml, 4) if ended else None,
        "dice": outcome.dice,
        "strongest": (outcome.regions[0]["region_name"] or None) if outcome.regions else None,
        "seconds": round(outcome.seconds, 2) if ended else None,
        "sequence_words": outcome.sequence or None,
        "warnings": list(outcome.warnings),
        "scan_p": outcome.scan_p,
        "image_score": outcome.image_score,
        "ill": outcome.case.ill,
        "verdict": outcome.verdict or None,
        "folder": outcome.files["map"].parent.name if ended else None,
        "error": outcome.error or None,
    }


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "n/a"
    return "n/a" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _page(outcomes: Sequence[BatchOutcome], rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    parts = [
        f"<h1>Anomalies in {counted(len(outcomes), 'scan')}</h1>",
        f'<p class="notice">{NOTICE}</p>',
        f"<p>{batch_words(outcomes)}.</p>",
    ]
    level = batch_image_level(outcomes)
    parts += [] if level is None else [f"<p>Image level (highest score of each map): {level.words}.</p>"]
    parts.append(_table(COLUMNS[:10], [[_cell(row[name]) for name in COLUMNS[:10]] for row in rows if row["error"] is None]))
    for title, said in (
        ("Failed", [told_of(row["scan"], row["error"]) for row in rows if row["error"] is not None]),
        ("To be looked at", [f"{row['scan']}: {line}" for row in rows for line in row["warnings"]]),
        ("Left out", about["left_out"]),
    ):
        if said:
            parts += [f"<h2>{title}</h2>", "<ul>", *(f"<li>{html_text(one)}</li>" for one in said), "</ul>"]
    parts.append("<h2>Regions</h2>")
    parts.append(f"<p>The {_LISTED} strongest of each scan; mm are RAS+ in the scan's space. Region names: {html_text(ATLAS_TITLE)}.</p>")
    head = ["Region", "Region name", "ml", "Peak", "Centroid mm", "Truth"]
    for outcome in outcomes:
        if outcome.regions:
            parts += [f"<h3>{html_text(outcome.case.name)}</h3>", _table(head, [_region(one) for one in outcome.regions[:_LISTED]])]
    made = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    parts.append(f"<p>Made {about['created']} with {html_text(made)}.<br><code>{html_text(about['command'])}</code></p>")
    head_html = f'<meta charset="utf-8"><title>Anomalies in a folder of scans</title><style>{_STYLE}</style>'
    return "\n".join(['<!doctype html>\n<html lang="en">', f"<head>{head_html}</head>", "<body>", *parts, "</body></html>\n"])


def _region(row: dict[str, Any]) -> list[str]:
    place = ", ".join(f"{row[f'centroid_{axis}_mm']:.0f}" for axis in "xyz")
    truth = {None: "", True: "hit", False: "false"}[row["hit"]]
    return [str(row["region"]), row["region_name"] or "no MNI coordinates", f"{row['volume_ml']:.2f}", f"{row['peak']:.4g}", place, truth]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = ["<tr>" + "".join(f"<th>{html_text(one)}</th>" for one in head) + "</tr>"]
    rows += ["<tr>" + "".join(f"<td>{html_text(one)}</td>" for one in line) + "</tr>" for line in lines]
    return "<table>\n" + "\n".join(rows) + "\n</table>"
