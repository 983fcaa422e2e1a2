"""Data sets whose subjects or files are links: found like others, under the names they have in the data set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.datasets import layout as layouts
from napari_brain_uad.datasets.registry import find_layout
from napari_brain_uad.io.nifti import write_volume
from napari_brain_uad.io.walk import walk_files
from napari_brain_uad.workflows.cohort.cohort import cases_of
from napari_brain_uad.workflows.train.training_data import TrainingData, describe

LAYOUTS = {
    "bids": ("sub-{n}/anat/sub-{n}_FLAIR.nii.gz", "sub-{n}/ses-1/anat/sub-{n}_ses-1_T1w.nii.gz"),
    "plain": ("person{n}/FLAIR.nii.gz", "person{n}/lesion.nii.gz"),
    "ixi": ("IXI00{n}-Guys-0828-T1.nii.gz",),
    "brats": ("BraTS2021_0000{n}/BraTS2021_0000{n}_flair.nii.gz", "BraTS2021_0000{n}/BraTS2021_0000{n}_seg.nii.gz"),
}


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def _made(root: Path, layout: str) -> Path:
    for n in (1, 2, 3):
        for name in LAYOUTS[layout]:
            _touch(root / name.format(n=n))
    return root


def _found(root: Path) -> tuple[str, list[dict[str, object]]]:
    layout = find_layout(root)
    return layout.id, [one.as_dict(root) for one in layout.subjects(root)]


def _annexed(root: Path) -> None:
    """Every file becomes a link into ``.git/annex/objects``, as datalad and git-annex keep them."""
    for number, path in enumerate([path for path in sorted(root.rglob("*")) if path.is_file()]):
        key = f"MD5E-s{number}--{number:032x}.gz"
        store = root / ".git" / "annex" / "objects" / "x8" / "Qw" / key / key
        store.parent.mkdir(parents=True)
        shutil.move(path, store)
        path.symlink_to(store)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_data_set_of_git_annex_is_the_data_set(layout: str, tmp_path: Path) -> None:
    root = _made(tmp_path / "data", layout)
    expected = _found(root)
    assert expected[0] == layout
    assert len({one["id"] for one in expected[1]}) == 3
    _annexed(root)
    assert _found(root) == expected


@pytest.mark.parametrize("layout", ["bids", "plain", "brats"])
def test_linked_subjects_are_subjects(layout: str, tmp_path: Path) -> None:
    root = _made(tmp_path / "data", layout)
    expected = _found(root)
    for number, path in enumerate(sorted(root.iterdir())):
        shutil.move(path, tmp_path / f"archive{number}")
        path.symlink_to(f"../archive{number}")
    assert _found(root) == expected


def test_the_linked_root_of_a_data_set(tmp_path: Path) -> None:
    expected = _found(_made(tmp_path / "data", "bids"))
    (tmp_path / "link").symlink_to("data")
    assert _found(tmp_path / "link") == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_links_to_nothing_are_no_subjects_and_are_told(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = _made(tmp_path / "data", layout)
    _annexed(root)
    gone = sorted(path for path in root.rglob("*") if path.is_symlink())[-1]
    gone.resolve().unlink()
    assert main(["datasets", str(root)]) == 0
    assert f"Missed: 1 link leads nowhere, like {gone.relative_to(root).as_posix()}" in capsys.readouterr().out
    assert main(["datasets", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missed"] == [f"1 link leads nowhere, like {gone.relative_to(root).as_posix()}"]


def test_a_data_set_that_was_not_fetched_says_so(tmp_path: Path) -> None:
    root = _made(tmp_path / "data", "bids")
    _annexed(root)
    shutil.rmtree(root / ".git")
    with pytest.raises(InputError, match=r"no scan was found in it, but 6 links lead nowhere, like sub-1/.*\. Get what the link points to"):
        find_layout(root)
    problem = describe(TrainingData("folder", str(root))).problems[0]
    assert "6 links lead nowhere" in problem


def test_a_root_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to("nothing")
    with pytest.raises(InputError, match="data is a link that leads nowhere"):
        find_layout(tmp_path / "data")


def test_what_a_cohort_and_a_training_miss_is_told(tmp_path: Path) -> None:
    root = _made(tmp_path / "data", "plain")
    (root / "person2" / "lesion.nii.gz").unlink()
    (root / "person4").symlink_to("../disk2/person4")
    line = "1 link leads nowhere, like person4"
    assert cases_of(root)[1] == ("person2: no ground truth", line)
    assert line in describe(TrainingData("folder", str(root))).problems


def _scan(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = Grid((4, 4, 4), np.eye(4))
    write_volume(path, Volume(np.arange(64, dtype=np.float32).reshape(4, 4, 4), grid))
    return path


def test_prepare_takes_linked_patients_and_names_links_to_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from napari_brain_uad.cli.prepare import Said, _patients

    archive = _scan(tmp_path / "archive" / "0815" / "MD5E-1.nii.gz")
    folder = tmp_path / "patients" / "anna"
    folder.mkdir(parents=True)
    (folder / "T1.nii.gz").symlink_to(archive)
    (tmp_path / "patients" / "berta").symlink_to(tmp_path / "elsewhere")
    _scan(tmp_path / "disk" / "carla" / "FLAIR.nii.gz")
    (tmp_path / "patients" / "carla").symlink_to(tmp_path / "disk" / "carla")
    assert [(one.name, list(one.scans)) for one in _patients([tmp_path / "patients"], Said())[0]] == [
        ("anna", ["T1"]),
        ("carla", ["FLAIR"]),
    ]
    assert "patients: 1 link leads nowhere, like berta" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "T1.nii.gz").symlink_to("gone")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "people").symlink_to("gone")
    found, failed = _patients([tmp_path / "empty"], Said())
    assert not found
    assert "1 link leads nowhere, like people" in str(failed)
    # The patient is known; that the scan was not fetched is the error of that patient alone.
    assert main(["prepare", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert "T1.nii.gz: it is a link that leads nowhere" in capsys.readouterr().err


def test_a_folder_is_gone_through_once_for_all_layouts_and_anew_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[Path] = []

    def counted(root: Path) -> list[Path]:
        walked.append(root)
        return walk_files(root)

    monkeypatch.setattr(layouts, "walk_files", counted)
    (tmp_path / "a_T1.nii.gz").touch()
    found = find_layout(tmp_path)
    assert walked.count(tmp_path) == 1
    (tmp_path / "b_T1.nii.gz").touch()
    assert [one.id for one in found.subjects(tmp_path)] == ["a", "b"]
