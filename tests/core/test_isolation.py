"""What fails inside is a value outside, but for cancelling and what ends the process."""

from __future__ import annotations

import logging

import pytest

from napari_brain_uad.core.errors import BrainUADError, Cancelled, DeviceError, InputError, InternalError
from napari_brain_uad.core.isolation import isolated


def raising(error: BaseException) -> object:
    def work() -> None:
        raise error

    return isolated(work)


def test_results_and_errors_of_ours_come_as_they_are() -> None:
    assert isolated(lambda: 3) == 3
    error = InputError("a.nii", why="it is empty")
    assert raising(error) is error


@pytest.mark.parametrize("error", [ValueError("two\n  lines"), AssertionError(), RuntimeError("x" * 10_000), OSError(28, "No space left")])
def test_what_nobody_foresaw_is_one_named_line_with_its_traceback_apart(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "napari_brain_uad"):
        found = raising(error)
    assert isinstance(found, InternalError)
    assert type(error).__name__ in str(found)
    assert len(str(found).splitlines()) == 1
    assert len(str(found)) < 500
    assert found.exit_code == 1
    assert found.__cause__ is error
    for text in (found.details, caplog.text):
        assert "in work" in text
        assert type(error).__name__ in text


def test_memory_is_no_defect() -> None:
    assert isinstance(raising(MemoryError()), DeviceError)


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt(), SystemExit(3)])
def test_the_end_of_all_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        raising(error)


def test_errors_are_told_from_results() -> None:
    assert not isinstance(isolated(lambda: InputError), BrainUADError)
