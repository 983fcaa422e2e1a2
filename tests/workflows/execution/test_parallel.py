from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dask_cluster import with_support
from parallel_work import at_work, long_text, sleep, square, until_cancelled
from promptness import assert_within

from napari_brain_uad.core.errors import Cancelled, DeviceError, InternalError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.workflows.execution.packed import LARGE_BYTES, unpacked
from napari_brain_uad.workflows.execution.parallel import in_processes

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def test_results_come_in_order_from_other_processes() -> None:
    here = in_processes(square, [3, 1, 2], 1)
    assert here == [(9, os.getpid()), (1, os.getpid()), (4, os.getpid())]
    assert in_processes(square, [], 4) == []
    there = in_processes(square, [3, 1, 2], 2)
    assert [value for value, _ in there] == [9, 1, 4]
    assert os.getpid() not in {process for _, process in there}


def test_cancelling_ends_processes_that_work_and_look_at_nothing(tmp_path: Path) -> None:
    progress, start = Progress(), time.monotonic()

    def both() -> bool:
        nonlocal start
        start = time.monotonic()
        return len(list(tmp_path.iterdir())) == 2

    with pytest.raises(Cancelled):
        in_processes(sleep, [tmp_path] * 2, 2, _cancelled_when(progress, both))
    assert_within(time.monotonic() - start, 5.0)
    children = [int(file.name) for file in tmp_path.iterdir()]
    assert len(children) == 2
    assert not any(map(_runs, children))


def test_cancelling_lets_processes_clean_up(tmp_path: Path) -> None:
    progress = Progress()
    with pytest.raises(Cancelled):
        # Two at work, which tell their numbers in files; a third that waits for its turn.
        in_processes(until_cancelled, [tmp_path] * 3, 2, _cancelled_when(progress, lambda: len(list(tmp_path.iterdir())) == 2))
    assert list(tmp_path.iterdir()) == []


def _cancelled_when(progress: Progress, what: Callable[[], bool]) -> Progress:
    def look() -> None:
        while not what():
            time.sleep(0.02)
        progress.cancel()

    threading.Thread(target=look, daemon=True).start()
    return progress


@needs_signals
def test_what_kills_its_process_costs_one_job_and_is_tried_twice(tmp_path: Path) -> None:
    given = [
        "fine",
        "dies",
        "dies once",
        "crashes",
        "fine",
        "raises",
        "cannot be sent",
        "cannot be read",
        "asks for too much",
        "fine",
    ]
    start = time.monotonic()
    outcomes = dict(zip(given, in_processes(at_work, [(what, tmp_path) for what in given], 3), strict=False))
    assert_within(time.monotonic() - start, 30.0)
    assert outcomes["fine"] == "fine"
    assert outcomes["dies once"] == "dies once"
    for what, why in {"dies": "memory ran out", "crashes": "SIGSEGV"}.items():
        assert isinstance(outcomes[what], DeviceError), what
        assert why in str(outcomes[what])
    assert isinstance(outcomes["asks for too much"], DeviceError)
    for what, why in {"raises": "IndexError", "cannot be sent": "at_work", "cannot be read": "no number"}.items():
        error = outcomes[what]
        assert isinstance(error, InternalError), what
        assert why in str(error)
        assert "Traceback" in error.details
        assert "Traceback" not in str(error)


@needs_signals
def test_in_one_process_what_fails_costs_one_job_too(tmp_path: Path) -> None:
    outcomes = in_processes(at_work, [("raises", tmp_path), ("asks for too much", tmp_path), ("fine", tmp_path)], 1)
    assert [type(one) for one in outcomes] == [InternalError, DeviceError, str]


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """Processes do not run the script again, as those of `multiprocessing` do, and its own functions can be sent."""
    script = tmp_path / "script.py"
    script.write_text(
        "from napari_brain_uad.workflows.execution.parallel import in_processes\n"
        "def twice(number, progress):\n    return 2 * number\n"
        "print(in_processes(twice, [1, 2], 2))\n"
    )
    done = subprocess.run([sys.executable, script], env=with_support(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


@needs_signals
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_their_parent(tmp_path: Path, kind: signal.Signals) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom napari_brain_uad.workflows.execution.parallel import in_processes\n"
        "from parallel_work import until_cancelled\n"
        "if __name__ == '__main__':\n    in_processes(until_cancelled, [Path(sys.argv[1])] * 2, 2)\n"
    )
    (tmp_path / "files").mkdir()
    program = tmp_path / "program.py"
    program.write_text(script)
    parent = subprocess.Popen([sys.executable, program, tmp_path / "files"], env=with_support())
    _wait_until(lambda: len(list((tmp_path / "files").iterdir())) == 2, 60)
    children = [int(file.name) for file in (tmp_path / "files").iterdir()]
    parent.send_signal(kind)
    parent.wait()
    # Each has cleaned up before it went.
    _wait_until(lambda: not list((tmp_path / "files").iterdir()), 5)
    _wait_until(lambda: not any(map(_runs, children)), 5)


def _wait_until(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.is_file() or "State:\tZ" not in status.read_text()


def test_a_result_that_cannot_be_fetched_costs_one_more_try(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    asked: list[str] = []

    class Deaf(distributed.Future):  # type: ignore[misc]
        """As if gathering the second result had ended without a word."""

        def result(self, timeout: float | None = None) -> object:
            asked.append(self.key[-2:])
            if self.key.endswith("-2"):
                raise TimeoutError
            return super().result(timeout)

    monkeypatch.setattr("distributed.client.Future", Deaf)
    assert [value for value, _ in in_processes(square, [3, 1, 2], 2)] == [9, 1, 4]
    assert sorted(asked) == ["-1", "-2", "-3", "-4"]
    monkeypatch.setattr(Deaf, "result", lambda *_, **__: (_ for _ in ()).throw(TimeoutError()))
    with pytest.raises(DeviceError, match="was lost"):
        in_processes(square, [1, 2], 2)


def test_a_worker_that_was_told_to_end_costs_one_more_try(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    class Ended(distributed.Future):  # type: ignore[misc]
        def result(self, timeout: float | None = None) -> object:
            return b"" if self.key.endswith("-2") else super().result(timeout)

    monkeypatch.setattr("distributed.client.Future", Ended)
    assert [value for value, _ in in_processes(square, [3, 1, 2], 2)] == [9, 1, 4]


def test_a_worker_that_dies_once_its_result_was_fetched_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    class Forgotten(distributed.Future):  # type: ignore[misc]
        """As if the worker of each result died right after it had handed it over: Dask sets out to do the job once more."""

        fetched = False

        @property
        def status(self) -> str:
            return "pending" if self.fetched else str(super().status)

        def result(self, timeout: float | None = None) -> object:
            value = super().result(timeout)
            self.fetched = True
            return value

    monkeypatch.setattr("distributed.client.Future", Forgotten)
    assert [value for value, _ in in_processes(square, [3, 1, 2], 2)] == [9, 1, 4]


def test_large_results_come_through_files_that_are_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes | str] = []

    def watched(one: bytes | str) -> object:
        told.append(one)
        return unpacked(one)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("napari_brain_uad.workflows.execution.parallel.unpacked", watched)
    assert in_processes(long_text, [10, LARGE_BYTES], 2) == ["x" * 10, "x" * LARGE_BYTES]
    (path,) = (one for one in told if isinstance(one, str))
    assert tmp_path in Path(path).parents
    assert list(tmp_path.glob("brain-uad-*")) == []
