"""A training in a process of its own: the window stays alive, and the memory comes back when it ends.

The child is ``python -m napari_brain_uad.workflows.train_process JOB``. It tells what happens as lines of JSON on its standard output,
and stops, with a checkpoint, when it reads "cancel" on its standard input or when that ends: its parent is gone.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..core.errors import BrainUADError, Cancelled, DeviceError, InputError
from ..core.progress import Progress
from ..io.checkpoint import checkpoint_files
from ..training.session import TrainingUpdate
from .train import is_first_process, train
from .training_data import TrainingData

_MODULE = "napari_brain_uad.workflows.train_process"
_GRACE_EARLY, _GRACE, _LAST_RESORT = 1.5, 30.0, 120.0
"""Seconds that a cancelled child has to end by itself: before it has learned anything, while it may have to write a checkpoint, and
when its parent is gone."""


@dataclass(frozen=True)
class TrainingJob:
    """What to train, as plain data.

    Parameters
    ----------
    method : str
        A trainable method's id.
    data : TrainingData
        Healthy scans.
    out : str
        NAME of the model; see `workflows.train.train`.
    params, training : dict
        Settings of the method and of its training that differ from the defaults.
    seed, device, devices, nodes, resume
        See `workflows.train.train`.
    """

    method: str
    data: TrainingData
    out: str
    params: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    resume: bool = False

    def to_json(self) -> str:
        """The job as one line of JSON."""
        return json.dumps({**asdict(self), "data": self.data.as_dict()})

    @classmethod
    def from_json(cls, text: str) -> TrainingJob:
        """The inverse of `to_json`.

        Raises
        ------
        InputError
            If it is no job.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, "data": TrainingData.from_dict(values["data"])})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                "This is no training job", why=str(error), fix="Start the training from the window or with brain-uad train"
            ) from error


@dataclass(frozen=True, eq=False)
class TrainingEvent:
    """Something a training says.

    Parameters
    ----------
    kind : str
        "update", "message", and as the last one of "done", "failed", "cancelled".
    update : TrainingUpdate or None
        For "update".
    fraction : float
        Of the whole job, for "message".
    message : str
        For "message"; may be empty, when only the fraction changed.
    model : Path or None
        The model's ``.safetensors`` file, for "done".
    what, why, fix : str
        For "failed": what failed, why, and what to do.
    """

    kind: str
    update: TrainingUpdate | None = None
    fraction: float = 0.0
    message: str = ""
    model: Path | None = None
    what: str = ""
    why: str = ""
    fix: str = ""


class TrainingProcess:
    """A training in a child process.

    Parameters
    ----------
    job : TrainingJob
        What to train. To pause, cancel; to go on, start another one with the same job and ``resume=True``.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self._child: subprocess.Popen[bytes] | None = None
        self._events: queue.SimpleQueue[TrainingEvent] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._cancelled_at: float | None = None
        self._learning = False

    def start(self) -> None:
        """Start the child; once only."""
        # On a busy machine, threads that spin while they wait keep those they wait for from running: steps a hundred times as long.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - the reader closes it
        self._child = subprocess.Popen(
            [sys.executable, "-m", _MODULE, self.job.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._events.put(TrainingEvent("message", message="Starting a process for the training"))
        self._reader = threading.Thread(target=self._read, args=(self._child, errors), name="training events", daemon=True)
        self._reader.start()

    def poll(self) -> list[TrainingEvent]:
        """What was said since the last call; returns at once."""
        if self._cancelled_at is not None and self._child is not None and self.alive:
            grace = _GRACE if self._learning else _GRACE_EARLY
            if time.monotonic() - self._cancelled_at > grace:
                self._child.kill()
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def cancel(self) -> None:
        """Ask the child to stop, which takes it up to two seconds; what it has learned is in its checkpoint."""
        if self._child is None or self._child.stdin is None or self._cancelled_at is not None:
            return
        self._cancelled_at = time.monotonic()
        with suppress(OSError, ValueError):
            self._child.stdin.write(b"cancel\n")
            self._child.stdin.flush()

    @property
    def alive(self) -> bool:
        """Whether there is more to come; when it is False, the last event can be had with `poll`."""
        return self._reader is not None and self._reader.is_alive()

    def _read(self, child: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        assert child.stdout is not None
        assert child.stdin is not None
        ended = False
        with errors:
            for line in child.stdout:
                event = _event(line)
                self._learning = self._learning or event.kind == "update"
                ended = ended or event.kind in ("done", "failed", "cancelled")
                self._events.put(event)
            code = child.wait()
            if not ended:
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines()
                self._events.put(self._died(code, said[-1] if said else ""))
        child.stdout.close()
        with suppress(OSError):
            child.stdin.close()

    def _died(self, code: int, said: str) -> TrainingEvent:
        if self._cancelled_at is not None:
            return TrainingEvent("cancelled")
        if code == -getattr(signal, "SIGKILL", 9):
            why = "the system ended it, most likely because memory ran out"
            fix = "Choose smaller batches or slices, close other programs, and resume it from its checkpoint"
        else:
            why = said or f"it ended with code {code}"
            fix = "Resume it from its checkpoint; if it happens again, report this as a defect"
        return TrainingEvent("failed", what="The training stopped unexpectedly", why=why, fix=fix)


class _Voice:
    """The child's end: says events, one line each, for as long as somebody listens."""

    def __init__(self, stream: IO[str] | None, progress: Progress) -> None:
        self._stream, self._progress = stream, progress
        self._last = 0.0
        self._lock = threading.Lock()

    def say(self, kind: str, **more: Any) -> None:
        if self._stream is None:
            return
        try:
            with self._lock:
                self._stream.write(json.dumps({"kind": kind, **more}) + "\n")
                self._stream.flush()
        except OSError:
            self._stream = None
            self._progress.cancel()

    def hear(self, fraction: float, message: str) -> None:
        """A `core.progress.Listener`."""
        now = time.monotonic()
        if message or now - self._last > 0.2:
            self._last = now
            self.say("message", fraction=fraction, message=message)

    def update(self, update: TrainingUpdate) -> None:
        """What `train` reports."""
        pictures = None
        if update.pictures is not None:
            data = base64.b64encode(update.pictures.astype("<f2").tobytes()).decode()
            pictures = {"shape": update.pictures.shape, "data": data}
        self.say("update", update={**asdict(replace(update, pictures=None)), "pictures": pictures})


def _event(line: bytes) -> TrainingEvent:
    told: Mapping[str, Any] = json.loads(line)
    if told["kind"] == "update":
        values = dict(told["update"])
        pictures = values.pop("pictures")
        if pictures is not None:
            array = np.frombuffer(base64.b64decode(pictures["data"]), "<f2").reshape(pictures["shape"])
            pictures = array.astype(np.float32)
        return TrainingEvent("update", update=TrainingUpdate(**values, pictures=pictures))
    if told["kind"] == "done":
        return TrainingEvent("done", model=Path(told["model"]))
    return TrainingEvent(**told)


def main(job_text: str) -> int:
    """Run a job in this process, the child; its exit code."""
    # What libraries print must not get between the events.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    progress = Progress(lambda fraction, message: voice.hear(fraction, message))
    job = TrainingJob.from_json(job_text)
    # Of several processes, which Fabric starts from this one with the same command, the first listens and speaks.
    first = is_first_process(job.devices * job.nodes)
    voice = _Voice(events if first else None, progress)
    if first:
        threading.Thread(target=_listen, args=(progress,), name="parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches parent and child; the parent decides
    signal.signal(signal.SIGTERM, lambda *_: progress.cancel())
    try:
        train(
            job.method,
            job.data,
            params=job.params,
            training=job.training,
            seed=job.seed,
            out=job.out,
            resume=job.resume,
            device=job.device,
            devices=job.devices,
            nodes=job.nodes,
            report=voice.update,
            progress=progress,
        )
    except Cancelled as error:
        voice.say("cancelled")
        return error.exit_code
    except MemoryError:
        return _failed(
            voice, DeviceError("The training ran out of memory", fix="Use fewer scans or smaller slices, or close other programs")
        )
    except BrainUADError as error:
        return _failed(voice, error)
    voice.say("done", model=str(checkpoint_files(Path(job.out))[0]))
    return 0


def _failed(voice: _Voice, error: BrainUADError) -> int:
    voice.say("failed", what=error.what, why=error.why, fix=error.fix)
    return error.exit_code


def _listen(progress: Progress) -> None:
    """Cancel when told so, or when the parent is gone."""
    sys.stdin.readline()
    progress.cancel()
    time.sleep(_LAST_RESORT)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
