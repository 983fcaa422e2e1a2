"""Alterations do what they say, and a stress test is the evaluation of altered scans."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from small_heads import brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.sequence import USER
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.evaluation.significance import bootstrap_mean
from napari_brain_uad.workflows.cohort.alter import KINDS, Alteration, altered, kinds_of
from napari_brain_uad.workflows.cohort.case import Case, told_apart
from napari_brain_uad.workflows.cohort.cohort import cases_of
from napari_brain_uad.workflows.cohort.stress import stress_cohort

SHAPE = (48, 56, 40)


def _flat(level: float = 200.0) -> Volume:
    """A box of one intensity with a bright cube in it, and nothing around it; voxels of 1 mm."""
    data = np.zeros(SHAPE, np.float32)
    data[6:-6, 6:-6, 6:-6] = level
    data[21:28, 25:34, 17:26] = 2 * level
    return Volume(data, Grid(SHAPE, np.eye(4)), "flat")


def _altered(volume: Volume, kind: str, level: int, key: str = "a", seed: int = 0) -> np.ndarray:
    return altered(volume, Alteration(kind, level, key, seed)).data


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_alteration_grows_with_its_level_and_leaves_the_background(kind: str) -> None:
    volume = _flat()
    change = [float(np.abs(_altered(volume, kind, level) - volume.data).mean()) for level in (1, 2, 3)]
    assert 0 < change[0] < change[1] < change[2]
    for level in (1, 2, 3):
        data = _altered(volume, kind, level)
        assert (data[volume.data == 0] == 0).all(), "a skull-stripped scan stays one"
        assert np.isfinite(data).all()
        assert data.min() >= 0


def test_the_seed_and_the_scans_name_decide_and_nothing_else() -> None:
    volume, other = _flat(), _flat(100.0)
    first = _altered(volume, "noise", 2)
    np.testing.assert_array_equal(first, _altered(volume, "noise", 2))
    assert (first != _altered(volume, "noise", 2, seed=1)).any()
    assert (first != _altered(volume, "noise", 2, key="b")).any()
    # One pattern at all levels, and in units of the scan's own intensities.
    np.testing.assert_allclose(2 * _altered(other, "noise", 2), first, rtol=1e-5)


def test_noise_is_rician_with_the_deviation_it_says() -> None:
    volume = _flat()
    for level, part in enumerate(KINDS["noise"].strengths, start=1):
        inside = _altered(volume, "noise", level)[30:42, 8:48, 8:32].astype(np.float64)
        deviation = part * 400.0  # the bright level is that of the cube
        assert inside.std() == pytest.approx(deviation, rel=0.06)
        # E[m^2] = A^2 + 2 s^2 (Gudbjartsson and Patz 1995)
        assert (inside**2).mean() == pytest.approx(200.0**2 + 2 * deviation**2, rel=0.02)


def test_coarse_voxels_are_means_and_keep_what_there_is() -> None:
    data = np.where(_flat().data > 0, 100 + ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 40, SHAPE), 0.7), 0)
    volume = _flat().with_data(data.astype(np.float32))
    coarse = _altered(volume, "resolution", 1)
    blocks = data.reshape(24, 2, 28, 2, 20, 2).mean(axis=(1, 3, 5))
    inner = (slice(8, 16),) * 3
    back = ndimage.affine_transform(blocks, np.full(3, 0.5), offset=-0.25, order=1, output_shape=SHAPE)
    np.testing.assert_allclose(coarse[inner], back[inner], rtol=1e-4)
    flat = volume.with_data(np.where(data > 0, np.float32(100.0), np.float32(0.0)))
    np.testing.assert_allclose(_altered(flat, "resolution", 3), flat.data, rtol=1e-4)  # no dark rim around a brain


def test_ghosts_lie_along_the_phase_encoding() -> None:
    volume = _flat()
    data = np.zeros(SHAPE, np.float32) + 1.0
    data[20:28, 24:32, 16:24] = 400.0
    ghosts = _altered(volume.with_data(data), "motion", 3) - data
    columns = np.abs(ghosts).sum(axis=2)
    assert columns[22:26, :20].sum() > 10 * columns[:16, 22:34].sum(), "front to back, not left to right"


def test_normalised_scans_and_unknown_kinds_are_refused() -> None:
    volume = _flat()
    scores = replace(volume, data=volume.data - 250.0 * (volume.data > 0))
    with pytest.raises(InputError, match="no magnitudes"):
        _altered(scores, "noise", 1)
    with pytest.raises(InputError, match="Did you mean noise"):
        kinds_of("nois")
    assert kinds_of("") == tuple(KINDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for number in range(3):
        data, truth = head(number, lesion=number > 0)
        subject = root / f"pat{number}"
        subject.mkdir(parents=True)
        save(data, subject / "FLAIR.nii.gz")
        save(brain().astype(np.uint8), subject / "brainmask.nii.gz")
        if number:
            save(truth.astype(np.uint8), subject / "truth.nii.gz")
    return root


def test_a_stress_test_is_the_evaluation_of_altered_scans(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    words = ["stress", folder, "--methods", "thresh-raw", "--kinds", "noise", "--rest-healthy", "--quiet", "--seed", 3, "--out", out]
    assert cli.main([str(word) for word in words]) == 0
    with (out / "stress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (1 + 3)
    assert {row["threshold"] for row in rows if row["scan"] == "pat1"} == {rows[1]["threshold"]}, "that of the scan as it is is kept"
    given = json.loads((out / "stress.json").read_text())
    found = {one["level"]: one for one in given["mean"]["thresh-raw"]}
    ill = [float(row["dice"]) for row in rows if row["level"] == "3" and row["ill"] == "True"]
    assert found[3]["dice"]["mean"] == pytest.approx(np.mean(ill))
    healthy = {row["level"]: float(row["flagged_ml"]) for row in rows if row["scan"] == "pat0"}
    assert found[3]["flagged_ml"]["mean"] == pytest.approx(healthy["3"])
    assert found[3]["flagged_change"]["mean"] == pytest.approx(healthy["3"] - healthy["0"])
    assert found[0]["flagged_change"]["mean"] == 0.0
    assert (out / "stress.png").read_bytes()[:4] == b"\x89PNG"
    # The altered scan by hand, through the same evaluation.
    from napari_brain_uad.workflows.cohort.cohort import evaluate_cohort
    from napari_brain_uad.workflows.scans.load import load

    scan = altered(load(folder / "pat1" / "FLAIR.nii.gz"), Alteration("noise", 2, "pat1", 3))
    case = Case("pat1", scan, folder / "pat1" / "truth.nii.gz", folder / "pat1" / "brainmask.nii.gz", "FLAIR")
    own = evaluate_cohort([case], ["thresh-raw"], with_pooled=False).rows[0].figures
    row = next(row for row in rows if row["scan"] == "pat1" and row["level"] == "2")
    assert float(row["auprc"]) == pytest.approx(own.auprc)
    assert float(row["image_score"]) == pytest.approx(own.image_score)


def test_a_scan_that_cannot_be_altered_is_told_and_the_others_go_on(folder: Path) -> None:
    data = head(5, lesion=True)[0]
    save(np.where(brain(), data - data[brain()].mean(), 0).astype(np.float32), folder / "pat2" / "FLAIR.nii.gz")
    cases = [
        Case(name, folder / name / "FLAIR.nii.gz", folder / name / "truth.nii.gz", folder / name / "brainmask.nii.gz")
        for name in ("pat1", "pat2")
    ]
    stress = stress_cohort(cases, ["thresh-raw"], kinds=("bias",), use_cache=False)
    assert {(failure.case, "no magnitudes" in failure.why) for failure in stress.failures} == {(f"pat2 bias-{n}", True) for n in (1, 2, 3)}
    assert [(one.case, one.level) for one in stress.rows] == [("pat1", 0), ("pat2", 0), ("pat1", 1), ("pat1", 2), ("pat1", 3)]


def test_each_sequence_of_a_subject_is_altered(folder: Path) -> None:
    """They have one name: the last would be taken for all."""
    for number in (1, 2):
        save(2 * head(number + 7, lesion=True)[0], folder / f"pat{number}" / "T1.nii.gz")
    cases, _ = cases_of(folder, sequence="all")
    stress = stress_cohort(cases, ["thresh-raw"], kinds=("bias",), use_cache=False)
    assert len(stress.rows) == 4 * (1 + 3)
    by_scan = {case: [one.row for one in stress.rows if one.case == case] for case in ("pat1 FLAIR", "pat1 T1", "pat2 FLAIR", "pat2 T1")}
    assert {case: {row.sequence for row in rows} for case, rows in by_scan.items()} == {case: {case.split()[1]} for case in by_scan}
    assert {row.person for row in by_scan["pat1 T1"]} == {"pat1"}
    assert all(len({row.figures.threshold for row in rows}) == 1 for rows in by_scan.values()), "each keeps its own threshold"
    # People are drawn with all their scans.
    (figures,) = [one for one in stress.figures() if one.level == 3]
    dice = np.array([rows[3].figures.dice for rows in by_scan.values()], np.float64)
    assert figures.dice == bootstrap_mean(dice, groups=["pat1", "pat1", "pat2", "pat2"])


def test_two_scans_of_one_name_and_sequence_are_refused() -> None:
    one, other = (Case("a", Path(f"{number}.nii"), None, sequence="T1") for number in (1, 2))
    assert [(case.name, case.person) for case in told_apart([one, replace(other, sequence=None)])] == [("a T1", "a"), ("a unknown", "a")]
    assert told_apart([one]) == [one]
    with pytest.raises(InputError, match="Two scans are called a:"):
        told_apart([one, other])
    with pytest.raises(InputError, match="Two scans are called a:"):
        stress_cohort([one, other], ["thresh-raw"])


def test_the_sequence_of_a_single_scan_is_the_user_s_word(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    scan, truth = folder / "pat1" / "FLAIR.nii.gz", folder / "pat1" / "truth.nii.gz"
    words = ["stress", scan, "--truth", truth, "--methods", "thresh-raw", "--kinds", "bias", "--quiet", "--out", tmp_path / "out"]
    for wrong, says in ((["--sequence", "flare"], "not one of those that are known"), (["--layout", "bids"], "--layout is for a data set")):
        assert cli.main([str(word) for word in (*words, *wrong)]) == 2
        assert says in capsys.readouterr().err
    given: list[Case] = []

    def stressed(cases: list[Case], *_: object, **__: object) -> None:
        given.extend(cases)
        raise InputError("It was seen")

    monkeypatch.setattr("napari_brain_uad.workflows.cohort.stress.stress_cohort", stressed)
    assert cli.main([str(word) for word in (*words, "--sequence", "t1w")]) == 2
    assert [(case.sequence, case.origin) for case in given] == [("T1", USER)]
