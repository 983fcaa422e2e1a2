"""Errors say what failed, why, and what to do, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from napari_brain_uad.core.errors import BrainUADError, Cancelled, DeviceError, InputError, ModelError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InputError("a.nii"), "a.nii."),
        (InputError("a.nii", why="it is empty"), "a.nii: it is empty."),
        (InputError("a.nii", fix="Copy it"), "a.nii. Copy it."),
        (InputError("a.nii.", why="it is empty.", fix="Copy it."), "a.nii: it is empty. Copy it."),
        (Cancelled(), "Cancelled."),
    ],
)
def test_sentence(error: BrainUADError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("kind", [InputError, ModelError, DeviceError, Cancelled, BrainUADError])
def test_pickle_keeps_everything(kind: type[BrainUADError]) -> None:
    back = pickle.loads(pickle.dumps(kind("what", why="why", fix="fix")))
    assert type(back) is kind
    assert (back.what, back.why, back.fix) == ("what", "why", "fix")


def test_exit_codes_differ_and_are_not_success() -> None:
    codes = [kind.exit_code for kind in (BrainUADError, InputError, ModelError, DeviceError, Cancelled)]
    assert codes == [1, 2, 3, 4, 130]
