"""Programs end with the block that runs them and with the process that wants them, and tell how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from interrupted import MARK, running

from napari_brain_uad.io.processes import guarded, unreached_by_ctrl_c

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")

_SLEEP = "import time; time.sleep(60)"
_CHILD_AND_GRANDCHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEP!r}]); {_SLEEP}"


def wait_until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("code", "ends"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9), ("print('said')", 0)])
def test_the_guard_ends_as_its_program_does(code: str, ends: int, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, guarded([sys.executable, "-c", code], output=log, cwd=tmp_path) as program:
        assert program.wait(30) == ends
    assert (tmp_path / "log").read_text() == ("said\n" if ends == 0 else "")


def test_leaving_the_block_ends_the_program_and_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "left block")
    with suppress(ZeroDivisionError), guarded([sys.executable, "-c", _CHILD_AND_GRANDCHILD], output=subprocess.DEVNULL):
        wait_until(lambda: len(running("left block")) == 3)
        raise ZeroDivisionError
    wait_until(lambda: not running("left block"), 5)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_is_killed_takes_all_with_it(kind: signal.Signals) -> None:
    script = (
        "import subprocess, sys\nfrom napari_brain_uad.io.processes import guarded\n"
        f"with guarded([sys.executable, '-c', {_CHILD_AND_GRANDCHILD!r}], output=subprocess.DEVNULL) as program:\n    program.wait()\n"
    )
    mark = f"killed parent {kind.name}"
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, MARK: mark})
    wait_until(lambda: len(running(mark)) == 4)
    parent.send_signal(kind)
    parent.wait()
    wait_until(lambda: not running(mark), 5)


def test_ctrl_c_does_not_reach_what_is_started_within() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with unreached_by_ctrl_c():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.kill()
    child.wait()
