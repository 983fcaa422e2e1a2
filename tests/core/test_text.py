"""Text from outside is shown as it is and does nothing."""

from __future__ import annotations

import csv
import io
import os

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.text import (
    choose_from,
    close_names,
    counted,
    did_you_mean,
    html_text,
    readable,
    readable_lines,
    table_cell,
    table_text,
    told_of,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sub-01_FLAIR", "sub-01_FLAIR"),
        ("Überprüfung 患者 7", "Überprüfung 患者 7"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
        ("in\u200bvisible\ufeff", r"in\u200bvisible\ufeff"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("two\u2028lines", r"two\u2028lines"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_everything_is_seen(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert readable(readable(text)) == shown


def test_bytes_of_a_file_name_are_read_as_utf8_or_written_out() -> None:
    """In a C locale every file name that is not ASCII comes with surrogates; a Latin-1 name does in any locale."""
    assert readable(os.fsdecode("Müller".encode()).encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")) == "Müller"
    assert readable(b"M\xfcller".decode("utf-8", "surrogateescape")) == r"M\xfcller"


def test_lines_of_our_own_stay() -> None:
    assert readable_lines("a\nb\x07") == "a\nb\\x07"


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", " =HYPERLINK(1)", "\uff1d1", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert not table_cell(text).lstrip().startswith(("=", "+", "-", "@", "\uff1d"))


@pytest.mark.parametrize("text", ["-3.5", "+2", "1e-4", "-inf", "nan", "a=b", "sub-01"])
def test_numbers_and_names_stay(text: str) -> None:
    assert table_cell(text) == text


def test_html_closes_neither_element_nor_attribute() -> None:
    shown = html_text("\"'><script>alert(1)</script>\x00&amp;")
    assert not set("<>\"'") & set(shown)
    assert "&amp;amp;" in shown
    assert r"\x00" in shown


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    error = InputError("scan\x1b[31m", why="there is no\nsuch file", fix="Give\radvice")
    assert str(error) == r"scan\x1b[31m: there is no\nsuch file. Give\radvice."


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("session",), "0 sessions"),
        (1, ("session",), "1 session"),
        (2, ("label map",), "2 label maps"),
        (12345, ("voxel",), "12,345 voxels"),
        (1, ("person", "people"), "1 person"),
        (3, ("person", "people"), "3 people"),
    ],
)
def test_one_of_them_has_no_s(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("p1", "p1: no file", "p1: no file"),
        ("p1", "p1 cannot be scored: it is flat", "p1 cannot be scored: it is flat"),
        ("p1", "p1_FLAIR.nii.gz: no file", "p1_FLAIR.nii.gz: no file"),
        ("sub-01_2", "sub-01_ses-2_FLAIR.nii.gz: no file", "sub-01_ses-2_FLAIR.nii.gz: no file"),
        ("sub-01 2", "sub-01: no file", "sub-01 2: sub-01: no file"),
        ("p1", "p10: no file", "p1: p10: no file"),
        ("p1", "the mask of p1: no file", "p1: the mask of p1: no file"),
        ("p1", "no file", "p1: no file"),
        ("a\x07", "a\\x07: no file", "a\\x07: no file"),
        ("", "no file", ": no file"),
    ],
)
def test_a_name_is_said_once(name: str, text: str, line: str) -> None:
    assert told_of(name, text) == line


def test_texts_of_a_table_are_safe_and_numbers_stay() -> None:
    text = table_text([["id", "score"], ["=cmd|'/C calc'!A0", -1.5], ["a\tb\nc", None], ['quote "this", please', "-7"]], delimiter="\t")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t"))
    assert rows == [["id", "score"], ["'=cmd|'/C calc'!A0", "-1.5"], [r"a\tb\nc", ""], ['quote "this", please', "-7"]]
    assert text.count("\n") == 4


def test_only_the_closest_names_may_be_meant() -> None:
    assert close_names("thresold", ["threshold", "thresh-raw", "thor"]) == ["threshold"]
    assert close_names("THRESHOLD", ["threshold", "vae"]) == ["threshold"]
    assert close_names("flare", ["FLAIR", "T1"]) == ["FLAIR"]
    assert close_names("vea", ["vae", "svae", "edc"]) == ["vae", "svae"]
    assert close_names("xyz", ["threshold", "vae"]) == []
    assert did_you_mean("vea", ["vae", "svae", "edc"]) == "Did you mean vae or svae? "


def test_of_many_names_those_that_are_not_close_are_left_out() -> None:
    """A screen full of names hides the one that was meant."""
    many = ["vae", *map(str, range(8))]
    assert choose_from("vea", many, "Methods") == "Did you mean vae?"
    assert choose_from("vea", many, "Methods", "`list` lists all") == "Did you mean vae? `list` lists all"
    assert choose_from("v", [*many, "vae-restoration-longer"], "Methods") == "Did you mean vae?"
    assert choose_from("vxyz", ["vabc", *many], "Methods").endswith(", ".join(many)), "nobody knows whether it was meant"
    assert choose_from("xyz", many, "Methods", "`list` lists all") == f"Methods: {', '.join(many)}"
    assert choose_from("vea", many[:2], "Methods", "`list` lists all") == "Did you mean vae? Methods: vae, 0"
    assert choose_from("vea", [], "Methods") == "Methods: none"
    assert str(InputError("There is no 'vea'", fix=choose_from("vea", many, "Methods"))) == "There is no 'vea'. Did you mean vae?"
