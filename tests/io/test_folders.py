"""Folders of the system that are missing, empty, relative, read-only or full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.folders import cache_home, data_home, let_napari_write, temporary_file, temporary_folder

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG base directories are Linux's")


@linux
@pytest.mark.parametrize(("variable", "usual"), [("XDG_CACHE_HOME", ".cache"), ("XDG_DATA_HOME", ".local/share")])
def test_empty_and_relative_count_as_unset(variable: str, usual: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = cache_home if "CACHE" in variable else data_home
    monkeypatch.setenv("HOME", str(tmp_path))
    for told in ("", "here", "./here", "../x"):
        monkeypatch.setenv(variable, told)
        assert find() == tmp_path / usual / "napari-brain-uad"
    monkeypatch.delenv(variable)
    assert find() == tmp_path / usual / "napari-brain-uad"
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert find() == tmp_path / "elsewhere" / "napari-brain-uad"


@linux
@pytest.mark.parametrize("home", ["", "relative", None])
def test_without_a_home_there_is_no_folder(home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    if home is None:  # as in a container that runs under a number without a name
        monkeypatch.delenv("HOME")
        import pwd

        def nobody(_: int) -> None:
            raise KeyError

        monkeypatch.setattr(pwd, "getpwuid", nobody)
    else:
        monkeypatch.setenv("HOME", home)
    assert cache_home() is None
    assert data_home() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_home() == tmp_path / "napari-brain-uad"


@pytest.mark.parametrize("make", [temporary_folder, temporary_file])
def test_no_place_for_temporary_files_is_our_own_error(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(InputError, match="TMPDIR"), make():
        pass


def test_only_a_full_disk_is_blamed_on_the_place_for_temporary_files() -> None:
    with pytest.raises(FileNotFoundError), temporary_folder() as folder:
        (folder / "missing").read_bytes()
    with pytest.raises(InputError, match="TMPDIR"), temporary_folder():
        raise OSError(28, "No space left on device")
    assert not folder.exists()


SCRIPT = """
import sys
from napari_brain_uad.workflows.scans import names
import matplotlib
from matplotlib.figure import Figure
Figure().text(0, 0, "x")
Figure().savefig(sys.argv[1])
print(matplotlib.get_cachedir())
"""


@linux
@pytest.mark.parametrize("broken", ["home", "home and temporary folder named", "MPLCONFIGDIR", "relative", "nothing"])
def test_figures_neither_fail_nor_warn(broken: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    environment["HOME"] = str(tmp_path / "home")
    if broken.startswith("home"):
        environment["HOME"] = str(tmp_path / "file")
    if "named" in broken:
        environment["TMPDIR"] = str(tmp_path / "file")
    if broken == "MPLCONFIGDIR":
        environment["MPLCONFIGDIR"] = str(tmp_path / "file" / "m")
    if broken == "relative":
        environment["XDG_CACHE_HOME"] = environment["XDG_CONFIG_HOME"] = "below"
    words = [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path / "a.png")]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.png").stat().st_size > 0
    kept = Path(done.stdout.strip())
    usual = broken in ("relative", "nothing")
    assert kept.is_dir() == usual
    assert (tmp_path / "home" in kept.parents) == usual
    assert not (tmp_path / "below").exists()


@linux
@pytest.mark.parametrize("usable", [True, False])
def test_napari_gets_folders_where_it_has_none(usable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NAPARI_CONFIG"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path if usable else tmp_path / "file"))
    let_napari_write()
    given = [os.environ["XDG_CACHE_HOME"], os.path.dirname(os.environ["NAPARI_CONFIG"])]  # noqa: PTH120 - of an empty text, too
    assert [bool(folder) and Path(folder).is_dir() for folder in given] == [not usable] * 2
