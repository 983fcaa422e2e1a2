"""What the papers' recipes say exists, and people are shared out as the papers did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.datasets.layout import Subject
from napari_brain_uad.datasets.registry import layout
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.evaluation.pooled import BrainScores
from napari_brain_uad.evaluation.protocols import PROTOCOLS
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.presets import PRESETS
from napari_brain_uad.workflows.cohort.cohort import SUMMARISED
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.reproduce.healthy import L1
from napari_brain_uad.workflows.reproduce.paper import Paper, PaperData, PaperPart, papers
from napari_brain_uad.workflows.reproduce.people import Given, shared_out, table_of
from napari_brain_uad.workflows.reproduce.plan import Request, plan_of


@pytest.mark.parametrize("one", papers().values(), ids=lambda one: one.id)
def test_a_recipe_names_what_there_is(one: Paper) -> None:
    figures = PROTOCOLS[one.protocol].measure([_scores()])
    known = {*figures, *(f"mean {name}" for name in SUMMARISED)}
    assert one.prepare in PRESETS
    PostParams.from_strings(dict(one.post))
    for part in one.parts.values():
        of = one.data[part.data].subjects
        assert (part.first is None) == (part.last is None)
        assert part.last is None or of is None or 0 <= (part.first or 0) < part.last <= of
    for own in one.data.values():
        assert layout(own.layout).id == own.layout
    for training in one.trainings.values():
        assert {one.parts[name].sequence for name in training.parts} == {training.sequence}
    for row in one.rows:
        spec = MethodSpec.parse(row.spec)
        assert method_class(spec.method).INFO.trainable == bool(row.training)
        assert not row.training or row.training in one.trainings
        assert set(row.files) <= set(method_class(spec.method).Params().as_dict())
        assert set(row.files.values()) <= set(one.files)
        assert MethodSpec.parse(row.reduced or row.spec).method == spec.method
        assert not row.anomalies or (row.training and method_class(spec.method).LEARNS_ANOMALIES)
        assert row.anomalies in ("", *one.parts)
    for test in one.tests:
        assert test.part in one.parts
        assert not test.prepare or test.prepare in PRESETS
        assert test.tumours in ("", *one.parts)
        assert {name for row in test.published.values() for name in row} <= ({f"mean {L1}"} if test.measure else known)
        assert all(0.0 <= value <= 1.0 for row in test.published.values() for value in row.values())
        assert {row.row for row in one.rows} <= set(test.published)
    assert one.differs
    models = [(row.name or MethodSpec.parse(row.spec).method, row.training) for row in one.rows]
    assert len(set(models)) == len(models)


def _scores() -> BrainScores:
    truth = np.arange(8) % 2 == 0
    return BrainScores(np.linspace(0, 1, 8, dtype=np.float32), truth, np.repeat(np.arange(2, dtype=np.uint16), 4), 0)


def test_published_figures_as_printed() -> None:
    """Spot checks against the papers' tables."""
    known = papers()
    published = {(name, test.name): test.published for name, one in known.items() for test in one.tests}
    assert published["pddpm", "brats"]["pDDPM"] == {"Dice": 0.49, "AUPRC": 0.5407}
    assert published["pddpm", "mslub"]["SVAE"] == {"Dice": 0.0576, "AUPRC": 0.0504}
    assert published["pddpm", "ixi"]["f-AnoGAN"] == {"mean l1": 0.0453}
    assert published["strega", "brats-t2"]["StRegA"] == {"Dice": 0.642}
    assert published["flair-threshold", "mslub-ii"]["Threshold"] == {"best Dice": 0.613}
    assert published["simple-slice-net", "brats"]["RD++"]["slice AUPRC"] == 0.812
    assert published["simple-slice-net", "brats"]["PatchCore"]["mean pro"] == 0.7644


def _people(count: int, *, visits: int = 1, truth: bool = True) -> tuple[Subject, ...]:
    return tuple(
        Subject(f"p{number:03d}", f"v{visit}" if visits > 1 else None, {"T2": Path("a.nii.gz")}, truth=Path("t.nii.gz") if truth else None)
        for number in range(count)
        for visit in range(visits)
    )


def _shared(
    people: tuple[Subject, ...], *parts: PaperPart, of: int | None, seed: int = 0, reduced: bool = False
) -> dict[str, list[Subject]]:
    given = Given(PaperData("d", "ixi", of, "x"), Path("d"), "ixi", people)
    return shared_out(papers()["pddpm"], given, (), (), parts, seed=seed, reduced=reduced)


def test_no_one_is_in_two_parts_and_visits_stay_together() -> None:
    first, second = PaperPart("a", "d", "T2", 0, 100), PaperPart("b", "d", "T2", 100, 400)
    found = _shared(_people(40, visits=2), first, second, of=400)
    names = {name: {one.id for one in own} for name, own in found.items()}
    assert (len(names["a"]), len(names["b"])) == (10, 30)
    assert not names["a"] & names["b"]
    assert all(len(own) == 2 * len(names[name]) for name, own in found.items())
    again = _shared(_people(40, visits=2), first, second, of=400, seed=1)
    assert {one.id for one in again["a"]} != names["a"]


@pytest.mark.parametrize(("count", "expected"), [(400, 300), (800, 600), (3, 2), (1, 1)])
def test_places_are_scaled(count: int, expected: int) -> None:
    assert len(_shared(_people(count), PaperPart("b", "d", "T2", 100, 400), of=400)["b"]) == expected


def test_a_part_that_would_be_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b of pddpm would be empty.*0 people of d with T2 and a ground truth"):
        _shared(_people(5, truth=False), PaperPart("b", "d", "T2"), of=None)


def _with_known(people: int, *, reduced: bool = False) -> tuple[int, int, bool]:
    """How many lesions are learned and tested on, and whether these are of the same people."""
    one = papers()["simple-slice-net"]
    given = Given(one.data["brats"], Path("d"), "brats", _people(people))
    tested, known = one.parts["brats-t2"], one.parts["brats-known-t2"]
    found = shared_out(one, given, (), (), [tested], [known], seed=0, reduced=reduced)
    names = [{subject.id for subject in found[part.name]} for part in (known, tested)]
    return len(names[0]), len(names[1]), bool(names[0] & names[1])


def test_no_one_whose_lesion_is_learned_is_tested_on() -> None:
    assert _with_known(1251) == (100, 1000, False)
    assert _with_known(10) == (2, 8, False)
    assert _with_known(60, reduced=True) == (4, 2, False)
    with pytest.raises(InputError, match=r"d has too few people .* to test simple-slice-net on others \(brats-t2\)"):
        _with_known(2)


def test_most_and_reduced_limit_the_people() -> None:
    assert len(_shared(_people(90), PaperPart("b", "d", "T2", most=80), of=None)["b"]) == 80
    assert len(_shared(_people(90), PaperPart("b", "d", "T2", most=80), of=None, reduced=True)["b"]) == 2


def test_of_variants_of_the_same_images_the_best_is_taken() -> None:
    people = tuple(
        Subject("patient01", session, {"T2": Path(f"{session}.nii.gz")}, truth=Path("t.nii.gz")) for session in ("raw", "MNI", "MNI_study1")
    )
    given = Given(PaperData("d", "mslub", None, "x", ("", "coregistered", "MNI", "raw")), Path("d"), "mslub", people)
    found = shared_out(papers()["pddpm"], given, (), (), [PaperPart("b", "d", "T2")], seed=0, reduced=False)["b"]
    assert [one.session for one in found] == ["MNI"]


def test_a_mask_on_another_sequence_is_not_trained_with(tmp_path: Path) -> None:
    scan = {"FLAIR": tmp_path / "f.nii.gz", "T2": tmp_path / "t2, copy.nii.gz"}
    subject = Subject("p", None, scan, brain_mask=tmp_path / "m.nii.gz")
    for path in (*scan.values(), tmp_path / "m.nii.gz"):
        path.touch()
    masks = []
    for sequence, for_training in (("T2", True), ("FLAIR", True), ("T2", False)):
        table = tmp_path / "t.csv"
        table.write_text(table_of([subject], sequence, for_training=for_training), encoding="utf-8")
        (read,) = layout("csv").subjects(table)
        assert dict(read.sequences) == {sequence: scan[sequence]}
        masks.append(read.brain_mask is not None)
    assert masks == [False, True, True]


def test_files_that_methods_need_are_asked_for(tmp_path: Path) -> None:
    """Before the data are looked at; in a reduced run none is needed."""
    one = papers()["simple-slice-net"]
    with pytest.raises(InputError, match=r"3 files that methods of simple-slice-net need are missing: resnet18.*wide-resnet50"):
        plan_of(one, Request({}, {}), tmp_path)
    weights = tmp_path / "w.pth"
    for given, message in (
        ({"wide-resnet50": weights}, r"^w\.pth: there is no such file"),
        ({"resnet": tmp_path}, "no file 'resnet'. Did you"),
    ):
        with pytest.raises(InputError, match=message):
            plan_of(one, Request({}, given), tmp_path)
    weights.touch()
    for request in (
        Request({}, {}, reduced=True),
        Request({}, {}, methods=["dae", f"patchcore@backbone_file={weights}"]),
        Request({}, {"wide-resnet50": weights}, methods=["patchcore"]),
    ):
        with pytest.raises(InputError, match="2 data sets of simple-slice-net are missing"):
            plan_of(one, request, tmp_path)


def test_a_reduced_run_makes_no_test_twice(tmp_path: Path) -> None:
    """Without registration, the two settings of the FLAIR threshold are one."""
    one, folder = papers()["flair-threshold"], tmp_path / "patient01"
    folder.mkdir()
    for kind in ("FLAIR", "consensus_gt"):
        (folder / f"patient01_{kind}.nii.gz").touch()
    given = {"mslub": tmp_path}
    with pytest.raises(InputError, match="3 data sets of flair-threshold are missing"):
        plan_of(one, Request(given, {}, reduced=True), tmp_path / "out")
    for tests, reduced, prepared in ((["mslub-i", "mslub-ii"], False, ["threshold-i", "threshold-ii"]), (["mslub-i"], True, ["auto"])):
        planned = plan_of(one, Request(given, {}, tests=tests, reduced=reduced), tmp_path / "out").tests
        assert [step.prepare for step in planned] == prepared
