from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.calibration.files import load_reference, save_reference
from napari_brain_uad.calibration.names import borrowed, is_reference, reference_file, reference_files
from napari_brain_uad.calibration.reference import HealthyReference
from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.io.checkpoint import checkpoint_files, save_checkpoint


def test_what_is_read_is_what_was_written(reference: HealthyReference, tmp_path: Path) -> None:
    file = reference_file(tmp_path, "toy", "T1")
    save_reference(file, reference)
    again = load_reference(file, model_sha256="")
    assert (again.title, again.scans, again.post, again.params) == (
        reference.title,
        reference.scans,
        dict(reference.post),
        dict(reference.params),
    )
    for name, values in reference.curves.items():
        np.testing.assert_array_equal(again.curves[name], values)
    assert again.threshold(again.default) == reference.threshold(reference.default)
    assert again.sha256
    assert b"patient" not in b"".join(path.read_bytes() for path in checkpoint_files(file))
    assert {path for path in reference_files(tmp_path, "toy") if path.exists()} == set(checkpoint_files(file))
    assert all(is_reference(path) == (path.suffix == ".safetensors") for path in checkpoint_files(file))


def test_the_reference_of_a_method_that_borrows_a_model_goes_with_the_model(reference: HealthyReference, tmp_path: Path) -> None:
    own, lent = (reference_file(tmp_path, stem, "T1") for stem in ("toy", borrowed("toy", "other-method")))
    another = reference_file(tmp_path, "toy.2", "T1")
    for file in (own, lent, another):
        save_reference(file, reference)
    there = {path for path in reference_files(tmp_path, "toy") if path.exists()}
    assert there == {*checkpoint_files(own), *checkpoint_files(lent)}


@pytest.mark.parametrize(("made_for", "asked_for"), [("", "abc"), ("abc", ""), ("abc", "abd")])
def test_another_models_reference_is_refused(reference: HealthyReference, tmp_path: Path, made_for: str, asked_for: str) -> None:
    from dataclasses import replace

    file = tmp_path / "toy.T1.reference"
    save_reference(file, replace(reference, model_sha256=made_for))
    with pytest.raises(ModelError, match="another model"):
        load_reference(file, model_sha256=asked_for)


def test_a_changed_reference_is_refused(reference: HealthyReference, tmp_path: Path) -> None:
    file = tmp_path / "toy.T1.reference"
    save_reference(file, reference)
    tensors, sidecar = checkpoint_files(file)
    kept, text = tensors.read_bytes(), sidecar.read_text()
    tensors.write_bytes(kept[:-4] + b"\0\0\x80\x3f")
    with pytest.raises(ModelError, match="SHA-256"):
        load_reference(file, model_sha256="")
    tensors.write_bytes(kept)
    record = json.loads(text)
    record["checkpoint"]["meta"]["scans"][0]["kind"] = "simulated"
    sidecar.write_text(json.dumps(record))
    with pytest.raises(ModelError, match="changed"):
        load_reference(file, model_sha256="")


def test_a_model_or_half_a_reference_is_none(reference: HealthyReference, tmp_path: Path) -> None:
    arrays = {"levels": np.zeros(3, np.float32)}
    save_checkpoint(tmp_path / "model", method="toy", params={}, state=arrays, meta={})
    with pytest.raises(ModelError, match="no healthy reference"):
        load_reference(tmp_path / "model", model_sha256="")
    meta = {"kind": "healthy reference 1", "model_sha256": "", "scans": []}
    save_checkpoint(tmp_path / "half", method="toy", params={}, state=arrays, meta=meta)
    with pytest.raises(ModelError, match="not whole"):
        load_reference(tmp_path / "half", model_sha256="")
    with pytest.raises(ModelError):
        load_reference(tmp_path / "missing", model_sha256="")
