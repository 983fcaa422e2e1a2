"""The table of regions by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_brain_uad.gui.widgets.region_table import RegionTable
from napari_brain_uad.postprocessing.regions import Region


def regions(count: int, long: int) -> tuple[Region, ...]:
    """Regions of which one has a long volume and centre."""
    made = []
    for number in range(1, count + 1):
        ml, centre = (12345.67, (-100.0, -100.0, -100.0)) if number == long else (0.1, (1.0, 2.0, 3.0))
        made.append(Region(number, 10, ml, centre, 1.0, 0.5, centre, (0, 0, 0), (0, 1, 0, 1, 0, 1)))
    return tuple(made)


def test_columns_are_wide_enough_for_rows_out_of_sight(qtbot: Any) -> None:
    table = RegionTable()
    qtbot.addWidget(table)
    table.resize(400, 150)
    table.show()
    table.show_regions(regions(500, long=400))
    qtbot.wait(50)
    model = table.model()
    assert model is not None
    assert table.columnWidth(1) >= table.sizeHintForIndex(model.index(399, 1)).width()
    assert table.columnWidth(0) >= table.sizeHintForIndex(model.index(499, 0)).width()


def test_no_regions_is_no_error(qtbot: Any) -> None:
    table = RegionTable()
    qtbot.addWidget(table)
    table.show()
    table.show_regions(regions(3, long=1))
    table.show_regions(())
    qtbot.wait(20)
    assert table.current is None


def test_tab_leaves_the_table(qtbot: Any) -> None:
    around = QWidget()
    table, after = RegionTable(), QLineEdit()
    layout = QVBoxLayout(around)
    layout.addWidget(table)
    layout.addWidget(after)
    qtbot.addWidget(around)
    table.show_regions(regions(3, long=1))
    table.choose(1)
    around.show()
    around.activateWindow()
    table.setFocus()
    qtbot.waitUntil(table.hasFocus)
    QTest.keyClick(table, Qt.Key.Key_Tab)
    assert after.hasFocus()
    assert table.current == 1


def test_a_centre_beside_the_middle_is_at_zero_not_at_minus_zero(qtbot: Any) -> None:
    table = RegionTable()
    qtbot.addWidget(table)
    table.show_regions((replace(regions(1, long=0)[0], centroid_mm=(-0.2, 0.3, -0.6)),))
    model = table.model()
    assert model is not None
    assert model.data(model.index(0, 3)) == "0, 0, -1"
