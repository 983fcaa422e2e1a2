"""The sections of the page about the data and the study's answers, from the record's "data", "study" and "by_sequence"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.text import counted, html_text
from ..compare.compare_table import COLUMNS, cell
from .contents import PageContents
from .markup import Heading, Line, TableCell, anything, bullets, folded, interval_cell, number_cell, paragraph, short, table, titled

_KNOWN = ("definitions", "settings", "lesion_strata", "healthy_false_positive_ml", "instances", "thresholds", "effects")


def data(contents: PageContents) -> str:
    """Who and what the scans are; empty where the record does not say."""
    found = contents.record.get("data")
    if not found:
        return ""
    return bullets(found["words"]) + (folded("Every scan of the data", anything(_without_empty(found["scans"]))) if found["scans"] else "")


def _without_empty(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines of a table without the columns that no line fills."""
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if any(row.get(key) is not None for row in rows)]
    return [{key: row.get(key) for key in columns} for row in rows]


def answers(contents: PageContents) -> str:
    """Lesions by size and as wholes, healthy scans, thresholds of other scans, effects; then each sequence alone."""
    record = contents.record
    parts = [_answers(contents.methods, record.get("study") or {})]
    for sequence, own in (record.get("by_sequence") or {}).items():
        inner = figures(contents.methods, own) + _answers(contents.methods, own["study"])
        parts.append(folded(f"{sequence} alone, {counted(own['scans'], 'scan')}", inner))
    return "".join(parts)


def figures(methods: Sequence[str], record: Mapping[str, Any], *, name: str = "") -> str:
    """What was measured against ground truths, and what was flagged where there is none."""
    flagged = without_truth(methods, record.get("without_truth") or {})
    measured = any(value is not None for own in record["mean"].values() for value in own.values())
    return (means(methods, record["mean"], name=name) if measured or not flagged else "") + flagged


def without_truth(methods: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> str:
    """Means over scans without a ground truth with their ranges, a line a method; empty where there is nothing."""
    if not found:
        return ""
    columns = [one for one in next(iter(found.values())) if one in COLUMNS]
    head = [Heading("Method"), Heading("Scans"), *(Heading(COLUMNS[one].title, COLUMNS[one].definition, one) for one in columns)]
    head.append(Heading("p ≤ 0.05", "scans with a p-value of at most 0.05, of those that have one"))
    lines = []
    for method, own in found.items():
        why = "-" if own["unusual"] is None else own["why_none"]
        unusual = TableCell(why) if why else number_cell(own["unusual"], None, f"of {own['scan_p']['scans']}")
        lines.append(_line(methods, method, [number_cell(own["scans"]), *(_ranged(one, own[one]) for one in columns), unusual]))
    words = "Mean over scans; in brackets the lowest and the highest. Without a ground truth nobody knows what of it is right."
    return "<h4>Scans without ground truth</h4>" + paragraph(words) + table(head, lines)


def _ranged(name: str, found: Mapping[str, Any] | None) -> TableCell:
    if found is None:
        return TableCell("-")
    mean, low, high = (cell(name, found[key]) for key in ("mean", "lowest", "highest"))
    return number_cell(found["mean"], mean, f"[{low}, {high}]")


def means(methods: Sequence[str], found: Mapping[str, Mapping[str, Any]], *, name: str = "") -> str:
    """Means over scans with their intervals, a line a method."""
    columns = list(next(iter(found.values())))
    head = [Heading("Method"), *(Heading(COLUMNS[one].title, COLUMNS[one].definition, one) for one in columns)]
    return table(head, [_line(methods, method, [mean(own[one]) for one in columns]) for method, own in found.items()], name=name)


def mean(found: Mapping[str, Any] | None, form: str = ".3f") -> TableCell:
    """A mean over scans with its interval."""
    return TableCell("undefined") if found is None else interval_cell(found["mean"], found["low"], found["high"], form)


def _line(methods: Sequence[str], method: str, cells: Sequence[TableCell | str]) -> Line:
    return Line([method, *cells], methods.index(method) if method in methods else None)


def _answers(methods: Sequence[str], found: Mapping[str, Any]) -> str:
    parts = {
        "lesion_strata": ("Lesions by size", _strata(methods, found.get("lesion_strata") or {})),
        "instances": ("Lesions as wholes", _instances(methods, found.get("instances") or {})),
        "healthy_false_positive_ml": ("Healthy scans", _healthy(methods, found.get("healthy_false_positive_ml") or {})),
        "thresholds": ("Thresholds of other scans", _thresholds(methods, found.get("thresholds") or {})),
        "effects": ("Effects of who was scanned, and how", _effects(found.get("effects") or [])),
    }
    said = found.get("definitions", {})
    shown = [f"<h3>{title}</h3>{_definition(said.get(key))}{inner}" for key, (title, inner) in parts.items() if inner]
    shown += [f"<h3>{html_text(titled(key))}</h3>{anything(value)}" for key, value in found.items() if key not in _KNOWN and value]
    return "".join(shown)


def _definition(words: str | None) -> str:
    return paragraph(f"{words[0].upper()}{words[1:]}.") if words else ""


def _strata(methods: Sequence[str], found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    if not any(one["lesions"] for own in found.values() for one in own):
        return ""
    first = next(iter(found.values()))
    head = [Heading("Recall of lesions of"), *(Heading(one["range"], counted(one["lesions"], "lesion")) for one in first)]
    lines = [_line(methods, method, [_recall(one) for one in own]) for method, own in found.items()]
    return table(head, lines)


def _recall(one: Mapping[str, Any]) -> TableCell:
    if not one["lesions"] or one["recall"] is None:
        return TableCell("none")
    own = mean(one["recall"])
    return TableCell(own.text, own.value, f"{own.small} {one['found']} of {one['lesions']}".strip())


def _instances(methods: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> str:
    if not any(own["lesions"] for own in found.values()):
        return ""
    at = next(iter(found.values()))["at"]
    columns = [(place, name) for place in range(len(at)) for name in ("precision", "recall", "f1")]
    names = [f"{'F1' if name == 'f1' else name.capitalize()} at {at[place]['threshold']:g}" for place, name in columns]
    lines = []
    for method, own in found.items():
        at_each = [number_cell(own["at"][place][name], _three(own["at"][place][name])) for place, name in columns]
        counts = [number_cell(own[name]) for name in ("lesions", "regions")]
        lines.append(_line(methods, method, [*counts, mean(own["siou"]), number_cell(own["mean_f1"], _three(own["mean_f1"])), *at_each]))
    return table(["Method", "Lesions", "Regions", "Mean sIoU", "Mean F1", *names], lines)


def _three(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _healthy(methods: Sequence[str], found: Mapping[str, Mapping[str, Any] | None]) -> str:
    lines = [_line(methods, method, [mean(own, ".2f"), number_cell(own["scans"])]) for method, own in found.items() if own is not None]
    return table(["Method", "Flagged (ml)", "Scans"], lines) if lines else ""


def _thresholds(methods: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> str:
    if not found:
        return ""
    lines = []
    for method, own in found.items():
        values = ", ".join(short(fold["threshold"]) for fold in own["folds"])
        dice = [mean(own[name]) for name in ("dice", "default_dice", "difference")]
        lines.append(_line(methods, method, [values or own["why_not"] or "-", *dice, number_cell(len(own["scans"]))]))
    rules = dict.fromkeys(own["rule"] for own in found.values())
    head = ["Method", "Thresholds", "Dice", "Dice at the default threshold", "Difference", "Scans"]
    return "".join(paragraph(f"Chosen: {rule}.") for rule in rules) + table(head, lines)


def _effects(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return ""
    lines = []
    for one in found:
        groups = "; ".join(f"{group['name']}: median {short(group['median'])} ({group['count']})" for group in one["groups"])
        named = [one["covariate"], one["method"], COLUMNS[one["figure"]].title if one["figure"] in COLUMNS else one["figure"]]
        tested = [one["test"] or one["why_not"] or "not tested", number_cell(one["size"], None, one["size_name"] or "")]
        tested += [number_cell(one[p], None if one[p] is None else f"{one[p]:.4f}") for p in ("p", "p_holm")]
        lines.append([*named, *tested, number_cell(one["people"]), groups])
    return table(["Effect of", "Method", "On", "Test", "Size", "p", "p (Holm)", "People", "Groups"], lines)
