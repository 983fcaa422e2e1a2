"""Steps that search: bias field, registration, tissue classes, brain extraction; against known truths."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing.geometry import resample_volume
from napari_brain_uad.preprocessing.registration import align, dice
from napari_brain_uad.preprocessing.step import Context, Reference
from napari_brain_uad.preprocessing.steps import brain_extraction
from napari_brain_uad.preprocessing.steps.brain_extraction import BrainExtraction
from napari_brain_uad.preprocessing.steps.coregister import Coregister
from napari_brain_uad.preprocessing.steps.n4 import N4
from napari_brain_uad.preprocessing.steps.register_mni import RegisterMni
from napari_brain_uad.preprocessing.steps.tissue_classes import TissueClasses, classify
from napari_brain_uad.preprocessing.template import MNI_GRID, template

HERE = Context()


@pytest.fixture
def brain(stripped):
    return stripped.with_mask(stripped.data > 20)


@pytest.fixture(scope="module")
def displaced() -> tuple[Volume, np.ndarray]:
    """The template, turned, scaled and shifted into a scanner's grid of 2 x 2 x 3 mm; and the matrix template mm -> scanner mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (12, -6, 9), degrees=True).as_matrix() @ np.diag([0.93, 1.05, 0.9])
    matrix[:3, 3] = (14.0, -22.0, 31.0)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-90, -150, -60)
    moved = resample_volume(template(), Grid((96, 120, 72), affine), np.linalg.inv(matrix))
    return replace(moved, name="displaced"), matrix


def farthest_mm(found: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance between two transforms over the template's brain."""
    points = MNI_GRID.to_world(np.argwhere(template().mask)[::500])
    ahead = [points @ m[:3, :3].T + m[:3, 3] for m in (found, truth)]
    return float(np.linalg.norm(ahead[0] - ahead[1], axis=1).max())


def test_affine_registration_finds_a_known_transform(displaced):
    volume, matrix = displaced
    result = RegisterMni().apply(volume, HERE)
    assert farthest_mm(result.matrix, matrix) < 1.5
    assert result.outcome["ncc"] > 0.9
    assert result.outcome["dice"] > 0.98
    assert result.volume.grid.shape == MNI_GRID.shape
    again = RegisterMni().apply(volume, Context(recorded=result.outcome))
    np.testing.assert_array_equal(again.volume.data, result.volume.data)


@pytest.mark.slow
def test_registration_copes_with_another_contrast(displaced):
    volume, matrix = displaced
    inverted = volume.with_data(np.where(volume.mask, 260 - volume.data, 0).astype(np.float32))
    assert farthest_mm(align(template(), inverted, "affine", Progress()).matrix, matrix) < 2.0


def test_registered_scans_are_recognised_and_left_alone():
    result = RegisterMni().apply(template(), HERE)
    assert result.outcome["origin"] == "already registered to MNI"
    np.testing.assert_array_equal(result.matrix, np.eye(4))
    assert result.volume.data is template().data


def test_further_sequences_take_over_the_reference_transform(displaced):
    volume, matrix = displaced
    result = RegisterMni().apply(volume, Context(reference=Reference(volume, matrix)))
    np.testing.assert_array_equal(result.matrix, matrix)
    assert result.outcome["ncc"] > 0.9


def test_registration_says_when_it_went_wrong(displaced):
    volume, _ = displaced
    half = volume.mask.copy()
    half[:, :, :40] = False
    result = RegisterMni().apply(volume.with_mask(half), Context(recorded={"matrix": np.eye(4).tolist(), "origin": "bad"}))
    assert [finding.code for finding in result.findings] == ["poor-registration"]
    with pytest.raises(InputError, match="brain mask"):
        RegisterMni().apply(volume.with_mask(None), HERE)


def test_registration_can_be_cancelled(displaced):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        align(template(), displaced[0], "affine", progress)


@pytest.mark.slow
def test_coregistration_finds_a_known_rigid_motion_and_changes_the_affine_only(displaced):
    volume, _ = displaced
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", (3, -4, 5), degrees=True).as_matrix()
    motion[:3, 3] = (4.0, -3.0, 6.0)
    other = Volume(260 - volume.data, Grid(volume.grid.shape, motion @ volume.grid.affine), "other", sequence="T2")
    other = other.with_data(np.where(volume.mask, other.data, 0).astype(np.float32))
    result = Coregister().apply(other, Context(reference=Reference(volume)))
    corners = np.array([[-60, -100, 10], [60, 40, 90], [0, 0, 50]], float)
    found = corners @ result.matrix[:3, :3].T + result.matrix[:3, 3]
    truth = corners @ motion[:3, :3].T + motion[:3, 3]
    assert np.linalg.norm(found - truth, axis=1).max() < 0.8
    assert result.volume.data is other.data
    np.testing.assert_allclose(result.matrix @ result.volume.grid.affine, other.grid.affine, atol=1e-9)
    np.testing.assert_allclose(result.matrix[:3, :3] @ result.matrix[:3, :3].T, np.eye(3), atol=1e-7)


def test_coregistration_leaves_the_reference_alone(brain):
    assert Coregister().apply(brain, HERE).volume is brain


@pytest.mark.parametrize("shape", [(3, 3, 3), (20, 20, 6)])
def test_n4_of_few_voxels(shape):
    data = np.random.default_rng(0).uniform(50, 100, shape).astype(np.float32)
    found = N4().apply(Volume(data, Grid(shape, np.eye(4)), name="few", mask=data > 0), HERE).volume.data
    assert np.isfinite(found).all()


def test_n4_of_a_single_slice_is_refused():
    data = np.random.default_rng(0).uniform(50, 100, (20, 20, 1)).astype(np.float32)
    with pytest.raises(InputError, match="single slice"):
        N4().apply(Volume(data, Grid(data.shape, np.eye(4)), name="slice", mask=data > 0), HERE)


def test_n4_removes_most_of_a_known_bias_field(brain):
    x = np.linspace(-1, 1, brain.data.shape[0])[:, None, None]
    y = np.linspace(-1, 1, brain.data.shape[1])[None, :, None]
    field = np.exp(0.35 * x + 0.25 * y).astype(np.float32)
    biased = brain.with_data(brain.data * field)
    corrected = N4().apply(biased, HERE).volume.data

    def unevenness(data):
        ratio = np.log(np.maximum(data[brain.mask], 1.0) / np.maximum(brain.data[brain.mask], 1.0))
        return ratio.std()

    assert unevenness(corrected) < 0.25 * unevenness(biased.data)
    assert (corrected[~brain.mask] == 0).all()


def test_tissue_classes_of_known_tissues_in_any_contrast(brain):
    clean = np.digitize(np.where(brain.mask, brain.data, 0), [140, 250]) + 1
    truth = np.where(brain.mask, clean, 0)
    noisy = brain.data + np.where(brain.mask, np.random.default_rng(1).normal(0, 20, brain.data.shape), 0).astype(np.float32)
    found = TissueClasses(smoothness=0.3).apply(brain.with_data(noisy.astype(np.float32)), HERE).volume.data
    alone = TissueClasses(smoothness=0.0).apply(brain.with_data(noisy.astype(np.float32)), HERE).volume.data
    agree = (found == truth)[brain.mask].mean()
    assert agree > 0.98
    assert agree > (alone == truth)[brain.mask].mean()  # the field helps
    inverted = replace(brain.with_data(np.where(brain.mask, 400 - noisy, 0).astype(np.float32)), sequence="T2")
    t2 = TissueClasses(smoothness=0.3).apply(inverted, HERE).volume.data
    assert (t2 == truth)[brain.mask].mean() > 0.98


def test_tissue_classes_can_be_standardised_and_cancelled(brain):
    labels = TissueClasses(standardise=True).apply(brain, HERE).volume.data
    assert labels.mean() == pytest.approx(0, abs=1e-4)
    assert labels.std() == pytest.approx(1, abs=1e-4)
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        classify(brain.data, brain.mask, 0.1, 5, progress)


def test_tissue_classes_agree_with_dipy():
    """On a part of the template: the template is free of noise, which dipy cannot do with, so some is added."""
    tissue = pytest.importorskip("dipy.segment.tissue", reason="dipy is not installed")
    part = (slice(40, 140, 2), slice(40, 180, 2), slice(40, 130, 2))
    mask = np.ascontiguousarray(template().mask[part])
    noise = np.random.default_rng(4).normal(0, 8, mask.shape)
    data = np.where(mask, np.maximum(template().data[part] + noise, 1), 0).astype(np.float32)
    np.random.seed(0)  # noqa: NPY002  # dipy draws noise from numpy's global generator
    with np.errstate(all="ignore"):
        _, theirs, _ = tissue.TissueClassifierHMRF(verbose=False).classify(data.astype(np.float64), 3, 0.1, max_iter=15)
    ours, _ = classify(data, mask, 0.1, 20, Progress())
    theirs = np.asarray(theirs)
    overlaps = {label: round(dice(ours == label, theirs == label), 3) for label in (1, 2, 3)}
    assert overlaps[2] > 0.85, overlaps
    assert overlaps[3] > 0.85, overlaps


def test_stripped_scans_are_recognised(stripped):
    result = BrainExtraction().apply(stripped, HERE)
    assert "already skull-stripped" in result.said
    np.testing.assert_array_equal(result.volume.data, stripped.data)
    assert dice(result.volume.mask, stripped.data > 20) > 0.99


@pytest.fixture
def head(brain):
    """The brain in a noisy head: not stripped."""
    noise = np.random.default_rng(2).normal(60, 15, brain.data.shape).astype(np.float32)
    return Volume(np.where(brain.mask, brain.data, noise).astype(np.float32), brain.grid, "head", sequence="T1")


def test_a_given_mask_and_a_reference_are_taken_over(head, brain):
    given = BrainExtraction().apply(head.with_mask(brain.mask), HERE)
    assert (given.volume.data[~brain.mask] == 0).all()
    taken = BrainExtraction().apply(head, Context(reference=Reference(brain)))
    np.testing.assert_array_equal(taken.volume.mask, brain.mask)
    assert "brain of brain" in taken.said


def test_what_the_references_image_cuts_off_is_found_in_the_sequence_itself(head, brain, monkeypatch):
    """A reference of the lower slices only: above, the sequence's own brain is looked for; below, the reference's holds."""
    own = np.roll(brain.mask, 3, axis=0)
    monkeypatch.setattr(brain_extraction, "extract", lambda *_: own)
    low = Grid((*brain.grid.shape[:2], 24), brain.grid.affine)
    reference = Reference(Volume(brain.data[:, :, :24], low, "low", brain.mask[:, :, :24]))
    taken = BrainExtraction().apply(head, Context(reference=reference))
    assert brain.mask[:, :, 23].any()
    np.testing.assert_array_equal(taken.volume.mask[:, :, :24], brain.mask[:, :, :24])
    np.testing.assert_array_equal(taken.volume.mask[:, :, 24:], own[:, :, 24:])
    assert "beyond its image found by deepbet" in taken.said


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in program is a script")
def test_programs_are_run_and_their_brain_is_read(head, brain, tmp_path, monkeypatch):
    """A stand-in for SynthStrip: cuts out a brain it was given."""
    script = tmp_path / "mri_synthstrip"
    script.write_text(
        f"#!{sys.executable}\nimport sys, nibabel, numpy\n"
        "image = nibabel.load(sys.argv[sys.argv.index('-i') + 1])\n"
        f"mask = nibabel.load({str(tmp_path / 'mask.nii.gz')!r}).get_fdata() > 0\n"
        "data = numpy.where(mask, image.get_fdata(), 0).astype('float32')\n"
        "nibabel.save(nibabel.Nifti1Image(data, image.affine), sys.argv[sys.argv.index('-o') + 1])\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    from napari_brain_uad.io.nifti import write_mask

    write_mask(tmp_path / "mask.nii.gz", brain.mask, head)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    result = BrainExtraction(backend="synthstrip").apply(head, HERE)
    assert dice(result.volume.mask, brain.mask) > 0.98
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.exit(3)\n")
    with pytest.raises(InputError, match="code 3"):
        BrainExtraction(backend="synthstrip").apply(head, HERE)
    with pytest.raises(InputError, match="hd-bet is not installed"):
        BrainExtraction(backend="hd-bet").apply(head, HERE)


def test_without_deepbet_the_error_says_what_to_install(head, tmp_path, monkeypatch):
    """A module of that name which cannot be imported comes first, in the child process too."""
    (tmp_path / "deepbet.py").write_text("raise ModuleNotFoundError('gone', name='deepbet')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(InputError, match=r'pip install "napari-brain-uad\[prepare\]"'):
        BrainExtraction().apply(head, HERE)
