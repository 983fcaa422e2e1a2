from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError, InternalError
from napari_brain_uad.workflows.execution.packed import LARGE_BYTES, packed, unpacked


def test_what_is_large_goes_through_a_file_once(tmp_path: Path) -> None:
    large = np.arange(LARGE_BYTES, dtype=np.uint8)
    told = packed(large, str(tmp_path))
    assert isinstance(told, str)
    assert Path(told).parent == tmp_path
    assert np.array_equal(unpacked(told), large)
    assert list(tmp_path.iterdir()) == []


def test_what_is_small_or_has_no_place_is_sent(tmp_path: Path) -> None:
    for outcome, shared in ((b"x", str(tmp_path)), (b"x" * LARGE_BYTES, ""), (b"x" * LARGE_BYTES, str(tmp_path / "none"))):
        told = packed(outcome, shared)
        assert isinstance(told, bytes)
        assert unpacked(told) == outcome
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        real(path, data[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert isinstance(packed(b"x" * LARGE_BYTES, str(tmp_path)), bytes)
    assert list(tmp_path.iterdir()) == []


def test_errors_come_home_and_what_cannot_be_sent_is_one() -> None:
    error = unpacked(packed(InputError("The scan", why="it is empty", fix="take another"), ""))
    assert isinstance(error, InputError)
    assert isinstance(unpacked(packed(lambda: None, "")), InternalError)
