"""A cohort as tidy tables: one line an observation, for statistics programs; as CSV and as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core.optional import require
from ...core.text import table_text
from ..compare.compare_table import COLUMNS
from .cohort import SUMMARISED, Cohort
from .scan_facts import FACTS
from .study_record import effects, healthy_false_positives, interval, lesion_instances, lesion_strata
from .without_truth import without_truth, without_truth_lines

_ALL = "all"
_FIGURE_COLUMNS = ("sequence", "method", "part", "group", "figure", "value", "low", "high", "count", "p", "p_holm")


@dataclass(frozen=True)
class TidyTable:
    """Columns and rows; None where nothing is known."""

    columns: tuple[str, ...]
    rows: list[list[Any]]

    def csv(self) -> str:
        """As comma-separated text that a spreadsheet shows and does not compute."""
        return table_text([self.columns, *self.rows])

    def parquet(self) -> bytes:
        """As Apache Parquet: every column of one type, text where values differ.

        Raises
        ------
        InputError
            If pyarrow is not installed.
        """
        check_parquet()
        import pyarrow as pa
        from pyarrow import parquet

        types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
        arrays = []
        for place in range(len(self.columns)):
            values = [row[place] for row in self.rows]
            kinds = {type(value) for value in values if value is not None}
            kind = float if kinds == {int, float} else kinds.pop() if len(kinds) == 1 else str
            arrays.append(pa.array([None if value is None else kind(value) for value in values], types[kind]))
        sink = pa.BufferOutputStream()
        parquet.write_table(pa.table(arrays, names=list(self.columns)), sink)
        return bytes(sink.getvalue())


def check_parquet() -> None:
    """See whether Parquet can be written, before anything is computed.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """
    require("pyarrow", what_for="Tables cannot be written as Parquet")


def tables(cohort: Cohort) -> dict[str, TidyTable]:
    """The tables by the names of their files.

    "cohort" has a line a scan and method, "scans" a line a scan, "lesions" a line a lesion and method, "figures" a line a figure over
    several scans.
    """
    rows = [[row.case, row.sequence, *row.figures.as_dict().values()] for row in cohort.rows]
    lesions = [
        [row.case, row.sequence, row.figures.method, number, round(one.ml, 6), one.found, one.overlap, one.siou]
        for row in cohort.rows
        if row.found is not None
        for number, one in enumerate(row.found.lesions, 1)
    ]
    parts = {_ALL: cohort} | cohort.apart
    return {
        "cohort": TidyTable(("scan", "sequence", *COLUMNS), rows),
        "scans": TidyTable(FACTS, [list(one.as_dict().values()) for one in cohort.scans]),
        "lesions": TidyTable(("scan", "sequence", "method", "lesion", "ml", "found", "overlap", "siou"), lesions),
        "figures": TidyTable(_FIGURE_COLUMNS, [[sequence, *line] for sequence, part in parts.items() for line in _figures(part)]),
    }


def _figures(cohort: Cohort) -> list[list[Any]]:
    lines: list[list[Any]] = []

    def add(method: str, part: str, group: str | None, figure: str, value: Any, count: int | None = None) -> None:
        found = value if isinstance(value, dict) else {"mean": value}
        lines.append(
            [method, part, group, figure, found["mean"], found.get("low"), found.get("high"), found.get("scans", count), None, None]
        )

    for method in cohort.methods:
        for name in SUMMARISED:
            add(method, "mean", None, name, interval(cohort.mean(method, name)) or {"mean": None})
        if (healthy := interval(healthy_false_positives(cohort, method))) is not None:
            add(method, "healthy", None, "flagged_ml", healthy)
        for one in lesion_strata(cohort, method):
            add(method, "lesion size", one.words, "recall", interval(one.recall) or {"mean": None})
            add(method, "lesion size", one.words, "lesions", float(one.lesions))
        instances = lesion_instances(cohort, method)
        add(method, "instances", None, "siou", interval(instances.siou) or {"mean": None})
        add(method, "instances", None, "mean_f1", instances.mean_f1, instances.lesions)
        for threshold, *figures in instances.at:
            for name, value in zip(("precision", "recall", "f1"), figures, strict=True):
                add(method, "instances", f"IoU above {threshold:g}", name, value, instances.lesions)
    for method, group, figure, value, scans in without_truth_lines(without_truth(cohort)):
        add(method, "without ground truth", group, figure, value, scans)
    return [*lines, *_tested(cohort), *_at_chosen(cohort)]


def _tested(cohort: Cohort) -> list[list[Any]]:
    pairs = [
        [f"{one.first} - {one.second}", "difference (paired)", None, one.column, one.difference, one.low, one.high, one.scans, one.p, None]
        for one in cohort.tests()
    ]
    tested = [
        [one.method, "effect", one.covariate, one.figure, one.effect.size, None, None, one.effect.count, one.effect.p, one.p_holm]
        for one in effects(cohort)
    ]
    return [*pairs, *tested]


def _at_chosen(cohort: Cohort) -> list[list[Any]]:
    found = []
    for method, chosen in cohort.chosen.items():
        for number, fold in enumerate(chosen.folds, 1):
            found.append([method, "threshold", f"fold {number}", "threshold", fold.threshold, None, None, len(fold.reported), None, None])
        for scan, dice in (chosen.dice or {}).items():
            found.append([method, "threshold", scan, "dice", dice, None, None, 1, None, None])
    return found


def contents(cohort: Cohort, *, parquet: bool) -> dict[str, bytes]:
    """The files by their names."""
    made = tables(cohort)
    found = {f"{name}.csv": table.csv().encode() for name, table in made.items()}
    return found | ({f"{name}.parquet": table.parquet() for name, table in made.items()} if parquet else {})


def file_names(names: Sequence[str] = ("cohort", "scans", "lesions", "figures")) -> tuple[str, ...]:
    """Every file that can be written."""
    return tuple(f"{name}.{ending}" for ending in ("csv", "parquet") for name in names)
