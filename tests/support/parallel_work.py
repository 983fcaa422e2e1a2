"""Work for the tests of `workflows.execution.parallel`: child processes must find it by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_brain_uad.core.progress import Progress


def square(number: int, progress: Progress) -> tuple[int, int]:
    progress.update(1.0)
    return number**2, os.getpid()


def length(data: bytes, progress: Progress) -> int:
    return len(data)


def sleep(folder: Path, progress: Progress) -> None:
    """Listens to nobody, once it has said in a file that it is at work."""
    (folder / str(os.getpid())).touch()
    time.sleep(60.0)


def at_work(given: tuple[str, Path], progress: Progress) -> str:
    """What a job can do to its process: ``what`` says, `folder` remembers between processes."""
    what, folder = given
    if what == "dies once" and not (folder / "died").exists():
        (folder / "died").touch()
        what = "dies"
    if what == "dies":
        _killed(signal.SIGKILL)
    if what == "crashes":
        _killed(signal.SIGSEGV)
    if what == "raises":
        return [what][1]
    if what == "cannot be sent":
        return lambda: what  # type: ignore[return-value]
    if what == "cannot be read":
        return Unreadable()  # type: ignore[return-value]
    if what == "asks for too much":
        return "x" * 2**60
    return what


def _killed(kind: signal.Signals) -> None:
    """A signal may reach another thread, while this one goes on for a moment."""
    os.kill(os.getpid(), kind)
    time.sleep(60.0)


class Unreadable:
    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("no number",))


def until_cancelled(folder: Path, progress: Progress) -> None:
    """Tells its process' number in a file, and takes the file away when it is cancelled."""
    file = folder / str(os.getpid())
    with _there(file):
        while True:
            progress.check()
            time.sleep(0.05)


@contextmanager
def _there(file: Path) -> Iterator[None]:
    file.touch()
    try:
        yield
    finally:
        file.unlink()


def figures_or_die(task: Any, progress: Progress) -> Any:
    """As `workflows.cohort.scan_figures.scan_figures`, but for a scan in whose midst the system ends the process."""
    from napari_brain_uad.workflows.cohort.scan_figures import scan_figures

    if task.case.name.startswith("killed"):
        _killed(signal.SIGKILL)
    return scan_figures(task, progress)


def long_text(length: int, progress: Progress) -> str:
    return "x" * length
