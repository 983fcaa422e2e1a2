"""Cohorts of simulated subjects as files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from small_head import head_labels

from napari_brain_uad import cli
from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.datasets.plain import Plain
from napari_brain_uad.io.nifti import read_mask, read_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.workflows.simulate.simulate import find_label_maps, simulate

SETTINGS = SimulationParams(spacing_mm=2.0, lesions="tumour")


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    for name in ("anna", "bert"):
        nib.Nifti1Image(head_labels(), np.eye(4)).to_filename(folder / f"{name}.nii.gz")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_cohort_holds_scans_and_what_is_known_of_them(maps: Path, tmp_path: Path) -> None:
    scans = simulate([maps], tmp_path, count=2, sequences=("T1", "T1c", "FLAIR"), params=SETTINGS, seed=3).scans
    assert [path.name for path in scans[:3]] == ["sub-001_T1w.nii.gz", "sub-001_ce-gad_T1w.nii.gz", "sub-001_FLAIR.nii.gz"]
    expected = Population(find_label_maps([maps]), SimulationParams(spacing_mm=2.0, lesions="tumour", sequence="FLAIR"), 3)[1]
    flair = read_volume(tmp_path / "sub-002_FLAIR.nii.gz")
    np.testing.assert_array_equal(flair.data, expected.volume.data)
    np.testing.assert_allclose(flair.grid.affine, expected.volume.grid.affine, atol=1e-4)
    # Brain, tissue and truth are the same in all sequences: they were written with the first one.
    assert expected.volume.mask is not None
    np.testing.assert_array_equal(read_mask(tmp_path / "sub-002_brainmask.nii.gz", flair), expected.volume.mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "sub-002_truth.nii.gz", flair), expected.truth)
    tissue = nib.load(tmp_path / "sub-002_tissue.nii.gz")
    assert tissue.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(tissue.dataobj), expected.tissue)
    record = json.loads((tmp_path / "sub-002_FLAIR.json").read_text())
    assert record["simulated"] is True
    assert "no person" in record["about"]
    assert record["settings"]["sequence"] == "FLAIR"
    assert record["lesions_ml"] == pytest.approx(float(np.count_nonzero(expected.truth)) * 8e-3)
    assert json.loads((tmp_path / "simulation.json").read_text())["subjects"] == 2
    # The records tell neither where the label maps lie nor what they are called.
    text = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert str(maps) not in text
    assert "anna" not in text


def test_the_data_set_reader_understands_it(maps: Path, tmp_path: Path) -> None:
    simulate([maps], tmp_path, sequences=("T2", "FLAIR"), params=SETTINGS)
    subjects = Plain().subjects(tmp_path)
    assert [one.id for one in subjects] == ["sub-001", "sub-002"]
    for one in subjects:
        assert set(one.sequences) == {"T2", "FLAIR"}
        assert one.brain_mask is not None
        assert one.brain_mask.name == f"{one.id}_brainmask.nii.gz"
        assert one.truth is not None
        assert one.truth.name == f"{one.id}_truth.nii.gz"


def test_the_same_seed_gives_the_same_files_in_any_number_of_processes(maps: Path, tmp_path: Path) -> None:
    for name, seed, jobs in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        simulate([maps], tmp_path / name, params=SETTINGS, seed=seed, jobs=jobs)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    first, other = (nib.load(tmp_path / name / "sub-001_T1w.nii.gz").get_fdata() for name in ("one", "other"))
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_cancelling_leaves_no_finished_cohort(maps: Path, tmp_path: Path) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        simulate([maps], tmp_path, params=SETTINGS, progress=progress)
    assert not (tmp_path / "simulation.json").exists()


def test_an_unknown_label_stops_the_cohort_and_is_named(tmp_path: Path) -> None:
    nib.Nifti1Image(np.full((20, 20, 20), 777, np.int16), np.eye(4)).to_filename(tmp_path / "odd.nii.gz")
    with pytest.raises(InputError, match=r"odd: .*777 \(8,000 voxels\)"):
        simulate([tmp_path / "odd.nii.gz"], tmp_path / "out", params=SETTINGS)
    assert not (tmp_path / "out" / "simulation.json").exists()


def test_one_label_map_that_fails_costs_its_person_alone(maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nib.Nifti1Image(np.full((20, 20, 20), 777, np.int16), np.eye(4)).to_filename(tmp_path / "odd.nii.gz")
    words = ["simulate", tmp_path / "odd.nii.gz", maps, "--spacing", 2, "--set", "lesions=none", "--out", tmp_path / "out", "--quiet"]
    assert cli.main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("brain-uad: Person 1: odd: ")
    assert len(err.splitlines()) == 1
    assert "2 simulated scans" in out
    record = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert record["scans"] == ["sub-002_T1w.nii.gz", "sub-003_T1w.nii.gz"]
    assert list(record["failures"]) == ["Person 1"]
    assert all((tmp_path / "out" / name).is_file() for name in record["scans"])


def test_the_command(maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", maps, "--out", tmp_path / "out", "--count", 1, "--sequence", "T2", "--lesions", "strega", "--spacing", 2]
    code = cli.main([str(word) for word in (*words, "--thickness", 6, "--with-skull", "--set", "noise=0", "--seed", 4, "--quiet")])
    out = capsys.readouterr().out
    assert code == 0
    assert "Research use only" in out
    scan = nib.load(tmp_path / "out" / "sub-001_T2w.nii.gz")
    np.testing.assert_allclose(scan.header.get_zooms(), (2, 2, 6), rtol=1e-6)
    settings = json.loads((tmp_path / "out" / "sub-001_T2w.json").read_text())["settings"]
    assert (settings["noise"], settings["with_skull"], settings["lesions"]) == (0.0, True, "strega")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no such file"),
        (["."], "no NIfTI"),
        (["MAPS", "--set", "colour=red"], "no setting 'colour'"),
        (["MAPS", "--thickness", "50"], "range"),
        (["MAPS", "--count", "-2"], "at least 0"),
        (["MAPS", "--lesions", "ms", "--lesion-masks", "."], "no lesion masks"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: list[str], message: str, maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(maps) if word == "MAPS" else word for word in words]
    assert cli.main(["simulate", *given, "--out", "out", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("brain-uad: ")
    assert message in error


def test_a_cohort_replaces_the_earlier_one_whole(maps: Path, tmp_path: Path) -> None:
    one = SimulationParams(spacing_mm=3.0)
    simulate([maps], tmp_path, sequences=("T1", "T2"), params=one, count=2)
    simulate([maps], tmp_path, sequences=("T1",), params=one, count=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "simulation.json",
        "simulation_manifest.json",
        "sub-001_T1w.json",
        "sub-001_T1w.nii.gz",
        "sub-001_brainmask.nii.gz",
        "sub-001_tissue.nii.gz",
    ]
    before = files(tmp_path)
    for given in ([maps / "anna.nii.gz"], [maps / "anna.nii.gz", maps / "bert.nii.gz", maps / "anna.nii.gz"]):
        with pytest.raises(InputError, match="another input"):
            simulate(given, tmp_path, params=one, count=1)
    assert files(tmp_path) == before


def test_real_scans_with_such_names_are_left_alone(maps: Path, tmp_path: Path) -> None:
    for name in ("sub-001_T1w.nii.gz", "sub-009_T1w.nii.gz"):
        (tmp_path / name).write_bytes(b"real")
    with pytest.raises(InputError, match="an unknown input"):
        simulate([maps], tmp_path, params=SETTINGS, count=1)
    simulate([maps], tmp_path, params=SETTINGS, count=1, overwrite=True)
    assert (tmp_path / "sub-009_T1w.nii.gz").read_bytes() == b"real"
    assert (tmp_path / "sub-001_T1w.nii.gz").read_bytes() != b"real"
