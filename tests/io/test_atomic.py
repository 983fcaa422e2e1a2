"""A reader sees the old file or the whole new one, whatever happens while it is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.atomic import atomic_path, json_text, write_bytes, write_json, write_text


def test_replaces_only_when_done(tmp_path: Path) -> None:
    target = tmp_path / "a.nii.gz"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, ValueError])
def test_leaves_nothing_behind_on_any_error(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 248 + ".nii.gz")
    write_bytes(target, b"1")
    assert target.read_bytes() == b"1"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_permissions_are_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_is_the_same_for_the_same_data(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [np.float64(0.5), np.int64(3), np.bool_(True)], "ü": np.arange(2)})
    write_json(tmp_path / "b.json", {"ü": [0, 1], "a": [0.5, 3, True], "b": 1})
    text = (tmp_path / "a.json").read_bytes()
    assert text == (tmp_path / "b.json").read_bytes()
    assert text == '{\n  "a": [\n    0.5,\n    3,\n    true\n  ],\n  "b": 1,\n  "ü": [\n    0,\n    1\n  ]\n}\n'.encode()
    assert json.loads(text) == {"b": 1, "a": [0.5, 3, True], "ü": [0, 1]}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan"), np.array([1.0, -np.inf])])
def test_json_refuses_what_it_has_no_word_for(tmp_path: Path, bad: object) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        write_json(tmp_path / "a.json", {"value": bad})
    assert not list(tmp_path.iterdir())


def test_json_refuses_objects() -> None:
    with pytest.raises(TypeError, match="Path"):
        json_text({"path": Path("x")})


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """A process that rewrites one file over and over is killed: the file is always whole."""
    target = tmp_path / "state.txt"
    script = """
        import sys
        from pathlib import Path
        from napari_brain_uad.io.atomic import write_text
        for n in range(1_000_000):
            write_text(Path(sys.argv[1]), str(n % 10) * 200_000)
    """
    rng = np.random.default_rng(0)
    for _ in range(8):
        target.unlink(missing_ok=True)
        job = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(target)])
        while not target.exists() and job.poll() is None:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, 0.1)))
        job.send_signal(signal.SIGKILL)
        job.wait()
        text = target.read_text()
        assert len(text) == 200_000
        assert len(set(text)) == 1
