"""Results of a run in a folder: all of them or none, and never those of two runs together.

A run is written into a hidden folder beside its goal. When it is whole and on the disk, that folder is renamed, which decides: from
then on the run counts, and the files of the earlier run of that name are removed, the new ones moved to their places, and the manifest
last: ``NAME_manifest.json`` with the SHA-256 of every file and of the input. A process killed before leaves the earlier run as it was;
one killed after leaves what the next run in that folder completes. Readers refuse files that are not those of their manifest.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from ..core.errors import InputError
from .atomic import NO_SPACE, flush_folder, not_written, write_json
from .folders import probe
from .json_files import encodable, read_json

if sys.platform != "win32":
    import fcntl

FORMAT = "napari-brain-uad results 1"

_PREFIX, _PARTIAL, _READY = ".brain-uad-", ".partial", ".ready"
_LOCK, _JOURNAL = "lock", "journal.json"
_DAY = 86400.0


@dataclass(frozen=True)
class Run:
    """Files that belong together.

    Parameters
    ----------
    name : str
        First part of the manifest's name.
    pattern : str
        Regular expression of the names that such a run may write.
    input_name : str
        What it was made from, for the user.
    input_sha256 : str
        SHA-256 of that.
    record : str
        Name of the file in which versions without manifests noted the input's SHA-256; empty for none.
    kind : str
        The work that wrote it, in a word ("detect", "compare"): two kinds may write files of one name, but not the same set of them.
    token : str
        What tells this writing from every other, for whoever keeps a record of it elsewhere; see `token_of`. Empty for none.
    """

    name: str
    pattern: str
    input_name: str
    input_sha256: str
    record: str = ""
    kind: str = ""
    token: str = ""

    @property
    def manifest(self) -> str:
        """Name of its manifest."""
        return f"{self.name}_manifest.json"

    def owns(self, name: str) -> bool:
        """Whether a file of that name is one of such a run."""
        return re.fullmatch(self.pattern, name) is not None


def check_output(folder: Path | str, runs: Sequence[Run] = (), *, overwrite: bool = False, need_bytes: int = 0) -> None:
    """See whether results can be written, before they are computed. Leaves nothing behind.

    Parameters
    ----------
    folder : Path or str
        Where to; it may be missing.
    runs : sequence of Run
        What will be written.
    overwrite : bool
        Results of another input or of another kind may be replaced.
    need_bytes : int
        Room they need at least, as far as that is known.

    Raises
    ------
    InputError
        If the folder cannot be made or written or its disk has too little room, two runs have one name, or results of another input or of
        another kind lie there.
    """
    folder = Path(folder)
    _check_names(runs)
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        probe(folder)
        room = shutil.disk_usage(folder).free
        if not overwrite:
            _check_earlier(folder, runs)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        for one in missing:
            with suppress(OSError):
                one.rmdir()
    if room < need_bytes:
        why = f"the disk of {folder} has {room / 1e6:.0f} MB left, they need some {need_bytes / 1e6:.0f} MB"
        raise InputError("The results cannot be written", why=why, fix="Free some space, or choose another --out")


@contextmanager
def written_whole(folder: Path | str, runs: Sequence[Run], *, overwrite: bool = False) -> Iterator[Path]:
    """Write runs into a folder: all of their files or none.

    Parameters
    ----------
    folder : Path or str
        Made when missing. What killed processes left in it is completed or removed first.
    runs : sequence of Run
        What is written, together. Their earlier files in the folder are replaced, those that are not written again too.
    overwrite : bool
        Results of another input or of another kind may be replaced.

    Yields
    ------
    Path
        The folder to write the files into, under their own names. An error within leaves the earlier results as they were.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or results of another input or of another kind lie there.
    """
    folder = Path(folder)
    _check_names(runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _tidy(folder)
            stage = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_PARTIAL, dir=folder))
            lock = _locked(stage)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        yield stage
        try:
            _commit(folder, stage, runs, overwrite)
        except OSError as error:
            raise _not_written(folder, error) from error
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(stage, ignore_errors=True)


def check_whole(path: Path, name: str, others: Sequence[Path]) -> None:
    """Refuse a file, and those beside it that are read with it, unless they are as one run wrote them.

    Parameters
    ----------
    path : Path
        The file that is read.
    name : str
        Of its run. Without a manifest of that name the files are taken as they are: they were copied, or written by an earlier version.
    others : sequence of Path
        Files in the same folder; one that is missing is no fault.

    Raises
    ------
    InputError
        If a file's contents are not those in the manifest, or the process that wrote them was killed.
    """
    manifest = path.with_name(f"{name}_manifest.json")
    again = "Run the command that made them again"
    if not manifest.is_file():
        if any(manifest.name in _noted(ready, "place") for ready in _hidden(path.parent, _READY)):
            raise InputError(path.name, why="the process that wrote it and the files beside it was killed", fix=again)
        return
    listed = _json(manifest).get("files")
    for file in (path, *others):
        known = listed.get(encodable(file.name)) if isinstance(listed, dict) else None
        if file.is_file() and known != _sha256(file):
            why = f"it is not as {manifest.name} says it was written: it was changed since, or is another run's"
            raise InputError(file.name, why=why, fix=f"{again}, or move {manifest.name} away to take the files as they are")


def token_of(manifest: Path) -> str:
    """The token that a run was written with; empty where it has none, or there is no run."""
    found = _json(manifest).get("token")
    return found if isinstance(found, str) else ""


def is_result(path: Path) -> bool:
    """Whether a run of ours wrote a file: a manifest beside it lists it."""
    listed = (_json(manifest).get("files") for manifest in path.parent.glob("*_manifest.json"))
    return any(isinstance(names, dict) and encodable(path.name) in names for names in listed)


def results_among(paths: Iterable[Path]) -> dict[Path, str]:
    """The files that runs of ours wrote, as the manifests beside them say, and the name of the input of each."""
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    found: dict[Path, str] = {}
    for folder, own in by_folder.items():
        for manifest in sorted(folder.glob("*_manifest.json")):
            content = _json(manifest)
            names, given = content.get("files"), content.get("input")
            made_from = str(given.get("name", "")) if isinstance(given, dict) else ""
            found |= {path: made_from for path in own if isinstance(names, dict) and encodable(path.name) in names}
    return found


def _not_written(folder: Path, error: OSError) -> InputError:
    told = not_written(folder / "The results", error)
    full = error.errno in NO_SPACE
    return InputError(told.what, why=told.why, fix="Free some space, or choose another --out" if full else "Choose another --out")


def _check_names(runs: Sequence[Run]) -> None:
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        why = "one would replace the other"
        raise InputError(f"Two of the results would be called {twice}", why=why, fix="Give the files of scans and models different names")


def _check_earlier(folder: Path, runs: Sequence[Run]) -> None:
    """Refuse to replace what another input gave, or another kind of work: nobody asked for that to go."""
    for run in runs:
        there = _input_there(folder, run)
        if there is not None and (not there[1] or there[1] != run.input_sha256):
            made = f"those there were made from {there[0]} ({_short(there[1])})"
            why = f"{made}, the new ones would be from {run.input_name} ({_short(run.input_sha256)})"
            fix = "Choose another folder, or have them replaced (--overwrite)"
            raise InputError(f"{folder} holds results {run.name} of another input", why=why, fix=fix)
        # Versions that noted no kind took all for one.
        kind = _json(folder / run.manifest).get("kind") or run.kind
        if run.kind and kind != run.kind:
            why = f"they were written by '{kind}', and '{run.kind}' would replace all of them, also what it does not write itself"
            fix = "Choose another folder, or have them replaced (--overwrite)"
            raise InputError(f"{folder} holds results {run.name} of another kind", why=why, fix=fix)


def _short(sha256: str) -> str:
    return f"SHA-256 {sha256[:12]}..." if sha256 else "SHA-256 unknown"


def _input_there(folder: Path, run: Run) -> tuple[str, str] | None:
    """Name and SHA-256 of the input of an earlier run of that name; None when there is none."""
    for name in filter(None, (run.manifest, run.record)):
        content = _json(folder / name)
        given = content.get("input")
        given = given if isinstance(given, dict) else {}
        found = given.get("sha256") or given.get("file_sha256") or content.get("input_sha256")
        if isinstance(found, str):
            return str(given.get("name") or run.input_name), found
    return ("an unknown input", "") if _names(folder, run) else None


def _names(folder: Path, run: Run) -> list[str]:
    """The files in a folder that have names of a run."""
    return sorted(one.name for one in folder.iterdir() if run.owns(one.name) and one.is_file()) if folder.is_dir() else []


def _earlier(folder: Path, run: Run, new: Sequence[str]) -> list[str]:
    """Names of the files that an earlier run of that name left, its manifest first."""
    names = _names(folder, run)
    if (folder / run.manifest).is_file():
        listed = _json(folder / run.manifest).get("files")
        return [run.manifest, *(name for name in names if name in new or (isinstance(listed, dict) and encodable(name) in listed))]
    # Without a manifest only its record tells a run from files that happen to have such names.
    return names if run.record in names else [name for name in names if name in new]


def _commit(folder: Path, stage: Path, runs: Sequence[Run], overwrite: bool) -> None:
    names = sorted(one.name for one in stage.iterdir() if one.name != _LOCK)
    for run in runs:
        files = {name: _sha256(stage / name) for name in names if run.owns(name)}
        about = {"name": run.input_name, "sha256": run.input_sha256}
        told = {name: value for name, value in (("kind", run.kind), ("token", run.token)) if value}
        write_json(stage / run.manifest, {"format": FORMAT, "run": run.name, **told, "input": about, "files": files})
    unknown = [name for name in names if not any(run.owns(name) for run in runs)]
    if unknown:
        raise ValueError(f"no run is said to write {unknown}")
    with _alone(folder):
        for other in _hidden(folder, _READY):
            _complete(other)
        if not overwrite:
            _check_earlier(folder, runs)
        manifests = [run.manifest for run in runs]
        earlier = {name for run in runs for name in _earlier(folder, run, names)}
        remove = sorted(earlier, key=lambda name: (name not in manifests, name))
        write_json(stage / _JOURNAL, {"remove": _quoted(remove), "place": _quoted([*names, *manifests])})
        ready = stage.with_suffix(_READY)
        stage.rename(ready)
        flush_folder(folder)
        _complete(ready)


def _complete(ready: Path) -> None:
    """Bring a run that is whole to its places; it may be done in part already, or be done by another process at the same time."""
    folder, place = ready.parent, _noted(ready, "place")
    for name in _noted(ready, "remove"):
        # What has left the hidden folder is the new file.
        if name not in place or (ready / name).exists():
            (folder / name).unlink(missing_ok=True)
    for name in place:
        with suppress(FileNotFoundError):
            (ready / name).replace(folder / name)
    flush_folder(folder)
    shutil.rmtree(ready, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Complete what killed processes had decided, and remove what they had not."""
    for ready in _hidden(folder, _READY):
        _complete(ready)
    for stage in _hidden(folder, _PARTIAL):
        lock = _locked(stage)
        if lock is not None:
            os.close(lock)
        if lock is not None or time.time() - stage.stat().st_mtime > _DAY:
            shutil.rmtree(stage, ignore_errors=True)


def _hidden(folder: Path, ending: str) -> list[Path]:
    """Hidden folders of runs, the oldest first."""
    found = []
    for one in folder.glob(f"{_PREFIX}*{ending}"):
        with suppress(OSError):
            found.append((one.stat().st_mtime_ns, one))
    return [one for _, one in sorted(found)]


def _noted(ready: Path, what: str) -> list[str]:
    """Names of files in the journal of a hidden folder; nothing that would lead out of the folder."""
    noted = _json(ready / _JOURNAL).get(what)
    names = [os.fsdecode(unquote_to_bytes(name)) for name in noted if isinstance(name, str)] if isinstance(noted, list) else []
    return [name for name in names if Path(name).name == name and not name.startswith(".")]


def _quoted(names: Sequence[str]) -> list[str]:
    """Names of files, to the byte: those that are not UTF-8 cannot be written as JSON text."""
    return [quote(os.fsencode(name)) for name in names]


def _json(path: Path) -> dict[str, Any]:
    """A file's content; empty when there is none that can be read."""
    try:
        content = read_json(path)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locked(stage: Path) -> int | None:
    """Hold a hidden folder as long as this process lives; None when another one does, or the system cannot tell."""
    descriptor = os.open(stage / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    os.close(descriptor)
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other processes that change what lies in a folder, where the system can tell."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
