"""Background jobs: everything arrives, in the main thread, once, and nothing in widgets that are gone."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time

import pytest
from promptness import assert_within
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QWidget

from napari_brain_uad.core.errors import Cancelled, DeviceError, InputError, InternalError
from napari_brain_uad.gui.app import workers


class _Heard:
    def __init__(self) -> None:
        self.done, self.errors, self.progress, self.threads = [], [], [], set()

    def on_done(self, result):
        self.threads.add(threading.current_thread())
        self.done.append(result)

    def on_error(self, error):
        self.threads.add(threading.current_thread())
        self.errors.append(error)

    def on_progress(self, fraction, message):
        self.threads.add(threading.current_thread())
        self.progress.append((fraction, message))

    @property
    def ended(self):
        return len(self.done) + len(self.errors) > 0

    def callbacks(self):
        return {"on_done": self.on_done, "on_error": self.on_error, "on_progress": self.on_progress}


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def _until_cancelled(progress):
    while True:
        progress.update(0.5, "waiting")
        time.sleep(0.005)


def test_the_result_arrives_once_in_the_main_thread(qtbot, parent):
    heard = _Heard()

    def job(progress):
        progress.update(0.5, "half")
        assert threading.current_thread() is not threading.main_thread()
        progress.update(1.0, "all")
        return 42

    started = workers.run(job, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended)
    assert heard.done == [42]
    assert heard.errors == []
    assert heard.progress[-1] == (1.0, "all")
    assert heard.threads == {threading.main_thread()}
    assert not started.running


@pytest.mark.parametrize(
    ("error", "kind", "why"),
    [
        (InputError("scan", why="it is odd"), InputError, "it is odd"),
        (ZeroDivisionError("1/0"), InternalError, "ZeroDivisionError: 1/0"),
        (MemoryError(), DeviceError, "memory"),
    ],
)
def test_errors_of_every_kind_reach_on_error_as_ours(qtbot, parent, error, kind, why):
    heard = _Heard()

    def job(progress):
        raise error

    workers.run(job, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended)
    (told,) = heard.errors
    assert type(told) is kind
    assert why in str(told)
    assert error in (told, told.__cause__)
    assert heard.done == []


def test_cancelling_ends_in_cancelled_well_within_two_seconds(qtbot, parent):
    heard = _Heard()
    job = workers.run(_until_cancelled, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: len(heard.progress) > 0)
    start = time.monotonic()
    job.cancel()
    qtbot.waitUntil(lambda: heard.ended)
    assert_within(time.monotonic() - start, 2.0)
    assert isinstance(heard.errors[0], Cancelled)


def test_a_result_that_came_after_cancelling_is_not_delivered(qtbot, parent):
    heard = _Heard()
    let_go = threading.Event()
    job = workers.run(lambda progress: let_go.wait(5), parent=parent, **heard.callbacks())
    job.cancel()
    let_go.set()
    qtbot.waitUntil(lambda: heard.ended)
    assert heard.done == []
    assert isinstance(heard.errors[0], Cancelled)


def test_destroying_the_parent_abandons_the_job(qtbot):
    heard = _Heard()
    widget = QWidget()
    job = workers.run(_until_cancelled, parent=widget, **heard.callbacks())
    qtbot.waitUntil(lambda: len(heard.progress) > 0)
    start = time.monotonic()
    widget.deleteLater()
    del widget
    qtbot.waitUntil(lambda: job not in workers._RUNNING)
    assert_within(time.monotonic() - start, 2.0)
    assert heard.done == heard.errors == []


def test_ended_jobs_are_not_kept(qtbot, parent):
    heard = _Heard()
    for _ in range(20):
        workers.run(lambda progress: 1, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: len(heard.done) == 20)
    gc.collect()
    assert not workers._RUNNING


def test_a_flood_of_progress_is_thinned_out(qtbot, parent):
    heard = _Heard()

    def job(progress):
        for step in range(20_000):
            progress.update(step / 20_000, "step")

    workers.run(job, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended)
    assert len(heard.progress) < 200


def test_after_its_first_seconds_a_job_is_heard_of_less_often(qtbot, parent, monkeypatch):
    monkeypatch.setattr(workers, "_EARLY", 0.2)
    heard = _Heard()

    def job(progress):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            progress.update(0.5, "working")
            time.sleep(0.002)

    workers.run(job, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended, timeout=5000)
    # At most 5 in the first fifth of a second, 2 in the four fifths behind it; at the pace of the beginning it would be 20.
    assert 1 <= len(heard.progress) <= 8


def test_the_window_keeps_responding_during_pure_python_work(qtbot, parent):
    heard, ticks = _Heard(), []
    timer = QTimer(parent)
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(5)

    def job(progress):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            sum(range(20_000))
            progress.check()

    workers.run(job, parent=parent, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended)
    timer.stop()
    gaps = sorted(after - before for before, after in itertools.pairwise(ticks))
    # The 95th percentile is what the machine's other load leaves alone; a stall in the main thread would move it.
    assert_within(gaps[int(0.95 * len(gaps))], 0.1)
    QApplication.processEvents()


def test_a_job_that_does_not_look_at_its_cancelling_is_left_to_itself_within_two_seconds(qtbot, parent):
    heard = _Heard()
    let_go = threading.Event()
    job = workers.run(lambda progress: let_go.wait(20), parent=parent, **heard.callbacks())
    start = time.monotonic()
    job.cancel()
    qtbot.waitUntil(lambda: heard.ended)
    assert_within(time.monotonic() - start, 2.0)
    assert isinstance(heard.errors[0], Cancelled)
    assert not job.running
    let_go.set()
    qtbot.waitUntil(lambda: job not in workers._RUNNING)
    assert len(heard.errors) == 1
    assert heard.done == []


def test_news_arrive_in_order_before_the_end_and_in_the_main_thread(qtbot, parent):
    heard, news = _Heard(), []

    def work(progress, tell):
        for number in range(20):
            tell(number)
        return "done"

    def take(number):
        assert threading.current_thread() is threading.main_thread()
        assert not heard.ended
        news.append(number)

    workers.run_telling(work, parent=parent, on_news=take, **heard.callbacks())
    qtbot.waitUntil(lambda: heard.ended)
    assert news == list(range(20))
    assert heard.done == ["done"]


def test_no_news_after_cancelling(qtbot, parent):
    heard, news, told = _Heard(), [], threading.Event()

    def work(progress, tell):
        told.wait(5)
        tell("too late")

    job = workers.run_telling(work, parent=parent, on_news=news.append, **heard.callbacks())
    job.cancel()
    told.set()
    qtbot.waitUntil(lambda: heard.ended)
    assert news == []


def test_threads_take_turns_quickly_only_while_there_are_jobs(qtbot, parent):
    usual = sys.getswitchinterval()
    first, second = _Heard(), _Heard()
    jobs = [workers.run(_until_cancelled, parent=parent, **heard.callbacks()) for heard in (first, second)]
    assert sys.getswitchinterval() < usual
    jobs[0].cancel()
    qtbot.waitUntil(lambda: first.ended)
    assert sys.getswitchinterval() < usual
    jobs[1].abandon()
    qtbot.waitUntil(lambda: not workers._RUNNING)
    assert sys.getswitchinterval() == usual
