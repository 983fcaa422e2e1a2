"""JSON by whomever gives plain data or one clear error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.io.atomic import json_text, write_json
from napari_brain_uad.io.json_files import encodable, parse_json, read_json

HOSTILE = {
    "huge integer": (b'{"seed": ' + b"9" * 401 + b"}", "401 digits"),
    "more digits than Python converts": (b"[" + b"1" * 5000 + b"]", "5000 digits"),
    "huge float": (b'{"a": 1e999}', "too large"),
    "lone surrogate": (b'{"title": "\\ud800"}', "surrogate"),
    "lone surrogate in a name": (b'{"\\udfff": 1}', "surrogate"),
    "100,000 brackets": (b"[" * 100_000, "nested"),
    "deep and whole": (b"[" * 70 + b"]" * 70, "nested"),
    "deep in objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested"),
    "NaN": (b'{"a": NaN}', "NaN"),
    "infinity": (b'{"a": -Infinity}', "Infinity"),
    "a name twice": (b'{"a": 1, "a": 2}', "'a' is there twice"),
    "not UTF-8": (b'{"a": "\xff"}', "byte 7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-8"),
    "cut off": (b'{"a": [1, 2', "line 1"),
    "empty": (b"", "line 1"),
    "raw control character": (b'{"a": "\x1b"}', "control character"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words(tmp_path: Path, name: str) -> None:
    content, words = HOSTILE[name]
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^card\.json: ") as caught:
        read_json(path, error=ModelError, fix="Leave it out")
    assert words in caught.value.why
    assert caught.value.fix == "Leave it out"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, -2.5, "\xc3\xa9", null]}')
    assert read_json(path) == {"a": [1, -2.5, "é", None]}


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "missing.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "pipe.json")
    (tmp_path / "large.json").write_text(json.dumps(["x" * 500] * 10))
    with pytest.raises(InputError, match=r"larger than 0\.004 MB"):
        read_json(tmp_path / "large.json", most_bytes=4000)


def test_ten_thousand_damaged_records_give_data_or_an_error() -> None:
    """What comes out can be written again; what does not come out is a ValueError with words."""
    rng = np.random.default_rng(7)
    whole = json_text({"method": {"id": "threshold", "params": {"bins": 256}}, "findings": [{"code": "a"}], "x": [1.5, None, "ü"]}).encode()
    refused = 0
    for _ in range(10_000):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=rng.integers(1, 5)):
            data[place] = rng.integers(256)
        try:
            json_text(parse_json(bytes(data)))
        except ValueError as error:
            refused += bool(str(error))
    assert 5_000 < refused < 10_000


def test_names_in_other_bytes_are_written_readably(tmp_path: Path) -> None:
    name = b"sub\xff".decode("utf-8", "surrogateescape")
    write_json(tmp_path / "a.json", {name: [name, 1], "b": ("\ud800", np.float32(1))})
    assert read_json(tmp_path / "a.json") == {r"sub\xff": [r"sub\xff", 1], "b": [r"\ud800", 1.0]}
    assert encodable("ordinary é") == "ordinary é"
