"""The synthetic benchmark is what was committed, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.simulation.held_out import held_out, held_out_cases


def test_cases_cover_every_kind_in_every_sequence_on_people_kept_apart() -> None:
    cases = held_out_cases()
    assert len({case.id for case in cases}) == len(cases)
    assert {case.label_map for case in cases} == {"14", "15", "16"}
    per_sequence = Counter((case.params.lesions, case.params.sequence) for case in cases)
    assert {kind for kind, _ in per_sequence} == {"strega", "ms", "tumour", "stroke", "structural"}
    assert {sequence for _, sequence in per_sequence} == {"T1", "T2", "FLAIR"}
    assert min(per_sequence.values()) >= 3
    assert held_out_cases(["strega"], ["T1"]) == tuple(case for case in cases if case.id.startswith("strega-T1-"))
    assert held_out()["reported_apart"] == ["structural"]


def test_missing_and_other_label_maps_are_refused(label_file: Path) -> None:
    case = held_out_cases()[0]
    with pytest.raises(InputError, match="not in the folder"):
        case.make(label_file.parent)
    label_file.rename(label_file.with_name(f"{case.label_map}.nii.gz"))
    with pytest.raises(InputError, match="not the one"):
        case.make(label_file.parent)


def test_the_simulator_still_makes_the_committed_lesions(shared_data: Path) -> None:
    for kind in ("strega", "structural"):
        case = held_out_cases([kind], ["T2"])[0]
        simulated = case.make(shared_data / "labelmaps")
        assert simulated.truth is not None
        assert simulated.volume.name == case.id
        assert simulated.truth.sum() / 1000 == pytest.approx(case.truth_ml, rel=0.02)
