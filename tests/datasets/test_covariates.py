"""Age, sex, site and scanner from tables and sidecars."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.datasets.bids import BIDS
from napari_brain_uad.datasets.covariates import Covariates, covariates_of, participants, sidecar_covariates
from napari_brain_uad.datasets.table import Table


def test_a_row_says_what_it_says() -> None:
    full = {"age": "34.5", "Sex": "female", "site": " A  1 ", "scanner": "Ingenia", "field_strength": "1.5", "weight": "70"}
    assert covariates_of(full) == Covariates(34.5, "F", "A 1", "Ingenia", 1.5)
    assert covariates_of({"age": "n/a", "sex": "", "site": "N/A", "field_strength": "99"}) == Covariates()
    assert covariates_of({"age": "89+", "gender": "m"}) == Covariates(sex="M")
    assert [covariates_of({"age": text}).age for text in ("131", "-3", "1e2", "130")] == [None, None, None, 130.0]
    assert Covariates(age=3.0).filled(Covariates(4.0, "F", site="x")) == Covariates(3.0, "F", "x")


def test_a_sidecar_says_machine_and_field() -> None:
    told = {"Manufacturer": "Philips", "ManufacturersModelName": "Achieva", "MagneticFieldStrength": 3, "InstitutionName": " "}
    assert sidecar_covariates(told) == Covariates(scanner="Philips Achieva", field_strength=3.0)
    assert sidecar_covariates({"MagneticFieldStrength": True, "Manufacturer": ["x"]}) == Covariates()
    assert sidecar_covariates({"MagneticFieldStrength": 30000}) == Covariates()


def test_a_csv_file_has_columns_for_them(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").touch()
    listed = tmp_path / "scans.csv"
    listed.write_text("id,FLAIR,split,age,sex,site,scanner\np1,a.nii.gz,test,40,M,X,Prisma\np2,a.nii.gz,,n/a,,,\n")
    one, other = Table().subjects(listed)
    assert (one.split, one.covariates) == ("test", Covariates(40.0, "M", "X", "Prisma"))
    assert one.as_dict(tmp_path)["covariates"]["scanner"] == "Prisma"
    assert (other.split, other.covariates) == (None, Covariates())
    for age in ("forty", "-1", "200"):
        listed.write_text(f"id,FLAIR,age\np1,a.nii.gz,{age}\n")
        with pytest.raises(InputError, match=rf"line 2: the age '{age}' is no number of years up to 130"):
            Table().subjects(listed)


def test_participants_go_to_all_their_sessions(tmp_path: Path) -> None:
    for name in ("sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz", "sub-1/ses-b/anat/sub-1_ses-b_T1w.nii.gz", "sub-2/anat/sub-2_FLAIR.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert participants(tmp_path) == {}
    assert {one.covariates for one in BIDS().subjects(tmp_path)} == {Covariates()}
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\tsplit\nsub-1\t61\tF\ttrain\nsub-3\t5\tM\t\n")
    assert [(one.id, one.session, one.covariates, one.split) for one in BIDS().subjects(tmp_path)] == [
        ("sub-1", "a", Covariates(61.0, "F"), "train"),
        ("sub-1", "b", Covariates(61.0, "F"), "train"),
        ("sub-2", None, Covariates(), None),
    ]
