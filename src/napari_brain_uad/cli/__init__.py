"""The command line: thin, over `workflows`.

This module imports nothing heavy: a signal may come while Python imports what a command needs, and the handlers have to be there before.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
_CANCELLED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one sentence on standard error.

    Parameters
    ----------
    argv : sequence of str, optional
        The command's words. Without it those of the program, which ends afterwards: signals then find nothing at work any more.
    """
    ended: list[int] = []

    def end(number: int, _: object) -> None:
        """Before the command has begun or after it is done there is nothing to tidy up, and nothing to raise an exception in."""
        if ended:
            os._exit(ended[0])
        os.write(2, b"brain-uad: Cancelled.\n")
        os._exit(128 + number if number == signal.SIGTERM else _CANCELLED)

    before = {}
    try:
        # What is ignored stays ignored, as under nohup.
        for kind in (kind for kind in _KINDS if signal.getsignal(kind) is not signal.SIG_IGN):
            before[kind] = signal.signal(kind, end)
    except ValueError:  # another thread than the main one takes no signals
        pass
    try:
        from .commands import run

        ended.append(run(argv))
    finally:
        if argv is not None:
            for kind, handler in before.items():
                signal.signal(kind, handler)
    return ended[0]


def bids_main() -> int:
    """The program ``brain-uad-bids``, which is ``brain-uad bids`` by the name that a BIDS App has."""
    sys.argv.insert(1, "bids")
    return main()
