"""Tables of labels, parsed by the rules that ITK-SNAP and 3D Slicer publish."""

from __future__ import annotations

import re

from napari_brain_uad.io.exchange.label_tables import NamedLabel, itk_snap_table, slicer_table

LABELS = (
    NamedLabel(2, 'a "quoted" \\name\nand = more', "#00C8C8"),
    NamedLabel(1, "1: 3.2 ml, peak 0.81, left thalamus", "#FF8001"),
    NamedLabel(3, "\t", "#000000"),
    NamedLabel(65_536, "too high", "#000000"),
)


def _itk_snap(text: str) -> dict[int, tuple[tuple[int, ...], str]]:
    """As the program's reader goes: comments left out, seven numbers, then what lies between the first and the next quote."""
    rows = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        *numbers, rest = line.split(maxsplit=7)
        assert [int(one) for one in numbers[4:7]] in ([1, 1, 1], [0, 0, 0])
        quoted = re.fullmatch(r'"([^"]+)"', rest)
        assert quoted is not None
        rows[int(numbers[0])] = tuple(int(one) for one in numbers[1:4]), quoted.group(1)
    return rows


def test_itk_snap_reads_index_colour_and_name() -> None:
    rows = _itk_snap(itk_snap_table(LABELS))
    assert list(rows) == [0, 1, 2, 3], "in order, and none above 65,535"
    assert rows[1] == ((255, 128, 1), "1: 3.2 ml, peak 0.81, left thalamus")
    assert rows[2] == ((0, 200, 200), "a 'quoted' /name/nand = more")


def test_slicer_reads_six_words_a_line() -> None:
    first, second, *lines = slicer_table(LABELS, "scan_labels.ctbl").splitlines()
    assert first.startswith("# Color table file")
    assert second == "# 4 values"
    words = [line.split(" ") for line in lines]
    assert all(len(row) == 6 for row in words), "a name with a space would shift the colours"
    assert [int(row[0]) for row in words] == [0, 1, 2, 3]
    assert [row[1] for row in words] == ["Background", "1_3.2_ml_peak_0.81_left_thalamus", "a_quoted_name_nand_more", "t"]
    assert words[1][2:] == ["255", "128", "1", "255"]
    assert words[0][5] == "0", "the background is not seen"
