"""Fingerprints depend on what is in an array, and on nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np

from napari_brain_uad.core.detector import state_is_finite
from napari_brain_uad.core.provenance import array_sha256, package_version, state_sha256, versions


def test_array_fingerprint_ignores_how_it_lies_in_memory() -> None:
    array = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    same = [np.asfortranarray(array), array.astype(">f4"), np.concatenate([array, array])[:3], array[::-1][::-1]]
    assert {array_sha256(other) for other in same} == {array_sha256(array)}
    expected = hashlib.sha256(b"<f4(3, 4, 5)" + array.tobytes()).hexdigest()
    assert array_sha256(array) == expected


def test_array_fingerprint_sees_type_shape_and_values() -> None:
    array = np.zeros((2, 6), np.float32)
    changed = array.copy()
    changed[1, 5] = np.nextafter(np.float32(0), np.float32(1))
    others = [array.reshape(3, 4), array.astype(np.float64), array.astype(np.int32), changed, array.T]
    assert array_sha256(array) not in {array_sha256(other) for other in others}


def test_state_fingerprint() -> None:
    state = {"a": np.zeros(2), "b": np.ones(2)}
    assert state_sha256({}) == ""
    assert state_sha256(state) == state_sha256(dict(reversed(state.items())))
    assert state_sha256(state) != state_sha256({"a": np.ones(2), "b": np.zeros(2)})
    assert state_sha256(state) != state_sha256({"a": np.zeros(2)})


def test_state_is_finite() -> None:
    assert state_is_finite({"a": np.zeros(2), "n": np.array(3), "m": np.ones(2, bool)})
    assert not state_is_finite({"a": np.zeros(2), "b": np.array([np.nan], np.float32)})


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["napari-brain-uad"] == package_version() != "unknown"
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_core_and_io_need_neither_torch_nor_qt() -> None:
    script = (
        "import sys, napari_brain_uad.io.nifti, napari_brain_uad.io.checkpoint, napari_brain_uad.core.detector;"
        "print([name for name in ('torch', 'qtpy', 'napari') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
