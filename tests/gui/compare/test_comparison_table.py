"""The comparison's table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_brain_uad.gui.compare.comparison_table import WITH_TRUTH, WITHOUT_TRUTH, ComparisonTable
from napari_brain_uad.workflows.compare.compare_table import COLUMNS, Row


def _row(method: str, dice: float | None, **more: Any) -> dict[str, Any]:
    plain = {field.name: None for field in fields(Row)} | {"regions": 1, "flagged_ml": 1.0, "threshold": 0.5, "seconds": 1.0}
    return plain | {"method": method, "dice": dice, "threshold_origin": "set by hand", "cached": False} | more


@pytest.fixture
def table(qtbot: Any) -> ComparisonTable:
    made = ComparisonTable()
    qtbot.addWidget(made)
    rows = [_row("a", 0.5), _row("b", None), _row("c", 0.9), _row("d", 0.1), _row("e", None), _row("f", 0.10001)]
    made.show_rows(rows, with_truth=True)
    return made


def test_numbers_sort_as_numbers_and_the_unknown_comes_last_either_way(table: ComparisonTable) -> None:
    column = WITH_TRUTH.index("dice")
    assert table.order() == [0, 1, 2, 3, 4, 5]
    table.view.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert table.order()[:4] == [3, 5, 0, 2]
    assert set(table.order()[4:]) == {1, 4}
    table.view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    assert table.order()[:4] == [2, 0, 5, 3]
    assert set(table.order()[4:]) == {1, 4}
    table.view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert table.order() == [5, 4, 3, 2, 1, 0]


def test_a_row_stays_chosen_while_figures_change_and_the_order_with_them(table: ComparisonTable, qtbot: Any) -> None:
    table.view.sortByColumn(WITH_TRUTH.index("dice"), Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(table.chosen) as chosen:
        table.choose(3)
    assert chosen.args == [3]
    table.show_rows([_row(name, dice) for name, dice in zip("abcdef", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)], with_truth=True)
    assert table.current == 3
    assert table.order() == [5, 4, 3, 2, 1, 0]


def test_every_column_says_what_it_means(table: ComparisonTable) -> None:
    model = table._model
    for place, name in enumerate(WITH_TRUTH):
        assert model.headerData(place, Qt.Orientation.Horizontal) == COLUMNS[name].title
        tip = model.headerData(place, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        assert COLUMNS[name].title in tip
        assert ("high is good" in tip) == (COLUMNS[name].best == "high")
    assert set(WITH_TRUTH) | set(WITHOUT_TRUTH) <= set(COLUMNS)


def test_the_unknown_is_a_dash_and_the_best_is_bold(table: ComparisonTable) -> None:
    assert table.text(1, "dice") == "-"
    assert table.text(2, "dice") == "0.900"
    column = WITH_TRUTH.index("dice")
    bold = [table._model.data(table._model.index(row, column), Qt.ItemDataRole.FontRole) is not None for row in range(6)]
    assert bold == [False, False, True, False, False, False]
    seconds = WITH_TRUTH.index("seconds")
    assert table._model.data(table._model.index(0, seconds), Qt.ItemDataRole.FontRole) is None  # all alike: none is best


def test_tips_say_where_a_figure_comes_from(table: ComparisonTable) -> None:
    def tip(row: int, name: str) -> Any:
        return table._model.data(table._model.index(row, table._model.columns.index(name)), Qt.ItemDataRole.ToolTipRole)

    assert "set by hand" in tip(0, "threshold")
    assert tip(0, "seconds") is None
    table.show_rows([_row("a", None, cached=True)], with_truth=False, moving=True)
    assert "cache" in tip(0, "seconds")
    assert "rests" in tip(0, "mutual_dice")
    assert "dice" not in table._model.columns


def test_tab_leaves_the_table(table: ComparisonTable) -> None:
    assert not table.view.tabKeyNavigation()
