"""A command that is interrupted after a while, and what is left of it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

MARK = "BRAIN_UAD_TEST_RUN"
"""An environment variable; it is inherited by whatever a command starts."""

_LONGEST = 300.0
"""Seconds until the signal, whatever was computed."""


@dataclass(frozen=True)
class Left:
    """What became of a command.

    Parameters
    ----------
    code : int
        Its exit code.
    seconds : float
        From the signal to its end.
    said : str
        Its standard error.
    survivors : tuple of str
        Command lines of its processes that still ran 5 s after its end.
    broken : tuple of str
        Files under the folder of results, or left in the folder for temporary ones, that are not whole or nobody's. After a SIGKILL
        those do not count that the next run clears away.
    """

    code: int
    seconds: float
    said: str
    survivors: tuple[str, ...]
    broken: tuple[str, ...]


def interrupted(words: Sequence[str], after: float, kind: signal.Signals, out: Path) -> Left:
    """Run ``brain-uad WORDS`` and send a signal: SIGINT to all its processes, as a terminal does, others to it alone.

    Parameters
    ----------
    words : sequence of str
        The command.
    after : float
        Seconds of computing of all its processes together until the signal comes: a busy machine gets it at the same work.
    kind : signal.Signals
        Which.
    out : Path
        Its folder of results.
    """
    mark = secrets.token_hex(8)
    temporary = out.parent / f"tmp-{mark}"
    temporary.mkdir()
    environment = {**os.environ, MARK: mark, "TMPDIR": str(temporary), "BRAIN_UAD_CACHE": str(temporary / "cache")}
    command = [sys.executable, "-m", "napari_brain_uad.cli", *words]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + _LONGEST
    while _computed(mark) < after and time.monotonic() < deadline:
        if child.poll() is not None:
            return Left(child.returncode, 0.0, child.communicate()[1], (), ())
        time.sleep(0.05)
    start = time.monotonic()
    if kind == signal.SIGINT:
        os.killpg(child.pid, kind)
    else:
        child.send_signal(kind)
    said = child.communicate(timeout=60)[1]
    seconds = time.monotonic() - start
    deadline = time.monotonic() + 5.0
    while (survivors := running(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in survivors:
        os.kill(pid, signal.SIGKILL)
    killed = kind == signal.SIGKILL
    broken = _broken(out, staged=not killed)
    if not killed:
        broken += [path.name for path in temporary.iterdir() if path.name.startswith("brain-uad-")]
    return Left(child.returncode, seconds, said, tuple(survivors.values()), tuple(broken))


def _computed(mark: str) -> float:
    """Seconds that the processes with the mark have computed so far."""
    ticks = 0
    for number in running(mark):
        with suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def running(mark: str) -> dict[int, str]:
    """Processes that were started with the mark in their environment: their command lines by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes() and "State:\tZ" not in (folder / "status").read_text():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def _broken(out: Path, *, staged: bool) -> list[str]:
    """Files that are not whole; with `staged` also what a run has not cleared away, which the next run does after a SIGKILL."""
    files = {path: any(part.startswith(".") for part in path.relative_to(out).parts) for path in sorted(out.rglob("*")) if path.is_file()}
    return [path.name for path, hidden in files.items() if (staged if hidden else not _whole(path))]


def _whole(path: Path) -> bool:
    try:
        if path.name.endswith(".nii.gz"):
            np.asarray(nib.load(path).dataobj)
        elif path.suffix == ".json":
            json.loads(path.read_text())
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError):
        return False
    return path.stat().st_size > 0
