"""The sections of the page that say how it was made: tests, protocols, failures, columns, cards, versions, citation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.text import html_text
from ...evaluation.significance import DRAWS
from ..compare.compare_table import COLUMNS
from .contents import PageContents
from .markup import (
    Heading,
    Line,
    TableCell,
    anything,
    bullets,
    definitions,
    folded,
    interval_cell,
    number_cell,
    paragraph,
    short,
    table,
    titled,
)

_MEASURED = "Measured"
"""Of a model's card: figures, with semicolons between them."""

KNOWN = frozenset(
    (
        "notice", "threshold", "columns", "scans", "mean", "pooled", "protocols", "scan_auroc", "image_level", "tests", "failures",
        "warnings", "sequences", "left_out", "command", "versions", "created", "volume_agreement", "healthy_p", "methods", "citation",
        "failed", "data", "study", "by_sequence", "without_truth", "given_files",
    )
)  # fmt: skip
"""Keys of the record that have their place; all others are shown as tables."""


def others(contents: PageContents) -> str:
    """What else the record holds, as tables."""
    there = {key: value for key, value in contents.record.items() if key not in KNOWN and value}
    return "".join(f"<h3>{html_text(titled(key))}</h3>{anything(value)}" for key, value in there.items())


def citation(record: Mapping[str, Any]) -> str:
    """How to cite the tool and the methods."""
    papers = dict.fromkeys(f"{card['name']}: {card['paper']}" for card in record["methods"].values())
    return paragraph("Please cite the software, and the papers of the methods that you used.") + bullets([record["citation"], *papers])


def significance(record: Mapping[str, Any]) -> str:
    """Permutation tests between pairs of methods."""
    tests = record["tests"]
    if not tests:
        return paragraph("No pair of methods has two scans with a ground truth in common.")
    words = f"Two-sided paired permutation test, {DRAWS:,} sign flips by subject (all if there are fewer); not corrected for multiplicity."
    words += " In brackets 95\u00a0% bootstrap intervals."
    lines: list[list[TableCell | str]] = [
        [
            f"{test['first']} against {test['second']}",
            COLUMNS[test["column"]].title,
            interval_cell(test["difference"], test.get("low"), test.get("high"), "+.3f"),
            number_cell(test["p"], f"{test['p']:.4f}"),
            number_cell(test["scans"]),
        ]
        for test in tests
    ]
    return paragraph(words) + table(["Pair", "Figure", "Mean difference", "p", "Scans"], lines)


def protocols(contents: PageContents) -> str:
    """The figures as papers aggregate them; empty when none was asked for."""
    told: dict[str, list[str]] = {}
    found = contents.record["protocols"]
    for name, first in next(iter(found.values()), {}).items():
        lines = [
            Line([method, *(interval_cell(value, None, None) for value in own[name]["figures"].values())], contents.methods.index(method))
            for method, own in found.items()
        ]
        head = [Heading("Method"), *(Heading(figure) for figure in first["figures"])]
        told[name] = [f"<h4>By the protocol {html_text(name)}</h4>", paragraph(f"{first['paper']}: {first['what']}."), table(head, lines)]
    return "".join(part for parts in told.values() for part in parts)


def columns() -> str:
    """What every figure means."""
    return definitions((column.title, column.definition) for column in COLUMNS.values())


def cards(contents: PageContents) -> str:
    """The card of every method, with settings and models."""
    parts = []
    for number, (title, card) in enumerate(contents.record["methods"].items()):
        rows = [("Family", card["family"]), ("What it does", card["summary"]), ("Paper", card["paper"]), ("Licence", card["licence"])]
        rows += [("Needs", card["needs"]), ("Score", card["score_unit"]), ("Its own threshold", card["default_threshold"])]
        rows += [("Preset", card["preset"])] if card["preset"] else []
        rows += [("Healthy reference", f"none: {card['incomparable']}")] if card["incomparable"] else []
        measured: list[str] = []
        rows.append(("Settings", ", ".join(f"{name} {short(value)}" for name, value in card["settings"].items()) or "none"))
        for model in card["models"]:
            rows.append(("Model", f"{model['name']} (SHA-256 {model['sha256'][:16]}...)"))
            rows += [(f"Model: {name.lower()}", text) for name, text in model["card"] if name != _MEASURED]
            measured += [one for name, text in model["card"] if name == _MEASURED for one in text.split("; ")]
        rows += [("Computed on", ", ".join(card["devices"]))] if card["devices"] else []
        name = title if title == card["name"] else f"{title}: {card['name']}"
        inner = definitions(rows) + (folded("Measured with this model", bullets(measured)) if measured else "")
        parts.append(f'<div data-method="{number}">{folded(name, inner, shown=True)}</div>')
    return "".join(parts) or paragraph("No card.")


def made(record: Mapping[str, Any]) -> str:
    """Threshold, sequences, command, versions."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    parts = [definitions([("Threshold", record["threshold"]), ("Made", record["created"]), ("With", versions)])]
    parts.append(f"<p>Command</p><pre><code>{html_text(record['command']) or 'not recorded'}</code></pre>")
    if record["sequences"]:
        parts.append(folded("Sequence of every scan, and what says so", bullets(record["sequences"])))
    return "".join(parts)
