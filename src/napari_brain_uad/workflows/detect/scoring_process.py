"""Scoring in a process of its own, which stays for a while for the next scan.

The child is ``python -m napari_brain_uad.workflows.detect.scoring_process``. Jobs come as lines of JSON on its standard input, scans
and maps go through files in a folder that lives as long as the job; "cancel" cancels the job at work. It ends when its standard
input does, or when nothing was asked of it for five minutes.
"""

from __future__ import annotations

import atexit
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...core.checks import Finding
from ...core.errors import Cancelled, DeviceError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...core.volume import Grid, Source, Volume
from ...io.entries import DamagedEntryError, read_entry, write_entry
from ...io.folders import temporary_folder
from ...io.processes import end_soon
from ..execution.child import Voice, own_output, start_child, told_error, why_died
from .map_cache import scored_here
from .score import ScoringRequest, load_detector
from .scored_map import ScoredMap, as_entry, from_entry

_MODULE = "napari_brain_uad.workflows.detect.scoring_process"
_IDLE = 300.0
"""Seconds without work after which the child ends and gives its memory back."""
_LOOK = 0.1
_GRACE = 1.0
"""Seconds that a cancelled job has to end by itself; then the process is ended."""
_LAST_RESORT = 3.0
"""Seconds that the child has to end by itself when its parent is gone."""
_SCAN, _MAP = "scan.npz", "map.entry"


class ScoringProcess:
    """The parent's end: one child, one job at a time. Safe to use from several threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._jobs = 0

    def score(self, request: ScoringRequest, volume: Volume, progress: Progress) -> ScoredMap:
        """The map of `volume`, as `score_volume.scored_volume` gives it.

        Raises
        ------
        BrainUADError
            As raised in the child; DeviceError if the child ends before it is done.
        """
        with self._my_turn(progress), temporary_folder() as folder:
            _write_scan(folder / _SCAN, volume)
            self._ask({"folder": str(folder), "request": request.as_dict()}, progress)
            try:
                entry = read_entry(folder / _MAP, _MAP)
            except (OSError, DamagedEntryError):
                fix = "Free disk space, and try again"
                raise DeviceError("The map did not arrive", why="its file is missing or damaged", fix=fix) from None
        return from_entry(entry, volume)

    def load(self, request: ScoringRequest, progress: Progress) -> None:
        """Have the child load a model, to see whether it can; raises as `score.load_detector`."""
        with self._my_turn(progress):
            self._ask({"folder": None, "request": request.as_dict()}, progress)

    def close(self) -> None:
        """End the child."""
        child, reader = self._child, self._reader
        if child is not None and child.stdin is not None:
            with suppress(OSError):
                child.stdin.close()
            child.kill()
        if reader is not None:
            reader.join()
        self._child = self._reader = None

    @contextmanager
    def _my_turn(self, progress: Progress) -> Iterator[None]:
        while not self._turn.acquire(timeout=_LOOK):
            progress.update(0.0, "Waiting for another run to end")
        try:
            yield
        finally:
            self._turn.release()

    def _ask(self, told: dict[str, Any], progress: Progress) -> None:
        """Give the child one job and wait for its end."""
        for last in (False, True):
            if self._reader is None or not self._reader.is_alive():
                progress.update(0.0, "Starting a process for learned methods")
                self._start()
            self._jobs += 1
            self._send({**told, "number": self._jobs})
            event = self._wait(progress)
            # A child may end for lack of work just as it is asked; it then has said nothing about the job.
            if event["kind"] == "ended" and not event["begun"] and not last:
                continue
            break
        if event["kind"] == "failed":
            raise told_error(event)
        if event["kind"] == "cancelled":
            raise Cancelled()
        if event["kind"] == "ended":
            fix = "Close other programs, or choose the CPU or smaller slices" if event["memory"] else "If it happens again, report this"
            raise DeviceError("The method stopped unexpectedly", why=event["why"], fix=fix)

    def _wait(self, progress: Progress) -> dict[str, Any]:
        """The event that ends the job; progress is passed on meanwhile."""
        begun, cancelled_at = False, None
        while True:
            try:
                event = self._events.get(timeout=_LOOK)
            except queue.Empty:
                event = {"kind": "nothing"}
            if event["kind"] == "ended":
                return {"kind": "cancelled"} if cancelled_at is not None else event | {"begun": begun}
            if event["kind"] != "nothing" and event["number"] == self._jobs:
                begun = True
                if event["kind"] != "message":
                    return {"kind": "cancelled"} if cancelled_at is not None else event
                if cancelled_at is None and not progress.cancelled:
                    with suppress(Cancelled):
                        progress.update(event["fraction"], event["message"])
            if progress.cancelled and cancelled_at is None:
                cancelled_at = time.monotonic()
                self._send("cancel")
            if cancelled_at is not None and time.monotonic() - cancelled_at > _GRACE and self._child is not None:
                self._child.kill()

    def _start(self) -> None:
        self.close()
        self._events = queue.SimpleQueue()
        self._child, errors = start_child(_MODULE)
        self._reader = threading.Thread(target=_read, args=(self._child, errors, self._events), name="scoring events", daemon=True)
        self._reader.start()

    def _send(self, told: object) -> None:
        # A child that is gone is found out by its reader.
        with suppress(OSError, ValueError):
            if self._child is not None and self._child.stdin is not None:
                self._child.stdin.write(json.dumps(told).encode() + b"\n")
                self._child.stdin.flush()


_PROCESS = ScoringProcess()
atexit.register(_PROCESS.close)


def scored_apart(request: ScoringRequest, volume: Volume, progress: Progress) -> ScoredMap:
    """`ScoringProcess.score` in the one process that there is for it."""
    return _PROCESS.score(request, volume, progress)


def load_apart(method: str, model: Path, progress: Progress) -> None:
    """See whether a model loads, without importing torch into this process; raises as `score.load_detector`."""
    _PROCESS.load(ScoringRequest.of(method, model=model), progress)


def _read(child: subprocess.Popen[bytes], errors: IO[bytes], events: queue.SimpleQueue[dict[str, Any]]) -> None:
    assert child.stdout is not None
    assert child.stdin is not None
    with errors, child.stdout:
        for line in child.stdout:
            events.put(json.loads(line))
        why, memory = why_died(child.wait(), errors)
    with suppress(OSError):
        child.stdin.close()
    events.put({"kind": "ended", "why": why, "memory": memory})


def _write_scan(path: Path, volume: Volume) -> None:
    source = volume.source
    about = {
        "grid": volume.grid.as_dict(),
        "name": volume.name,
        "sequence": [volume.sequence, volume.sequence_origin],
        "findings": [finding.as_dict() for finding in volume.findings],
        "source": None if source is None else {**asdict(source), "grid": source.grid.as_dict(), "path": None, "patient": ""},
    }
    arrays = {"data": volume.data, "about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    if volume.mask is not None:
        arrays["mask"] = volume.mask
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes its own flag for an array


def _read_scan(path: Path) -> Volume:
    with np.load(path, allow_pickle=False) as kept:
        arrays = dict(kept)
    about = json.loads(arrays["about"].tobytes())
    source = about["source"]
    volume = Volume(
        arrays["data"],
        Grid.from_dict(about["grid"]),
        about["name"],
        arrays.get("mask"),
        source=None if source is None else Source(**{**source, "grid": Grid.from_dict(source["grid"])}),
        findings=tuple(Finding(**finding) for finding in about["findings"]),
    )
    return volume.with_sequence(*about["sequence"])


def main() -> int:
    """Do jobs in this process, the child, until there are no more."""
    events = own_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches parent and child; the parent decides
    jobs: queue.SimpleQueue[tuple[dict[str, Any], Voice] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, events, jobs), name="parent", daemon=True).start()
    while True:
        try:
            found = jobs.get(timeout=_IDLE)
        except queue.Empty:
            return 0
        if found is None:
            return 0
        told, voice = found
        try:
            error = isolated(partial(_work, told, voice.progress))
        except Cancelled:
            voice.say("cancelled")
            continue
        if error is None:
            voice.say("done")
        else:
            voice.failed(error)


def _work(told: dict[str, Any], progress: Progress) -> None:
    request = ScoringRequest.from_dict(told["request"])
    progress.update(0.0, "Loading the model")
    if told["folder"] is None:
        load_detector(request.spec.method, model=request.spec.model or None)
        return
    folder = Path(told["folder"])
    scored = scored_here(_read_scan(folder / _SCAN), request, progress)
    write_entry(folder / _MAP, _MAP, as_entry(scored))


def _listen(stream: IO[str], events: IO[str], jobs: queue.SimpleQueue[tuple[dict[str, Any], Voice] | None]) -> None:
    """Take jobs and "cancel" until the parent is gone; each job is cancelled by the progress of its own voice."""
    latest = Progress()
    for line in stream:
        told = json.loads(line)
        if told == "cancel":
            latest.cancel()
            continue
        voice = Voice(events, number=told["number"])
        latest = voice.progress
        jobs.put((told, voice))
    jobs.put(None)
    end_soon(latest, _LAST_RESORT)


if __name__ == "__main__":
    sys.exit(main())
