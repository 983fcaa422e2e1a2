from __future__ import annotations

import csv
from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.sequence import SEQUENCES, check_sequence, read_sequence, sequence_of_name

NAMES = Path(__file__).parent / "names"
ENOUGH = 0.95


def read_table(half: str) -> list[tuple[str, str | None, str | None]]:
    """Name, what it is (None: not told by it), and what is read."""
    with (NAMES / f"{half}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    told = [(row["name"], None if row["sequence"] == "unknown" else row["sequence"]) for row in rows]
    return [(name, sequence, sequence_of_name(name)) for name, sequence in told]


@pytest.mark.parametrize("half", ["design", "held_back"])
def test_names_of_vendors_and_data_sets(half: str) -> None:
    """`held_back` was written before the patterns, and the patterns were not changed for it."""
    rows = read_table(half)
    assert len(rows) > 150
    wrong = [row for row in rows if row[2] is not None and row[2] != row[1]]
    assert wrong == []
    assert sum(read == sequence for _, sequence, read in rows) >= ENOUGH * len(rows)
    clear = [row for row in rows if row[1] is not None]
    assert sum(read == sequence for _, sequence, read in clear) >= ENOUGH * len(clear)


def test_the_origin_is_said() -> None:
    assert read_sequence("sub-9_space-T1w_T2w").origin == "BIDS suffix T2w"
    assert read_sequence("sub-9_ce-gad_T1w").origin == "BIDS suffix T1w with ce-gad"
    assert read_sequence("ax_dark-fluid").origin == "name 'dark fluid'"
    assert read_sequence("patient3_t1gd").origin == "name 't1gd'"
    assert read_sequence("t1_post").origin == "name 't1 post'"
    assert "none of" in read_sequence("T2_lesion_mask").origin
    assert "not clear" in read_sequence("T1_T2").origin


def test_free_text_of_a_description_is_not_repeated() -> None:
    """It may name the patient."""
    reading = read_sequence("", descriptions=("MILLERFLAIR T2",))
    assert reading.sequence == "FLAIR"
    assert "miller" not in reading.origin.lower()


SPIN = {"ScanningSequence": "SE"}
INVERTED = {"ScanningSequence": ["SE", "IR"]}
GRADIENT = {"ScanningSequence": "GR_IR", "SequenceVariant": "SK_SP_MP"}


@pytest.mark.parametrize(
    ("fields", "description", "sequence"),
    [
        (INVERTED | {"RepetitionTime": 9000, "EchoTime": 110, "InversionTime": 2500}, "", "FLAIR"),
        (INVERTED | {"RepetitionTime": 9.0, "EchoTime": 0.11, "InversionTime": 2.5}, "", "FLAIR"),  # seconds, as in BIDS
        (INVERTED | {"RepetitionTime": 9000, "EchoTime": 110, "InversionTime": 2500}, "t2_tse_tra", "FLAIR"),  # tags go first
        (INVERTED | {"RepetitionTime": 2300, "EchoTime": 20, "InversionTime": 860}, "Ax FLAIR", "T1"),
        (INVERTED | {"RepetitionTime": 4500, "EchoTime": 60, "InversionTime": 150}, "T2 cor", None),  # STIR
        (SPIN | {"RepetitionTime": 5000, "EchoTime": 95}, "", "T2"),
        (SPIN | {"RepetitionTime": 5000, "EchoTime": 95}, "T1 sag", "T2"),
        (SPIN | {"RepetitionTime": 9000, "EchoTime": 95}, "ax flair", "FLAIR"),  # TI not exported
        (SPIN | {"RepetitionTime": 550, "EchoTime": 12}, "", "T1"),
        (SPIN | {"RepetitionTime": 550, "EchoTime": 12, "ContrastBolusAgent": "Gadovist"}, "", "T1c"),
        (SPIN | {"RepetitionTime": 550, "EchoTime": 12, "ContrastBolusAgent": "NONE"}, "", "T1"),
        (SPIN | {"RepetitionTime": 550, "EchoTime": 12, "ContrastBolusAgent": "Gadovist"}, "T1 nativ", "T1"),
        (SPIN | {"RepetitionTime": 550, "EchoTime": 12}, "ax post gd", "T1c"),
        (SPIN | {"RepetitionTime": 5000, "EchoTime": 95, "ContrastBolusAgent": "Gadovist"}, "", "T2"),
        (SPIN | {"RepetitionTime": 3000, "EchoTime": 15}, "", "PD"),
        (GRADIENT | {"RepetitionTime": 2300, "EchoTime": 2.98, "InversionTime": 900}, "", "T1"),
        ({"ScanningSequence": "GR", "RepetitionTime": 650, "EchoTime": 20}, "ax t2", None),  # T2*
        ({"ScanningSequence": "EP", "RepetitionTime": 4000, "EchoTime": 90}, "t2 tra", None),
        ({"ScanningSequence": "SE", "ImageType": "DERIVED\\PRIMARY\\ADC", "RepetitionTime": 4000, "EchoTime": 90}, "", None),
        ({"AcquisitionContrast": "FLUID_ATTENUATED"}, "", "FLAIR"),
        ({"RepetitionTime": 1500, "EchoTime": 50} | SPIN, "t2_tse", "T2"),  # between the bounds the name decides
        ({"RepetitionTime": "broken", "EchoTime": None} | SPIN, "t2_tse", "T2"),
        (SPIN | {"RepetitionTime": 5000, "EchoTime": 95}, "T2 lesion mask", None),
    ],
)
def test_what_the_scanner_says(fields: dict[str, object], description: str, sequence: str | None) -> None:
    assert read_sequence("", fields=fields, descriptions=(description,)).sequence == sequence


@pytest.mark.parametrize(
    ("stem", "folder", "sequence"),
    [
        ("image", "7_t2_tse_tra", "T2"),
        ("0001", "FLAIR", "FLAIR"),
        ("image", "T1_outcome_study", None),  # a project's name
        ("T1_sag", "FLAIR", "T1"),  # the file's own name goes first
        ("lesion_mask", "FLAIR", None),
        ("T1_T2", "FLAIR", None),
    ],
)
def test_folders_tell_only_where_names_say_nothing(stem: str, folder: str, sequence: str | None) -> None:
    assert read_sequence(stem, folder=folder).sequence == sequence


def test_sequences_that_a_user_gives() -> None:
    assert [check_sequence(name.lower()) for name in SEQUENCES] == list(SEQUENCES)
    with pytest.raises(InputError, match="'T3'"):
        check_sequence("T3")


@pytest.mark.parametrize(
    ("sequence", "spellings"),
    [
        ("T1", "T1 t1 T1w T1W t1n MPRAGE mprage"),
        ("T1c", "T1c T1C t1ce T1CE T1Gd t1gd T1+C t1+c T1-post CE-T1w"),
        ("T2", "T2 T2w t2w"),
        ("FLAIR", "FLAIR Flair fl FL T2-FLAIR t2_flair t2f"),
        ("PD", "PD pd PDw pdw"),
    ],
)
def test_the_usual_spellings_of_a_user(sequence: str, spellings: str) -> None:
    assert {check_sequence(one) for one in spellings.split()} == {sequence}


@pytest.mark.parametrize("given", ["", "T", "T1 FLAIR", "T1T2", "T3", "T2*", "dwi", "contrast", "T1w T2w"])
def test_what_is_not_clear_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="FLAIR, T1, T1c, T2, PD"):
        check_sequence(given)
