"""A folder of results as an RO-Crate: the package rocrate loads it and finds the files that lie there, with the hashes they have."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate
from small_heads import brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.workflows.detect.command import given_files
from napari_brain_uad.workflows.models.ro_crate import check_crate

NAME = "ro-crate-metadata.json"


def _checked(folder: Path) -> ROCrate:
    """What rocrate makes of it: all files of the folder, with their hashes and sizes, and only links that lead somewhere."""
    crate = ROCrate(folder)
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file() and path.name != NAME}
    assert {entity.id for entity in crate.data_entities} == set(there)
    for entity in crate.data_entities:
        content = there[entity.id].read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest(), entity.id
        assert int(entity["contentSize"]) == len(content)
    graph = json.loads((folder / NAME).read_text())["@graph"]
    known = {entity["@id"] for entity in graph}
    assert len(known) == len(graph), "every name once"
    assert set(_links(graph)) <= known | {"https://w3id.org/ro/crate/1.1"}
    return crate


def _links(value: Any) -> list[str]:
    if isinstance(value, list):
        return [link for one in value for link in _links(one)]
    if not isinstance(value, dict):
        return []
    return [value["@id"]] if set(value) == {"@id"} else [link for one in value.values() for link in _links(one)]


def _actions(crate: ROCrate) -> list[Any]:
    return [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two scans below a folder that has the name of a person."""
    root = tmp_path / "Anna Muster" / "study"
    for number in range(2):
        subject = root / f"pat {number}"
        subject.mkdir(parents=True)
        scan, truth = head(number, lesion=True)
        save(scan, subject / "FLAIR.nii.gz")
        save(brain().astype("u1"), subject / "brainmask.nii.gz")
        save(truth.astype("u1"), subject / "truth.nii.gz")
    return root


def _run(*words: object) -> None:
    assert cli.main([*(str(word) for word in words), "--quiet"]) == 0


def test_two_runs_of_detect_in_one_folder(data: Path, tmp_path: Path) -> None:
    out, scan = tmp_path / "out", data / "pat 0" / "FLAIR.nii.gz"
    _run("detect", scan, "--method", "threshold", "--ro-crate", "--out", out)
    assert len(_actions(_checked(out))) == 1
    (out / "note.txt").write_text("of somebody")
    besides = {"Brain mask": data / "pat 0" / "brainmask.nii.gz", "Ground truth": data / "pat 0" / "truth.nii.gz"}
    masks = ["--mask", besides["Brain mask"], "--truth", besides["Ground truth"]]
    _run("detect", scan, "--method", "thresh-raw", *masks, "--out", out)  # the crate that is there is kept true
    (out / "note.txt").unlink()
    crate = _checked(out)
    first = next(action for action in _actions(crate) if action.id == "#run-FLAIR_threshold")
    assert first["instrument"].type == "SoftwareApplication"
    assert first["description"] == "Command: brain-uad detect FLAIR.nii.gz --method threshold --out OUT"
    assert "FLAIR_threshold_anomalymap.nii.gz" in [entity.id for entity in first["result"]]
    assert not [entity.id for entity in first["result"] if "thresh-raw" in entity.id]
    (given,) = first["object"] if isinstance(first["object"], list) else [first["object"]]
    assert given["name"] == "FLAIR"
    manifest = json.loads((out / "FLAIR_threshold_manifest.json").read_text())
    assert given["sha256"] == manifest["input"]["sha256"]
    second = next(action for action in _actions(crate) if action.id == "#run-FLAIR_thresh-raw")
    told = {(one["description"].partition(",")[0], one["name"], one["sha256"]) for one in second["object"]}
    wanted = {(what, file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for what, file in besides.items()}
    assert told == wanted | {("Input", "FLAIR", given["sha256"])}
    assert any(paper.id.startswith("https://") for paper in crate.root_dataset["citation"])
    assert crate.root_dataset["license"]["name"] == "Not stated"
    assert "Muster" not in (out / NAME).read_text()


def test_a_batch_and_an_evaluation(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "batch"
    _run("batch", data, "--ro-crate", "--out", out)
    assert {action["name"] for action in _actions(_checked(out))} == {
        "Detection of anomalies in a folder of scans",
        "Detection of anomalies in a scan",
    }
    out = tmp_path / "study"
    _run("evaluate", data, "--methods", "threshold,thresh-raw", "--ro-crate", "--out", out)
    crate = _checked(out)
    (action,) = _actions(crate)
    assert action["description"].startswith("Command: brain-uad evaluate")
    assert "Muster" not in (out / NAME).read_text()
    assert len(crate.root_dataset["citation"]) > 0, "the papers of the methods"


def test_files_besides_scans_are_inputs_of_a_run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, out = data / "pat 0" / "FLAIR.nii.gz", tmp_path / "stress"
    masks = [f"--mask={data / 'pat 0' / 'brainmask.nii.gz'}", "--truth", data / "pat 0" / "truth.nii.gz"]
    _run("stress", *masks, scan, "--methods", "thresh-raw", "--kinds", "noise", "--ro-crate", "--out", out)
    (action,) = _actions(_checked(out))
    assert sorted(one["name"] for one in action["object"]) == ["a set of scans", "brainmask.nii.gz", "truth.nii.gz"]
    # What came from no file is none, and a file that is gone has no hash.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.nii.gz").write_bytes(b"m")
    told = given_files("brain-uad detect SCAN --mask m.nii.gz --truth TRUTH --healthy a.nii.gz m.nii.gz --seed 3 --out OUT")
    one = hashlib.sha256(b"m").hexdigest()
    assert [(file["what"], file["name"], file["sha256"]) for file in told] == [
        ("Brain mask", "m.nii.gz", one),
        ("Healthy brain", "a.nii.gz", ""),
        ("Healthy brain", "m.nii.gz", one),
    ]


def test_the_crate_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"@context": [], "@graph": [{"@id": "./"}]}')
    with pytest.raises(InputError, match="is there already"):
        check_crate(tmp_path)
