"""Fault 14: a full disk, a folder that cannot be written, spaces and letters of other alphabets in names."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io import atomic
from napari_brain_uad.io.atomic import write_json, write_text
from napari_brain_uad.io.checkpoint import load_checkpoint, save_checkpoint
from napari_brain_uad.io.nifti import read_mask, read_volume, write_mask, write_volume

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and limits of file size are POSIX")

NAMES = [
    "two words.nii.gz",
    "Ünïcödé_scan.nii.gz",
    "脑部 扫描.nii",
    "мозг's (1).nii.gz",
    "dots.v1.2.nii.gz",
    "#&%$;[x].nii",
    "UPPER.NII.GZ",
]


@pytest.fixture
def volume() -> Volume:
    rng = np.random.default_rng(5)
    return Volume(rng.random((20, 21, 22), np.float32), Grid((20, 21, 22), np.diag([1.0, 2.0, 3.0, 1.0])))


@pytest.mark.parametrize("name", NAMES)
def test_names(tmp_path: Path, volume: Volume, name: str) -> None:
    folder = tmp_path / "mein Ordner ünd 更多"
    folder.mkdir()
    write_volume(folder / name, volume)
    back = read_volume(folder / name)
    np.testing.assert_array_equal(back.data, volume.data)
    assert name.lower().startswith(back.name.lower())
    mask = volume.data > 0.5
    write_mask(folder / f"mask {name}", mask, back)
    np.testing.assert_array_equal(read_mask(folder / f"mask {name}", back), mask)
    save_checkpoint(folder / f"{back.name}.safetensors", method="m", params={}, state={"a": np.ones(3)}, meta={})
    assert load_checkpoint(folder / back.name).method == "m"
    (folder / name).unlink()
    with pytest.raises(InputError) as caught:
        read_volume(folder / name)
    assert name in str(caught.value)


def writers(volume: Volume, folder: Path) -> dict[Path, Callable[[Path], None]]:
    return {
        folder / "a.nii.gz": lambda path: write_volume(path, volume),
        folder / "a.nii": lambda path: write_volume(path, volume),
        folder / "m.nii.gz": lambda path: write_mask(path, volume.data > 0, volume),
        folder / "a.json": lambda path: write_json(path, {"a": 1}),
        folder / "a.safetensors": lambda path: save_checkpoint(path, method="m", params={}, state={}, meta={}),
    }


@pytest.mark.parametrize(
    ("code", "word"), [(errno.ENOSPC, "is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only"), (errno.EIO, "error")]
)
def test_failing_disk_keeps_the_old_file(tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch, code: int, word: str) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    everything = writers(volume, tmp_path)
    for path in everything:
        path.write_text("old")
    monkeypatch.setattr(atomic.os, "fsync", fail)
    for path, write in everything.items():
        with pytest.raises(InputError, match=word) as caught:
            write(path)
        assert path.name.split(".")[0] in caught.value.what
        assert caught.value.fix
        assert path.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in everything}


@posix
def test_full_disk_for_real(tmp_path: Path) -> None:
    """The system itself refuses to write more than 64 kB: the error is ours, and neither half a file nor a temporary one is left."""
    script = """
        import resource, signal, sys
        from pathlib import Path
        import numpy as np
        from napari_brain_uad.core.errors import InputError
        from napari_brain_uad.core.volume import Grid, Volume
        from napari_brain_uad.io.nifti import write_volume
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        data = np.random.default_rng(0).random((40, 40, 40), np.float32)
        for name in ("scan.nii", "scan.nii.gz"):
            try:
                write_volume(Path(sys.argv[1]) / name, Volume(data, Grid(data.shape, np.eye(4))))
            except InputError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("full" in line for line in lines)
    assert not list(tmp_path.iterdir())


def test_missing_folder(tmp_path: Path, volume: Volume) -> None:
    for path, write in writers(volume, tmp_path / "missing").items():
        with pytest.raises(InputError, match="is not a folder"):
            write(path)
    assert not (tmp_path / "missing").exists()


def test_folder_that_is_a_file(tmp_path: Path, volume: Volume) -> None:
    (tmp_path / "file").write_text("x")
    for path, write in writers(volume, tmp_path / "file").items():
        with pytest.raises(InputError, match="is not a folder"):
            write(path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up the superuser's rights for a while: it may write anywhere, whatever the permissions say."""
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)


@posix
def test_read_only_folder(open_folder: Path, volume: Volume) -> None:
    folder = open_folder / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        with ordinary_user():
            for path, write in writers(volume, folder).items():
                with pytest.raises(InputError, match="read-only or belongs to someone else"):
                    write(path)
        assert not list(folder.iterdir())
    finally:
        folder.chmod(0o755)


@posix
def test_files_one_may_not_read(open_folder: Path, volume: Volume) -> None:
    closed = open_folder / "closed"
    closed.mkdir()
    for folder in (open_folder, closed):
        write_volume(folder / "a.nii.gz", volume)
        save_checkpoint(folder / "m", method="m", params={}, state={}, meta={})
        for path in folder.glob("[am].*"):
            path.chmod(0o000)
    closed.chmod(0o000)
    try:
        with ordinary_user():
            for folder in (open_folder, closed):
                with pytest.raises(InputError, match="Permission denied"):
                    read_volume(folder / "a.nii.gz")
                with pytest.raises(ModelError, match="Permission denied"):
                    load_checkpoint(folder / "m")
            with pytest.raises(InputError, match="other half"):
                read_volume(closed / "a.hdr")
    finally:
        closed.chmod(0o755)


def test_name_too_long_to_exist(tmp_path: Path, volume: Volume) -> None:
    path = tmp_path / ("x" * 400 + ".nii.gz")
    with pytest.raises(InputError, match=r"cannot be read|no such file"):
        read_volume(path)
    with pytest.raises(InputError, match="cannot be written"):
        write_volume(path, volume)


def test_read_only_system_folder(volume: Volume) -> None:
    """What not even the superuser may write to, where there is such a thing."""
    folder = Path("/proc/self")
    if not folder.is_dir():
        pytest.skip("no /proc on this system")
    for path, write in writers(volume, folder).items():
        with pytest.raises(InputError):
            write(path)


def test_target_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match=r"a\.txt cannot be written"):
        write_text(tmp_path / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
