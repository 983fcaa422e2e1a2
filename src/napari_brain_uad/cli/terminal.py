"""What commands write to the terminal: lines, and a progress bar that stays out of pipes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.progress import Progress
from .interruption import interruption


def say(text: str) -> None:
    """One line (or more) on standard output."""
    sys.stdout.write(f"{text}\n")


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on standard error, silent when quiet or when standard error is not a terminal; Ctrl+C cancels its progress."""
    from tqdm import tqdm

    form = "{desc:<42.42} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, bar_format=form, disable=True if quiet else None, leave=False) as bar:

        def listen(fraction: float, message: str) -> None:
            if message:
                bar.set_description_str(message, refresh=False)
            bar.update(max(fraction - bar.n, 0.0))

        progress = Progress(listen)
        with interruption.cancelling(progress):
            yield progress
