"""Tables keep numbers numbers and compute nothing."""

from __future__ import annotations

import csv
import io

from napari_brain_uad.io.tables import table_text


def test_texts_are_safe_and_numbers_stay() -> None:
    text = table_text([["id", "score"], ["=cmd|'/C calc'!A0", -1.5], ["a\tb\nc", None], ['quote "this", please', "-7"]], delimiter="\t")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t"))
    assert rows == [["id", "score"], ["'=cmd|'/C calc'!A0", "-1.5"], [r"a\tb\nc", ""], ['quote "this", please', "-7"]]
    assert text.count("\n") == 4
