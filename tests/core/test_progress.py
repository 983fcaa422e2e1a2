"""Progress, cancelling from another thread, and the time that is left."""

from __future__ import annotations

import threading
import time

import pytest

from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Eta, Progress


def test_reports() -> None:
    heard: list[tuple[float, str]] = []
    progress = Progress(lambda fraction, message: heard.append((fraction, message)))
    progress.update(0.25, "a")
    progress.update(1.5)
    progress.update(-1.0)
    assert heard == [(0.25, "a"), (1.0, ""), (0.0, "")]


def test_parts_of_parts() -> None:
    heard: list[float] = []
    whole = Progress(lambda fraction, _: heard.append(fraction))
    second = whole.part(0.5, 1.0)
    inner = second.part(0.0, 0.5)
    for job in (whole, second, inner):
        job.update(0.0)
        job.update(1.0)
    assert heard == pytest.approx([0.0, 1.0, 0.5, 1.0, 0.5, 0.75])


@pytest.mark.parametrize("who", ["whole", "part"])
def test_cancel_reaches_every_part(who: str) -> None:
    whole = Progress()
    part = whole.part(0.0, 0.5).part(0.2, 0.3)
    (whole if who == "whole" else part).cancel()
    for job in (whole, part):
        assert job.cancelled
        with pytest.raises(Cancelled):
            job.update(0.5)
        with pytest.raises(Cancelled):
            job.check()


def test_nothing_is_reported_after_cancelling() -> None:
    heard: list[float] = []
    progress = Progress(lambda fraction, _: heard.append(fraction))
    progress.cancel()
    with pytest.raises(Cancelled):
        progress.update(0.5)
    assert heard == []


def test_cancel_from_another_thread() -> None:
    progress = Progress()
    ended = threading.Event()

    def work() -> None:
        try:
            while True:
                progress.check()
                time.sleep(0.001)
        except Cancelled:
            ended.set()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    progress.cancel()
    assert ended.wait(2.0)
    worker.join()


def test_eta(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    eta = Eta()
    assert eta.remaining(0.5) is None  # too early to tell
    now = 110.0
    assert eta.remaining(0.01) is None  # too little done
    assert eta.remaining(0.25) == pytest.approx(30.0)
    assert eta.remaining(1.0) == 0.0
