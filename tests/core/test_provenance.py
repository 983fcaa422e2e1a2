"""Fingerprints depend on what is in an array, and on nothing else."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np

from napari_brain_uad.core import provenance
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


def test_all_code_that_decides_a_result_is_in_its_hash(tmp_path: Path) -> None:
    """Of a copy of the package, in which one file after the other is changed."""
    source = Path(provenance.__file__)
    copy = tmp_path / "package" / "core" / "provenance.py"
    for name in (
        "core/provenance.py",
        "workflows/detect/score.py",
        "inference/new.py",
        "cli/show.py",
        "gui/deep/show.py",
        "x/templates/a.nii.gz",
    ):
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.read_bytes() if file == copy else b"1")
    spec = importlib.util.spec_from_file_location("copied_provenance", copy)
    assert spec is not None
    assert spec.loader is not None
    copied = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copied)

    def changes(name: str) -> bool:
        before = copied.code_sha256.__wrapped__()
        file = tmp_path / "package" / name
        file.write_bytes(file.read_bytes() + b"2" if file.exists() else b"3")
        return bool(copied.code_sha256.__wrapped__() != before)

    deciding = ("workflows/detect/score.py", "inference/new.py", "core/provenance.py", "x/templates/a.nii.gz", "x/more.py")
    assert [name for name in deciding if not changes(name)] == []
    assert [name for name in ("cli/show.py", "gui/deep/show.py", "gui/more.py", "x/notes.txt") if changes(name)] == []


def test_core_and_io_need_neither_torch_nor_qt() -> None:
    script = (
        "import sys, napari_brain_uad.io.nifti, napari_brain_uad.io.checkpoint, napari_brain_uad.core.detector;"
        "print([name for name in ('torch', 'qtpy', 'napari') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
