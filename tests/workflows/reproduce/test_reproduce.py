"""A paper's experiment: its data looked at first, its steps those of the commands, gone on with after an end, and its table."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_heads import head, save

from napari_brain_uad.cli import main
from napari_brain_uad.cli.interruption import interruption
from napari_brain_uad.core import shell
from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.datasets.registry import layout
from napari_brain_uad.detectors.flow.bgad import BGAD
from napari_brain_uad.detectors.intensity.threshold import HistogramThreshold
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing.brain_size import GIVEN_MASK
from napari_brain_uad.preprocessing.presets import PRESETS, Preset
from napari_brain_uad.training.session import CHECKPOINT_SECONDS
from napari_brain_uad.workflows.cohort import cohort_report
from napari_brain_uad.workflows.reproduce import healthy as healthy_module
from napari_brain_uad.workflows.reproduce import paper as papers_module
from napari_brain_uad.workflows.reproduce import run as run_module
from napari_brain_uad.workflows.reproduce.foretell import estimates
from napari_brain_uad.workflows.reproduce.healthy import l1_of
from napari_brain_uad.workflows.reproduce.paper import paper
from napari_brain_uad.workflows.reproduce.plan import Experiment, Request, plan_of
from napari_brain_uad.workflows.reproduce.report import figures_of, save_report
from napari_brain_uad.workflows.reproduce.run import reproduce
from napari_brain_uad.workflows.reproduce.steps import HealthyStep
from napari_brain_uad.workflows.train import training_data

PAPER: dict[str, Any] = {
    "title": "A small study",
    "source": "Nobody 2020",
    "protocol": "flair-threshold",
    "prepare": "auto",
    "post": {"opening": "0", "min_voxels": "0"},
    "data": {
        "healthy": {"layout": "ixi", "subjects": 4, "where": "somewhere.org"},
        "ill": {"layout": "brats", "subjects": None, "where": "elsewhere.org"},
    },
    "parts": {
        "healthy-t2": {"data": "healthy", "sequence": "T2", "first": 0, "last": 3},
        "ill-t2": {"data": "ill", "sequence": "T2", "most": 2},
    },
    "trainings": {"t2": {"parts": ["healthy-t2"], "sequence": "T2", "validation": 0.0}},
    "methods": [
        {"row": "Raw", "spec": "thresh-raw"},
        {"row": "Gauss", "spec": "covariance@smoothing_mm=3.0", "training": "t2"},
    ],
    "tests": {
        "ill": {"part": "ill-t2", "published": {"Raw": {"best Dice": 0.5}, "Gauss": {"best Dice": 0.25, "mean auprc": 0.75}, "Other": {}}}
    },
    "differs": ["it is small"],
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The two data sets, by the names of the public ones, and the paper that needs them."""
    healthy, ill = tmp_path / "IXI", tmp_path / "BraTS"
    healthy.mkdir()
    for number in range(4):
        save(head(number, lesion=False)[0], healthy / f"IXI{number:03d}-HH-{number:04d}-T2.nii.gz")
    for number in range(3):
        folder = ill / f"BraTS2021_{number:05d}"
        folder.mkdir(parents=True)
        image, truth = head(10 + number, lesion=True)
        save(image, folder / f"{folder.name}_t2.nii.gz")
        save(truth.astype(np.uint8), folder / f"{folder.name}_seg.nii.gz")
    told = tmp_path / "papers.json"
    told.write_text(json.dumps({"small": PAPER}), encoding="utf-8")
    monkeypatch.setattr(papers_module, "PAPERS", told)
    monkeypatch.setattr(cohort_report, "_png", lambda _: b"")  # what takes most of the time, and has its own tests
    return {"healthy": healthy, "ill": ill}


def small(data: dict[str, Path], out: Path, **more: Any) -> Experiment:
    return plan_of(paper("small"), Request(data, {}, **more), out)


def done(experiment: Experiment, **how: Any) -> list[str]:
    """What became of each step."""
    said: list[str] = []
    assert reproduce(experiment, tell=said.append, **how) == {}
    return [line.rsplit(": ", 1)[1] for line in said]


def test_the_table_has_what_the_commands_give(data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model and figures of the printed commands, run one by one, are those of the whole."""
    out = tmp_path / "out"
    given = [word for name, path in data.items() for word in ("--data", f"{name}={path}")]
    assert main(["reproduce", "small", *given, "--out", str(out), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "healthy: 4 subjects found (ixi; T2 4); the paper had 4" in printed
    assert "ill: 3 subjects found (brats; T2 3); the paper's number is not known" in printed
    assert "it is small" in printed
    commands = [line.strip() for line in printed.splitlines() if line.strip().startswith("brain-uad ")]
    assert len(commands) == 2
    for command in commands:
        words = shell.split(command)[1:]
        again = [word.replace(str(out / "models"), str(tmp_path / "m")).replace(str(out / "tests"), str(tmp_path / "t")) for word in words]
        assert main([*again, "--quiet"]) == 0
    ours, theirs = (load_checkpoint(folder / "t2" / "covariance").state for folder in (out / "models", tmp_path / "m"))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    cohort = json.loads((tmp_path / "t" / "ill" / "cohort.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader((out / "reproduction.csv").read_text(encoding="utf-8").splitlines()))
    found = {(row["method"], row["figure"]): row for row in rows}
    pages = [(folder / "ill" / "cohort.html").read_text(encoding="utf-8").count("<figure") for folder in (out / "tests", tmp_path / "t")]
    assert pages[0] == pages[1] > 0  # both with pictures
    assert "The report of ill, with pictures: tests/ill/cohort.html" in (out / "reproduction.txt").read_text(encoding="utf-8")
    by_hand = cohort["protocols"]["covariance:covariance"]["flair-threshold"]["figures"]["best Dice"]
    assert float(found["Gauss", "best Dice"]["here"]) == by_hand
    assert float(found["Gauss", "best Dice"]["difference"]) == pytest.approx(by_hand - 0.25)
    assert float(found["Gauss", "mean auprc"]["here"]) == cohort["mean"]["covariance:covariance"]["auprc"]["mean"]
    assert found["Raw", "mean auprc"]["paper"] == ""
    assert (found["Other", "best Dice"]["here"], found["Other", "best Dice"]["run"]) == ("", "")
    assert {row["scans"] for row in rows if row["method"] != "Other"} == {"2"}
    record = json.loads((out / "reproduction.json").read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(record)
    assert record["scans"] == {"train-t2.csv": 3, "test-ill-t2.csv": 2}


class Half(HistogramThreshold):
    """Gives back a part of the brain, and something else around it."""

    part = 0.5

    def reconstruct(self, volume: Volume, **_: Any) -> dict[str, np.ndarray]:
        return {"input": volume.data, "reconstruction": self.part * volume.data + np.where(volume.brain, 0, 7).astype(np.float32)}


def with_folds(data: dict[str, Path], out: Path, folds: int | None, **more: Any) -> Experiment:
    """The small paper with two folds, and a test on healthy people that are kept apart."""
    save(head(4, lesion=False)[0], data["healthy"] / "IXI004-HH-0004-T2.nii.gz")
    parts = {**PAPER["parts"], "kept-t2": {"data": "healthy", "sequence": "T2", "first": 3, "last": 4}}
    tests = {**PAPER["tests"], "kept": {"part": "kept-t2", "measure": True, "published": {"Gauss": {"mean l1": 0.03}}}}
    trainings = {"t2": PAPER["trainings"]["t2"] | {"validation": 0.25}}
    told = {"small": PAPER | {"parts": parts, "tests": tests, "trainings": trainings, "folds": 2}}
    papers_module.PAPERS.write_text(json.dumps(told), encoding="utf-8")
    return small(data, out, folds=folds, **more)


def test_each_fold_has_its_own_models(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first fold did is what a run with one does; a model that was lost is made again, the same, and costs no other."""

    def as_fold(_: str, *, model: str, **__: Any) -> Half:
        detector = Half()
        detector.part = 0.25 if "-fold2" in model else 0.5
        return detector

    monkeypatch.setattr(healthy_module, "load_detector", as_fold)
    out = tmp_path / "out"
    assert done(with_folds(data, out, 1, methods=["covariance"], tests=["kept"])) == ["trained", "done"]
    two = with_folds(data, out, None, methods=["covariance"], tests=["kept"])
    assert done(two) == ["finished before", "trained", "finished before", "done"]
    models = [out / "models" / "t2" / f"covariance{fold}.safetensors" for fold in ("", "-fold2")]
    before = [path.read_bytes() for path in models]
    assert [load_checkpoint(path.with_suffix("")).meta["seed"] for path in models] == [0, 1]
    models[1].unlink()
    assert done(two) == ["finished before", "trained", "finished before", "finished before"]
    assert [path.read_bytes() for path in models] == before
    (person,) = layout("csv").subjects(out / "scans" / "test-kept-t2.csv")
    mean = float(np.abs(read_volume(person.sequences["T2"]).data).mean())
    (row,) = figures_of(two)
    assert (row.here, row.spread) == (pytest.approx(0.625 * mean, rel=0.05), pytest.approx(0.25 * mean / 2**0.5, rel=0.05))
    assert (row.models, row.scans) == (2, 1)


def test_what_learns_nothing_is_tested_once_and_the_table_has_means(data: dict[str, Path], tmp_path: Path) -> None:
    experiment = with_folds(data, tmp_path / "out", None)
    assert [(step.fold, step.seed) for step in experiment.trainings] == [(0, 0), (1, 1)]
    assert [list(step.specs) for step in experiment.tests] == [["Raw", "Gauss"], ["Gauss"], ["Gauss"], ["Gauss"]]
    for step, dice in zip(experiment.tests[:2], (0.25, 0.5), strict=True):
        step.out.mkdir(parents=True)
        told = {spec.title: {"flair-threshold": {"figures": {"best Dice": dice}}} for spec in step.specs.values()}
        scans = [{"scan": "a", "method": spec.title} for spec in step.specs.values()]
        step.figures.write_text(json.dumps({"protocols": told, "scans": scans}), encoding="utf-8")
    found = {(one.method, one.figure): one for one in figures_of(experiment) if one.test == "ill"}
    gauss, raw = found["Gauss", "best Dice"], found["Raw", "best Dice"]
    assert (gauss.here, gauss.spread, gauss.models) == (0.375, pytest.approx(0.125 * 2**0.5), 2)
    assert (raw.here, raw.spread, raw.models) == (0.25, None, 1)
    text = save_report(experiment, {})["text"].read_text(encoding="utf-8")
    assert "0.375 +- 0.177 (0.250)" in text
    assert "covariance:covariance and 1 more" in text


def test_people_that_are_kept_for_measuring_are_not_learned_from(data: dict[str, Path], tmp_path: Path) -> None:
    experiment = with_folds(data, tmp_path / "out", 1)
    learned, kept = (
        {line.split(",")[0] for line in experiment.tables[tmp_path / "out" / "scans" / name].splitlines()[1:]}
        for name in ("train-t2.csv", "test-kept-t2.csv")
    )
    assert (len(learned), len(kept), learned & kept) == (4, 1, set())
    with pytest.raises(InputError, match="0 folds"):
        with_folds(data, tmp_path / "out", 0)
    with pytest.raises(InputError, match="no reconstruction to measure"):
        with_folds(data, tmp_path / "out", 1, methods=["thresh-raw"], tests=["kept"])


def test_healthy_people_are_prepared_as_those_that_are_learned_from(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "light", Preset("light", "light", "", "", ()))
    with_folds(data, tmp_path, 1)
    told = json.loads(papers_module.PAPERS.read_text(encoding="utf-8"))
    papers_module.PAPERS.write_text(json.dumps({"small": told["small"] | {"prepare": "light"}}), encoding="utf-8")
    experiment = small(data, tmp_path / "out", methods=["covariance"])
    assert [(step.name, step.table.name) for step in experiment.preparations] == [
        ("prepare t2", "train-t2.csv"),
        ("prepare kept-t2", "test-kept-t2.csv"),
    ]
    measured = [step for step in experiment.tests if isinstance(step, HealthyStep)]
    assert {step.scans for step in measured} == {experiment.preparations[1].listed}
    reduced = small(data, tmp_path / "out", methods=["covariance"], reduced=True)
    assert (reduced.preparations, [step.fold for step in reduced.trainings]) == ((), [0])
    assert {step.scans for step in reduced.tests} == {step.table for step in reduced.tests}


def test_l1_is_the_mean_over_the_whole_image() -> None:
    brain = np.zeros((4, 5, 2), bool)
    brain[1:3, 1:4] = True
    volume = Volume(np.where(brain, 0.8, 0).astype(np.float32), Grid(brain.shape, np.eye(4)), "half", mask=brain)
    assert l1_of(Half(), volume) == pytest.approx(0.4 * 12 / 40)


def test_tumours_are_added_to_healthy_people_that_are_kept_apart(data: dict[str, Path], tmp_path: Path) -> None:
    parts = {**PAPER["parts"], "kept-t2": {"data": "healthy", "sequence": "T2", "first": 2, "last": 4}}
    tests = {"added": {"part": "kept-t2", "tumours": "ill-t2", "published": {"Raw": {"best Dice": 0.5}}}}
    papers_module.PAPERS.write_text(json.dumps({"small": PAPER | {"parts": parts, "tests": tests}}), encoding="utf-8")
    planned = small(data, tmp_path / "out", methods=["thresh-raw"])
    assert [step.scans for step in planned.tests] == [tmp_path / "out" / "superposed" / "added" / "scans.csv"]  # type: ignore[union-attr]
    experiment = replace(planned, tests=())
    assert done(experiment) == ["added"]
    folder = tmp_path / "out" / "superposed" / "added"
    people = layout("csv").subjects(folder / "scans.csv")
    assert [one.id for one in people] == ["synthetic001", "synthetic002"]
    for one in people:
        assert one.truth is not None
        image, truth = read_volume(one.sequences["T2"]).data, read_volume(one.truth).data > 0
        assert truth.sum() == pytest.approx(6 * 6 * 5, rel=0.2)
        assert image.max() > 1.2
        assert truth[np.unravel_index(image.argmax(), image.shape)]
    before = (folder / "synthetic001.nii.gz").read_bytes()
    assert done(experiment) == ["finished before"]
    (folder / "synthetic001_truth.nii.gz").unlink()
    assert done(experiment) == ["added"]
    assert (folder / "synthetic001.nii.gz").read_bytes() == before


def test_two_rows_of_one_method_have_their_own_models(data: dict[str, Path], tmp_path: Path) -> None:
    twice = [PAPER["methods"][1], {"row": "Fine", "spec": "covariance@smoothing_mm=1.0", "training": "t2", "name": "fine"}]
    papers_module.PAPERS.write_text(json.dumps({"small": PAPER | {"methods": twice}}), encoding="utf-8")
    experiment = small(data, tmp_path / "out", methods=["covariance"])
    assert [step.out.name for step in experiment.trainings] == ["covariance", "fine"]
    assert {row: spec.title for row, spec in experiment.tests[0].specs.items()} == {
        "Gauss": "covariance:covariance",
        "Fine": "covariance:fine",
    }


def with_known(data: dict[str, Path], out: Path, /, **more: Any) -> Experiment:
    """The small paper with BGAD, without and with one known anomaly."""
    parts = {**PAPER["parts"], "ill-t2": {"data": "ill", "sequence": "T2", "first": 1, "last": 3}}
    parts["known-t2"] = {"data": "ill", "sequence": "T2", "first": 0, "last": 1}
    alone = {"row": "Alone", "spec": "bgad@tiny@blocks=1@levels=1", "training": "t2"}
    known = alone | {"row": "Known", "name": "bgad-known", "anomalies": "known-t2"}
    told = PAPER | {"parts": parts, "methods": [alone, known], "data": {**PAPER["data"], "ill": PAPER["data"]["ill"] | {"subjects": 3}}}
    papers_module.PAPERS.write_text(json.dumps({"small": told | more}), encoding="utf-8")
    return small(data, out)


def test_lesions_of_those_who_are_not_tested_on_are_learned(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared by the training, as its command does; the other row learns from the scans that were prepared before."""
    monkeypatch.setitem(PRESETS, "light", Preset("light", "light", "", "", ({"step": "intensity", "params": {"method": "percentile"}},)))
    monkeypatch.setattr(BGAD.Training, "PRESETS", {"tiny": {"steps": 1, "batch_size": 16}})
    experiment = with_known(data, tmp_path / "out", prepare="light")
    spec = "train bgad@tiny@blocks=1@levels=1 for t2"
    assert [step.name for step in experiment.steps] == ["prepare t2", spec, f"{spec} with known anomalies", "test on ill"]
    assert any(line.endswith("with known anomalies: 3 scans, 1 with known anomalies") for line in experiment.lines())
    assert done(experiment) == ["prepared", "trained", "trained", "done"]
    models = [load_checkpoint(step.out) for step in experiment.trainings]
    (learned,) = models[1].meta["known_anomalies"]
    assert "known_anomalies" not in models[0].meta
    tested = {scan["scan"] for scan in json.loads(experiment.tests[0].figures.read_text(encoding="utf-8"))["scans"]}
    assert len(tested) == 2
    assert not any(name in learned["name"] or learned["name"] in name for name in tested)
    words = experiment.trainings[1].words()[1:]
    assert words[words.index("--prepare") + 1] == "light"
    assert "--prepare" not in experiment.trainings[0].words()
    assert main([*words[:-1], str(tmp_path / "again"), "--quiet"]) == 0
    assert load_checkpoint(tmp_path / "again").sha256 == models[1].sha256
    assert done(experiment) == ["finished before"] * 4
    (line,) = [line for line in estimates(experiment) if "with known anomalies:" in line]
    assert "1 scan with known anomalies among them" in line
    table = tmp_path / "out" / "scans" / "known-known-t2.csv"
    other = replace(experiment, tables={**experiment.tables, table: (tmp_path / "out" / "scans" / "test-ill-t2.csv").read_text("utf-8")})
    assert "--overwrite" in str(reproduce(other)[f"{spec} with known anomalies"])


def test_the_data_of_known_anomalies_are_asked_for(data: dict[str, Path], tmp_path: Path) -> None:
    other = {**PAPER["data"], "more": {"layout": "brats", "subjects": None, "where": "a third place"}}
    parts = {**PAPER["parts"], "known-t2": {"data": "more", "sequence": "T2"}}
    with pytest.raises(InputError, match=r"1 data set of small is missing: more \(a third place\)"):
        with_known(data, tmp_path / "out", data=other, parts=parts)


def test_an_ended_run_is_gone_on_with(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small(data, tmp_path / "whole")
    assert done(whole) == ["trained", "done"]
    ended = small(data, tmp_path / "ended")
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "evaluate_cohort", lambda *_, **__: (_ for _ in ()).throw(SystemExit(9)))
        with pytest.raises(SystemExit):
            reproduce(ended)
    assert not (tmp_path / "ended" / "tests").exists()
    assert done(ended) == ["finished before", "done"]
    assert figures_of(ended) == figures_of(whole)
    assert done(ended) == ["finished before", "finished before"]


def test_scans_are_prepared_once_for_all_methods(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by the command; what was prepared before an end, and is of the same scans, is not prepared again."""
    light = Preset("light", "light", "", "", ({"step": "intensity", "params": {"method": "percentile"}},))
    monkeypatch.setitem(PRESETS, "light", light)
    told = {"small": PAPER | {"prepare": "light"}}
    papers_module.PAPERS.write_text(json.dumps(told), encoding="utf-8")
    experiment = small(data, tmp_path / "out", methods=["covariance"])
    assert [step.name for step in experiment.steps] == ["prepare t2", "train covariance@smoothing_mm=3.0 for t2", "test on ill"]
    assert done(experiment) == ["prepared", "trained", "done"]
    scans = sorted((tmp_path / "out" / "prepared" / "t2").rglob("*_prepared.nii.gz"))
    (listed,) = (tmp_path / "out" / "scans").glob("prepared-*.csv")
    assert [one.sequences["T2"] for one in layout("csv").subjects(listed)] == scans
    words = experiment.preparations[0].words()[1:]
    assert main([*(str(tmp_path / "p") if word == str(experiment.preparations[0].out) else word for word in words), "--quiet"]) == 0
    again = sorted((tmp_path / "p").rglob("*_prepared.nii.gz"))
    assert [read_volume(one).data.tobytes() for one in again] == [read_volume(one).data.tobytes() for one in scans]
    capsys.readouterr()
    before = [path.stat().st_mtime_ns for path in scans]
    scans[1].unlink()
    assert done(experiment) == ["prepared", "finished before", "finished before"]
    assert [path.stat().st_mtime_ns == when for path, when in zip(scans, before, strict=True)] == [True, False, True]
    assert done(experiment) == ["finished before"] * 3


def test_a_training_has_time_for_its_checkpoint_and_no_other_step_has(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, patience = interruption.patience, []

    def first_step(self: object, batches: object) -> None:
        patience.append(interruption.patience)
        raise InputError("Enough")

    def tested(*_: object, **__: object) -> None:
        patience.append(interruption.patience)
        raise InputError("Enough")

    monkeypatch.setattr("napari_brain_uad.training.loop._Run._one_step", first_step)
    monkeypatch.setattr(run_module, "evaluate_cohort", tested)
    network = {"row": "Network", "spec": "ae-dense@tiny", "training": "t2"}
    told = {"small": PAPER | {"methods": [*PAPER["methods"][:1], network], "tests": {"ill": {"part": "ill-t2", "published": {"Raw": {}}}}}}
    papers_module.PAPERS.write_text(json.dumps(told), encoding="utf-8")
    given = [word for name, folder in data.items() for word in ("--data", f"{name}={folder}")]
    assert main(["reproduce", "small", *given, "--device", "cpu", "--out", str(tmp_path / "out"), "--quiet"]) == InputError.exit_code
    assert patience == [CHECKPOINT_SECONDS, usual]


def test_what_the_commands_of_the_steps_warn_of_is_told_once(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two methods learn from the same scans, also from one that only looks odd."""
    scans = sorted(data["healthy"].iterdir())
    odd = read_volume(scans[0])
    finding = Finding(GIVEN_MASK[0], "warning", "the brain mask given is none", "See whether it is one")
    ready = training_data.make_ready

    def looked_at(volume: Volume, *given: Any, **more: Any) -> Any:
        found = ready(volume, *given, **more)
        return replace(found, scored=found.scored.with_findings(finding)) if volume.name == odd.name else found

    monkeypatch.setattr(training_data, "make_ready", looked_at)
    twice = [PAPER["methods"][1], {"row": "Fine", "spec": "covariance@smoothing_mm=1.0", "training": "t2", "name": "fine"}]
    papers_module.PAPERS.write_text(json.dumps({"small": PAPER | {"methods": twice}}), encoding="utf-8")
    given = [word for name, folder in data.items() for word in ("--data", f"{name}={folder}")]
    assert main(["reproduce", "small", *given, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    line = f"brain-uad: {odd.name}: warning: the brain mask given is none. See whether it is one."
    assert capsys.readouterr().err.splitlines().count(line) == 1


def test_a_cancelled_run_writes_no_table(data: dict[str, Path], tmp_path: Path) -> None:
    progress = Progress()
    with pytest.raises(Cancelled):
        reproduce(small(data, tmp_path / "out"), tell=lambda _: progress.cancel(), progress=progress)
    assert not list((tmp_path / "out").glob("reproduction*"))


def test_files_that_are_not_as_written_are_made_again(data: dict[str, Path], tmp_path: Path) -> None:
    experiment = small(data, tmp_path / "out", methods=["covariance"])
    assert done(experiment) == ["trained", "done"]
    model = tmp_path / "out" / "models" / "t2" / "covariance.safetensors"
    good = model.read_bytes()
    model.write_bytes(good[:-4])
    (tmp_path / "out" / "tests" / "ill" / "cohort.json").unlink()
    assert done(experiment) == ["trained", "done"]
    assert model.read_bytes() == good


def test_other_scans_replace_a_model_only_when_asked(data: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert done(small(data, out, methods=["covariance"])) == ["trained", "done"]
    before = (out / "models" / "t2" / "covariance.safetensors").read_bytes()
    other = small(data, out, methods=["covariance"], seed=5)
    assert other.tables != small(data, out).tables
    failed = reproduce(other)
    assert "--overwrite" in str(failed["train covariance@smoothing_mm=3.0 for t2"])
    assert (out / "models" / "t2" / "covariance.safetensors").read_bytes() == before
    assert done(other, overwrite=True) == ["trained", "done"]
    assert (out / "models" / "t2" / "covariance.safetensors").read_bytes() != before


def test_a_method_that_fails_costs_itself(data: dict[str, Path], tmp_path: Path) -> None:
    for path in data["healthy"].iterdir():
        path.write_bytes(path.read_bytes()[:200])
    experiment = small(data, tmp_path / "out")
    failed = reproduce(experiment)
    assert list(failed) == ["train covariance@smoothing_mm=3.0 for t2"]
    text = save_report(experiment, failed)["text"].read_text(encoding="utf-8")
    assert "not run" in text
    assert "tests/ill/cohort.html" in text
    assert "Failed:\n- train covariance" in text
    assert {one.method for one in figures_of(experiment) if one.here is not None} == {"Raw"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ill": None}, r"1 data set of small is missing: ill \(elsewhere\.org\)"),
        ({"healthy": None, "ill": None}, "2 data sets of small are missing"),
        ({"ill": "healthy"}, r"The data set ill: IXI holds IXI \(ixi\), not BraTS"),
        ({"ill": "nowhere"}, r"^nowhere: there is no such file .* Give the folder of ill"),
        # What was given comes before what is missing, all of it.
        ({"ill": None, "healthy": "nowhere"}, "^nowhere: there is no such file"),
        ({"ill": None, "healthy": "ill"}, "The data set healthy: BraTS holds BraTS"),
        ({"ill": "healthy", "healthy": "nowhere"}, "Data sets cannot be used: nowhere: .*; The data set ill: IXI holds IXI"),
        ({"il": "ill"}, "small has no data set 'il'. Did you mean ill"),
    ],
)
def test_data_are_looked_at_first(change: dict[str, str | None], message: str, data: dict[str, Path], tmp_path: Path) -> None:
    given = {**data, **{name: None if where is None else data.get(where, tmp_path / where) for name, where in change.items()}}
    with pytest.raises(InputError, match=message):
        small({name: path for name, path in given.items() if path is not None}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_paper_does_not_have(data: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no paper 'smal'\. Did you mean small"):
        paper("smal")
    for more, message in (
        ({"methods": ["vae"]}, "no method 'vae' that can be run here"),
        ({"methods": ["thresh-raw:x"]}, "models of a reproduction are trained by it"),
        ({"tests": ["il"]}, "no test 'il'. Did you mean ill"),
    ):
        with pytest.raises(InputError, match=message):
            small(data, tmp_path, **more)
    with pytest.raises(InputError, match=r"small needs no file 'weights'\. Its files: none"):
        plan_of(paper("small"), Request(data, {"weights": tmp_path}), tmp_path / "out")


def test_without_methods_that_learn_no_healthy_data_are_needed(data: dict[str, Path], tmp_path: Path) -> None:
    experiment = small({"ill": data["ill"]}, tmp_path / "out", methods=["thresh-raw"])
    assert [step.name for step in experiment.steps] == ["test on ill"]
    assert [path.name for path in experiment.tables] == ["test-ill-t2.csv"]


def test_a_dry_run_writes_nothing(data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [word for name, path in data.items() for word in ("--data", f"{name}={path}")]
    before = sorted(tmp_path.rglob("*"))
    assert main(["reproduce", "small", *given, "--out", str(tmp_path / "out"), "--dry-run", "--quiet"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    printed = capsys.readouterr().out
    assert "1. train covariance@smoothing_mm=3.0 for t2: 3 scans" in printed
    assert "train covariance@smoothing_mm=3.0 for t2: " in printed.split("2. test on ill")[1]
