"""A command pasted into a shell has the words it was made of, whatever is in them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from napari_brain_uad.core.shell import file_word, join, split

WORDS = [
    "plain.nii.gz",
    "with space.nii.gz",
    'it\'s "quoted".nii.gz',
    "$(rm -rf ~) `id` ; & | > *.nii",
    "line\nend\ttab\rreturn",
    "a\\b\\n",
    "\x1b[31mred",
    "-dash",
    "",
    "Überprüfung 患者",
    b"latin-1 M\xfcller7.nii".decode("utf-8", "surrogateescape"),
    b"\xff'\\1".decode("utf-8", "surrogateescape"),
    "turned\u202earound",
    "#comment",
    "$'x'",
    "~home",
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_reads_the_same_words(tmp_path: Path) -> None:
    line = join(["printf", r"%s\0", *WORDS])
    assert line.isprintable()
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout.split(b"\0")[:-1] == [word.encode("utf-8", "surrogateescape") for word in WORDS]


def test_split_is_the_inverse() -> None:
    assert split(join(WORDS)) == WORDS
    assert split("brain-uad detect 'a b' --out OUT") == ["brain-uad", "detect", "a b", "--out", "OUT"]
    assert split("  ") == []


def test_an_open_quote_is_an_error() -> None:
    for line in ("a 'b", "a $'b"):
        with pytest.raises(ValueError, match="quot"):
            split(line)


FILES = {"-a.nii": "./-a.nii", "--help": "./--help", "a-b.nii": "a-b.nii", "/x/-a": "/x/-a"}


@pytest.mark.parametrize("path", FILES)
def test_no_file_is_an_option(path: str) -> None:
    assert file_word(path) == file_word(Path(path)) == FILES[path]
