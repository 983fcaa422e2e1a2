"""Runs a program and ends it when whoever asked for it is gone: ``python -I _guard.py PROGRAM ARGUMENTS``.

Standard input is the lifeline: it is held open by the process that wants the program, and ends with that process however that ends. A
process of its own has to watch it, because a program of others looks at no pipe, and one that holds Python's lock lets no thread look.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def main(words: list[str]) -> int:
    """Run the program; its exit code."""
    # Ctrl+C in a terminal reaches every process in it; whoever asked for the program decides. The program inherits this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: _end(program))
    threading.Thread(target=_watch, args=(program,), daemon=True).start()
    code = program.wait()
    if code < 0:  # ended by a signal: so is this process, for who looks at its exit code
        with suppress(OSError, ValueError):  # SIGKILL has no handler to reset
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _watch(program: subprocess.Popen[bytes]) -> None:
    os.read(0, 1)  # nothing is ever written: it returns when the other end is closed
    _end(program)


def _end(program: subprocess.Popen[bytes]) -> None:
    """End the program and what it started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(program.pid, signal.SIGKILL)
        else:
            program.kill()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
