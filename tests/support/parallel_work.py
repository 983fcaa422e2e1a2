"""Work for the tests of `workflows.parallel`: child processes must find it by name."""

from __future__ import annotations

import os
import time

from napari_brain_uad.core.progress import Progress


def square(number: int, progress: Progress) -> tuple[int, int]:
    progress.update(1.0)
    return number**2, os.getpid()


def sleep(seconds: float, progress: Progress) -> None:
    time.sleep(seconds)
