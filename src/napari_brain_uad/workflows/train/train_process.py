"""A training in a process of its own: the window stays alive, and the memory comes back when it ends.

The child is ``python -m napari_brain_uad.workflows.train.train_process JOB``. It tells what happens as lines of JSON on its standard
output, and stops, with a checkpoint, when it reads "cancel" on its standard input or when that ends: its parent is gone.
"""

from __future__ import annotations

import base64
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BrainUADError, Cancelled, InputError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...core.text import told_of
from ...io.checkpoint import checkpoint_files
from ...io.processes import end_soon
from ...training.session import CHECKPOINT_SECONDS, TrainingUpdate
from ..execution.child import Voice, own_output, start_child, why_died
from .train import is_first_process, train
from .training_data import TrainingData

_MODULE = "napari_brain_uad.workflows.train.train_process"
_GRACE_EARLY, _GRACE = 1.5, CHECKPOINT_SECONDS
"""Seconds that a cancelled child has to end by itself: before it has learned anything, and while it may have to write a checkpoint.

When its parent is gone, it has the latter.
"""


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
        NAME of the model; see `workflows.train.train.train`.
    params, training : dict
        Settings of the method and of its training that differ from the defaults.
    seed, device, devices, nodes, resume
        See `workflows.train.train.train`.
    anomalies : str
        Folder of scans with known anomalies; none when empty.
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
    anomalies: str = ""

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
        "update", "message", "left_out", "warning", and as the last one of "done", "failed", "cancelled".
    update : TrainingUpdate or None
        For "update".
    fraction : float
        Of the whole job, for "message".
    message : str
        For "message"; may be empty, when only the fraction changed. For "left_out", a scan that could not be read, and why. For
        "warning", a scan that is learned from, and what is to be known of it; `fix` says what to do.
    model : Path or None
        The model's ``.safetensors`` file, for "done".
    what, why, fix, details : str
        For "failed": what failed, why, what to do, and the traceback of what nobody foresaw.
    """

    kind: str
    update: TrainingUpdate | None = None
    fraction: float = 0.0
    message: str = ""
    model: Path | None = None
    what: str = ""
    why: str = ""
    fix: str = ""
    details: str = ""


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
        self._child, errors = start_child(_MODULE, self.job.to_json())
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
                self._events.put(self._died(*why_died(code, errors)))
        child.stdout.close()
        with suppress(OSError):
            child.stdin.close()

    def _died(self, why: str, memory: bool) -> TrainingEvent:
        if self._cancelled_at is not None:
            return TrainingEvent("cancelled")
        fix = "Resume it from its checkpoint; if it happens again, report this as a defect"
        if memory:
            fix = "Choose smaller batches or slices, close other programs, and resume it from its checkpoint"
        return TrainingEvent("failed", what="The training stopped unexpectedly", why=why, fix=fix)


class _Voice(Voice):
    def update(self, update: TrainingUpdate) -> None:
        """What `train` reports."""
        pictures = None
        if update.pictures is not None:
            pictures = {name: _packed(values) for name, values in update.pictures.items()}
        self.say("update", update={**asdict(replace(update, pictures=None)), "pictures": pictures})


def _packed(pictures: NDArray[np.float32]) -> dict[str, Any]:
    return {"shape": pictures.shape, "data": base64.b64encode(pictures.astype("<f2").tobytes()).decode()}


def _unpacked(packed: Mapping[str, Any]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(packed["data"]), "<f2").reshape(packed["shape"]).astype(np.float32)


def _event(line: bytes) -> TrainingEvent:
    told: Mapping[str, Any] = json.loads(line)
    if told["kind"] == "update":
        values = dict(told["update"])
        pictures = values.pop("pictures")
        if pictures is not None:
            pictures = {name: _unpacked(packed) for name, packed in pictures.items()}
        return TrainingEvent("update", update=TrainingUpdate(**values, pictures=pictures))
    if told["kind"] == "done":
        return TrainingEvent("done", model=Path(told["model"]))
    return TrainingEvent(**{name: value for name, value in told.items() if name != "error"})


def main(job_text: str) -> int:
    """Run a job in this process, the child; its exit code."""
    events = own_output()
    job = TrainingJob.from_json(job_text)
    # Of several processes, which Fabric starts from this one with the same command, the first listens and speaks.
    first = is_first_process(job.devices * job.nodes)
    voice = _Voice(events if first else None)
    progress = voice.progress
    if first:
        threading.Thread(target=_listen, args=(progress,), name="parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches parent and child; the parent decides
    signal.signal(signal.SIGTERM, lambda *_: progress.cancel())
    try:
        outcome = isolated(
            lambda: train(
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
                on_failure=lambda name, error: voice.say("left_out", message=told_of(name, error)),
                on_warning=lambda name, finding: voice.say("warning", message=f"{name}: {finding.message}", fix=finding.fix),
                anomalies=job.anomalies or None,
            )
        )
    except Cancelled as error:
        voice.say("cancelled")
        return error.exit_code
    if isinstance(outcome, BrainUADError):
        return voice.failed(outcome)
    voice.say("done", model=str(checkpoint_files(Path(job.out))[0]))
    return 0


def _listen(progress: Progress) -> None:
    """Cancel when told so, or when the parent is gone."""
    sys.stdin.readline()
    end_soon(progress, _GRACE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
