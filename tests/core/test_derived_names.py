from __future__ import annotations

import pytest

from napari_brain_uad.core.derived_names import derived_as, without_prefix
from napari_brain_uad.core.sequence import read_sequence


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("y_FLAIR", "a deformation field (SPM)"),
        ("iy_FLAIR", "a deformation field (SPM)"),
        ("c2FLAIR", "a tissue map (SPM)"),
        ("smwc1sub-01_T1w", "a tissue map (SPM)"),
        ("mwp2T2", "a tissue map (CAT12)"),
        ("T2_0Warp", "a warp field"),
        ("T2_pve_0", "a tissue map"),
        ("FLAIR_synthseg", "a map of labels"),
    ],
)
def test_what_was_made_from_a_scan_is_of_no_sequence_and_says_why(stem: str, said: str) -> None:
    reading = read_sequence(stem, fields={"EchoTime": 0.1, "RepetitionTime": 9.0, "InversionTime": 2.5}, folder="FLAIR")
    assert reading.sequence is None
    assert f": {said}, no scan" in reading.origin


@pytest.mark.parametrize(
    ("stem", "sequence"),
    [
        ("mT1", "T1"),
        ("wmT1", "T1"),
        ("rT2", "T2"),
        ("sFLAIR", "FLAIR"),
        ("swrFLAIR", "FLAIR"),
        ("wPD", "PD"),
        ("mMPRAGE", "T1"),
        ("rsub-07_ce-gad_T1w", "T1c"),
        ("wmsub-07_FLAIR", "FLAIR"),
        ("rT2star", None),
        ("y1_T1", "T1"),
        ("c3d_T2", "T2"),
        ("Warped_T2", "T2"),
    ],
)
def test_prefixes_of_scans_are_passed_over(stem: str, sequence: str | None) -> None:
    assert read_sequence(stem).sequence == sequence


def test_only_letters_that_stand_before_a_sequence_are_prefixes() -> None:
    assert [without_prefix(stem) for stem in ("wmT1", "rsub-1_T1w", "smart_T1", "wm_T1", "sub-1_T1w", "Arms")] == [
        "T1",
        "sub-1_T1w",
        "smart_T1",
        "wm_T1",
        "sub-1_T1w",
        "Arms",
    ]
    assert derived_as("sub-1_T1w") == ("", "")
