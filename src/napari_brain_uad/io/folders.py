"""Where the system keeps a user's caches and data, folders for temporary files, and whether a folder can be written at all.

A home folder may be missing, read-only or full: then there is no cache, and everything else goes on.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..core.errors import InputError
from .atomic import NO_SPACE

_NAME = "napari-brain-uad"
_PROBE = bytes(4096)


def home() -> Path | None:
    """The user's home folder; None when the system names none, or one that is relative to the working folder."""
    if sys.platform != "win32" and not os.environ.get("HOME", "/"):
        return None
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def cache_home() -> Path | None:
    """This package's folder in the system's folder for caches; it may be missing. None when the system names none."""
    if sys.platform == "darwin":
        return _ours(None, "Library", "Caches")
    return _ours(*(("LOCALAPPDATA", "AppData", "Local") if sys.platform == "win32" else ("XDG_CACHE_HOME", ".cache")))


def data_home() -> Path | None:
    """As `cache_home`, for data that the user wants to keep."""
    if sys.platform == "darwin":
        return _ours(None, "Library", "Application Support")
    return _ours(*(("LOCALAPPDATA", "AppData", "Local") if sys.platform == "win32" else ("XDG_DATA_HOME", ".local", "share")))


def _ours(variable: str | None, *below_home: str) -> Path | None:
    told = _absolute(variable) if variable else None
    base = home()
    if told is None and base is not None:
        told = base.joinpath(*below_home)
    return None if told is None else told / _NAME


def _absolute(variable: str) -> Path | None:
    """A folder that a variable of the system names; empty means unset, and a relative one counts as none (XDG base directories)."""
    told = Path(os.environ.get(variable, ""))
    return told if told.is_absolute() else None


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone (0700); one that is there is closed to others too.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    missing = []
    place = folder
    while not place.is_dir() and place != place.parent:
        missing.append(place)
        place = place.parent
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    if not missing and folder.stat().st_mode & 0o077:
        with suppress(OSError):  # somebody else's: it is theirs to close
            folder.chmod(0o700)


def probe(folder: Path) -> None:
    """Make a folder and write some bytes into it, which are removed again.

    Raises
    ------
    OSError
        If that does not work: it is read-only, full, not a folder, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(_PROBE)
        file.flush()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for temporary files in the system's place for them (``TMPDIR``), for this user alone, removed at the end.

    Raises
    ------
    InputError
        If there is none that can be written, or its disk fills up.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="brain-uad-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_temporary(error) from error
    with folder as name:
        try:
            yield Path(name)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise _no_temporary(error) from error
            raise


def temporary_file() -> IO[bytes]:
    """A file without a name in the system's place for temporary files; it goes when it is closed.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _no_temporary(error) from error


def _no_temporary(error: OSError) -> InputError:
    return InputError(
        "Temporary files cannot be written", why=error.strerror or str(error), fix="Set TMPDIR to a folder with space that you may write to"
    )


def let_matplotlib_write() -> None:
    """See to it that figures neither fail nor warn where matplotlib's own folders cannot be written.

    It then gets a temporary one, removed when this process ends. Call it before matplotlib is imported; processes started later inherit
    it.

    Raises
    ------
    InputError
        If there is no folder for temporary files either, without which matplotlib cannot be imported.
    """
    # On a slow machine it warns that it makes its list of fonts, which in a new folder it does.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    _drop_relative()
    if "matplotlib" in sys.modules or all(_writable(folder) for folder in _matplotlib_folders()):
        return
    os.environ["MPLCONFIGDIR"] = _until_the_end()


def let_napari_write() -> None:
    """As `let_matplotlib_write`, for the files without which napari neither starts nor opens a dock; call it before napari is imported.

    Raises
    ------
    InputError
        If there is no folder for temporary files either.
    """
    _drop_relative()
    base = home()
    settings = _absolute("XDG_CONFIG_HOME") or (None if base is None else base / ".config")
    icons = _absolute("XDG_CACHE_HOME") or (None if base is None else base / ".cache")
    if not os.environ.get("NAPARI_CONFIG") and not _writable(settings):
        os.environ["NAPARI_CONFIG"] = str(Path(_until_the_end()) / "settings.yaml")
    if sys.platform.startswith("linux") and not _writable(icons):
        os.environ["XDG_CACHE_HOME"] = _until_the_end()


def _drop_relative() -> None:
    """Take relative XDG folders, which do not count, out of the environment: other libraries would write into the working folder."""
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        if os.environ.get(name) and _absolute(name) is None:
            del os.environ[name]


def _until_the_end() -> str:
    """A temporary folder that goes when this process ends."""
    try:
        folder = tempfile.mkdtemp(prefix="brain-uad-")
    except OSError as error:
        raise _no_temporary(error) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _matplotlib_folders() -> tuple[Path | None, ...]:
    told = os.environ.get("MPLCONFIGDIR")
    if told:
        return (Path(told),)
    if sys.platform == "win32":
        return ()
    base = home()
    if sys.platform == "darwin":
        return (None if base is None else base / ".matplotlib",)
    pairs = (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    found = [_absolute(name) or (None if base is None else base / usual) for name, usual in pairs]
    return tuple(None if one is None else one / "matplotlib" for one in found)


def _writable(folder: Path | None) -> bool:
    if folder is None:
        return False
    try:
        probe(folder)
    except OSError:
        return False
    return True
