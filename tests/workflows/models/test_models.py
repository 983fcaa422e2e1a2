"""Models: what is listed, found, taken by default; and thirty hostile files of which none gets in and none runs code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as to_safetensors

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import BrainUADError, InputError, ModelError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io import checkpoint
from napari_brain_uad.io.checkpoint import FORMAT, load_checkpoint, save_checkpoint
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.score import load_detector
from napari_brain_uad.workflows.models import models, transfer
from napari_brain_uad.workflows.models.models import default_model, find_model, list_models, model_problems, user_dir
from napari_brain_uad.workflows.models.recommend import recommend
from napari_brain_uad.workflows.models.transfer import export_model, import_model, remove_model

SHAPE = (10, 12, 8)
GRID = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
CARD = {"title": "Healthy T1", "sequences": ["T1"], "measured": [{"metric": "Dice", "value": 0.5, "data": "one scan", "source": "test"}]}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(models, "shipped_dir", lambda: tmp_path / "shipped")


def state(value: float = 1.0) -> dict[str, np.ndarray]:
    """What `covariance` learns, small."""
    support = np.zeros(SHAPE, bool)
    support[2:8, 2:10, 2:6] = True
    mean, deviation = np.zeros(SHAPE, np.float32), np.full(SHAPE, value, np.float32)
    return {"mean": mean, "deviation": deviation, "support": support, "components": np.zeros((0, 192), np.float32), "affine": GRID.affine}


def put(folder: Path, name: str, *, meta: dict[str, Any] | None = None, card: object = None, value: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    params = {"smoothing_mm": 0.0, "components": 0, "tail": "bright", "floor": 0.1}
    save_checkpoint(folder / name, method="covariance", params=params, state=state(value), meta=meta or {})
    if card is not None:
        (folder / f"{name}.card.json").write_text(json.dumps(card))
    return folder / f"{name}.safetensors"


def scan(sequence: str | None = "T1") -> Volume:
    data = np.zeros(SHAPE, np.float32)
    data[2:8, 2:10, 2:6] = np.random.default_rng(0).normal(100, 10, (6, 8, 4))
    return Volume(data, GRID, name="scan", mask=data > 0, sequence=sequence)


# Lists


def test_without_any_model_everything_is_empty_and_detecting_says_what_to_do() -> None:
    assert list_models() == ()
    assert default_model("covariance", "T1") is None
    with pytest.raises(ModelError, match="Train dock") as caught:
        load_detector("covariance")
    assert "brain-uad train covariance" in caught.value.fix
    assert "brain-uad models import" in caught.value.fix


def test_shipped_models_come_first_and_cards_are_read(tmp_path: Path) -> None:
    put(tmp_path / "shipped", "zeta", card=CARD)
    put(user_dir(), "alpha", meta={"sequences": ["FLAIR"], "seed": 3, "scans": ["a", "b"], "machine": 7})
    shipped, own = list_models()
    assert (shipped.id, shipped.title, shipped.sequences, shipped.shipped) == ("zeta", "Healthy T1", ("T1",), True)
    assert shipped.card["measured"][0]["value"] == 0.5
    assert (own.id, own.sequences, own.shipped) == ("alpha", ("FLAIR",), False)
    assert own.card == {"sequences": ["FLAIR"], "seed": 3, "scans": 2}
    assert own.sha256 == hashlib.sha256(own.path.read_bytes()).hexdigest()
    assert list_models("threshold") == ()


def test_a_damaged_model_is_not_listed_and_said(tmp_path: Path) -> None:
    put(user_dir(), "good")
    bad = put(user_dir(), "bad")
    bad.with_suffix(".json").write_text("{}")
    assert [model.id for model in list_models()] == ["good"]
    (problem,) = model_problems()
    assert "bad.json" in str(problem)
    with pytest.raises(ModelError, match=r"bad\.json"):  # it is there: what is wrong with it, not that there is none
        find_model("bad")


@pytest.mark.parametrize(
    "card",
    [
        [],
        {"title": 5},
        {"measured": [{"metric": "Dice"}]},
        {"sequences": "T1"},
        {"seconds": float("nan")},
        {"title": None},
        {"unheard": "of"},
        {"measured": [{"metric": "Dice", "value": True, "data": "", "source": ""}]},
    ],
)
def test_a_card_that_is_none_is_refused(card: object) -> None:
    put(user_dir(), "model", card=card)
    assert list_models() == ()
    assert "model.card.json" in str(model_problems()[0])


def test_found_by_id_or_path(tmp_path: Path) -> None:
    path = put(user_dir(), "mine")
    elsewhere = put(tmp_path / "elsewhere", "other")
    assert find_model("mine").path == path
    for given in (str(elsewhere), elsewhere, elsewhere.with_suffix(".json"), elsewhere.with_suffix("")):
        assert find_model(given).id == "other"
    with pytest.raises(ModelError, match="mine"):
        find_model("mien")
    with pytest.raises(ModelError, match=r"nowhere\.json"):
        find_model(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(("sequence", "expected"), [("T1", "for-t1"), ("FLAIR", "for-flair"), ("T2", "for-any"), (None, "for-any")])
def test_the_default_fits_the_sequence(sequence: str | None, expected: str) -> None:
    put(user_dir(), "for-any")
    put(user_dir(), "for-flair", meta={"sequences": ["FLAIR"]})
    put(user_dir(), "for-t1", meta={"sequences": ["T1"]})
    assert default_model("covariance", sequence).id == expected  # type: ignore[union-attr]


def test_a_model_for_one_sequence_goes_before_one_for_several_and_shipped_ones_before_the_user_s() -> None:
    put(models.shipped_dir(), "all", meta={"sequences": ["FLAIR", "T1", "T2"]})
    put(models.shipped_dir(), "all-T1", meta={"sequences": ["T1"]})
    put(user_dir(), "a-T2", meta={"sequences": ["T2"]})
    found = {sequence: default_model("covariance", sequence) for sequence in ("T1", "T2", "FLAIR", None)}
    assert {name: model and model.id for name, model in found.items()} == {"T1": "all-T1", "T2": "all", "FLAIR": "all", None: "all"}


def test_a_model_for_another_sequence_is_no_default_but_can_be_asked_for() -> None:
    put(user_dir(), "for-flair", meta={"sequences": ["FLAIR"]})
    assert default_model("covariance", "T1") is None
    with pytest.raises(ModelError, match="no model for T1") as caught:
        detect(scan("T1"), "covariance")
    assert "for-flair (FLAIR)" in caught.value.why
    assert detect(scan("T1"), "covariance", model="for-flair").map.method == "covariance"
    assert default_model("covariance", None).id == "for-flair"  # type: ignore[union-attr]


def test_a_run_takes_the_default_model_and_its_record_and_command_name_it() -> None:
    path = put(user_dir(), "for-t1", meta={"sequences": ["T1"]})
    detection = detect(scan(), "covariance")
    known = {"name": "for-t1", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "sequences": ["T1"]}
    assert detection.map.provenance["model"] == known
    assert detection.map.provenance["method"]["params"]["tail"] == "bright"
    assert "--method covariance:for-t1 " in detection.command
    same = detect(scan(), "covariance", model=path)
    np.testing.assert_array_equal(same.map.score, detection.map.score)


def test_methods_that_learn_nothing_take_no_model() -> None:
    put(user_dir(), "mine")
    with pytest.raises(InputError, match="takes no model"):
        load_detector("threshold", model="mine")


def test_recommended_methods_can_run_and_say_why() -> None:
    for sequence in ("FLAIR", "T1", "T1c", "T2", "PD", None):
        method, why = recommend(sequence)
        assert len(why) > 20
        assert load_detector(method) is not None
    assert recommend("FLAIR")[0] == "robust-intensity"


# In and out


def test_import_and_export_give_the_same_files(tmp_path: Path) -> None:
    given = put(tmp_path / "given", "atlas", card=CARD)
    model = import_model(given)
    assert (model.id, model.title) == ("atlas", "Healthy T1")
    assert list_models() == (model,)
    files = export_model(model, tmp_path / "out")
    assert {file.name for file in files} == {"atlas.safetensors", "atlas.json", "atlas.card.json"}
    for file in files:
        assert file.read_bytes() == (given.parent / file.name).read_bytes()
    assert sorted(path.name for path in user_dir().iterdir()) == sorted(file.name for file in files)
    export_model(model, tmp_path / "out")
    assert import_model(tmp_path / "out" / "atlas.json") == model


def test_a_model_that_takes_a_stage_from_another_is_exported_and_imported_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a later version has another model of that name, too."""
    monkeypatch.setattr(checkpoint, "_WEIGHTS", tmp_path / "shipped")
    monkeypatch.setattr(transfer, "shipped_dir", lambda: tmp_path / "shipped")
    lender = put(tmp_path / "shipped", "lender", meta={"version": 1})
    short = {"borrowed": {"a": {"name": "lender", "sha256": load_checkpoint(lender).sha256}}}
    model = import_model(put(tmp_path / "given", "short", meta=short))
    own = {"short.safetensors", "short.json"}
    assert {path.name for path in user_dir().iterdir()} == own, "the package has the other"
    files = export_model(model, tmp_path / "out")
    assert {file.name for file in files} == own | {"lender.safetensors", "lender.json"}
    remove_model(model)
    put(tmp_path / "shipped", "lender", value=2.0)
    again = import_model(tmp_path / "out" / "short.json", name="again")
    assert load_checkpoint(again.path).meta["borrowed"] == short["borrowed"]
    assert import_model(tmp_path / "out" / "short.json", name="again") == again
    assert find_model("lender").shipped
    remove_model(again)
    put(user_dir(), "lender", value=3.0)
    with pytest.raises(InputError, match=r"You have another lender\.safetensors"):
        import_model(tmp_path / "out" / "short.json")
    assert not (user_dir() / "short.json").exists()


def test_an_import_replaces_nothing(tmp_path: Path) -> None:
    first = import_model(put(tmp_path / "a", "atlas"))
    with pytest.raises(InputError, match="already a model"):
        import_model(put(tmp_path / "b", "Atlas", value=2.0))
    assert import_model(tmp_path / "b" / "Atlas.safetensors", name="atlas-2").id == "atlas-2"
    assert find_model("atlas") == first


def test_an_export_replaces_nothing(tmp_path: Path) -> None:
    model = import_model(put(tmp_path / "a", "atlas"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "atlas.json").write_text("mine")
    with pytest.raises(InputError, match="another atlas"):
        export_model(model, out)
    assert [path.name for path in out.iterdir()] == ["atlas.json"]


def test_removing(tmp_path: Path) -> None:
    put(tmp_path / "shipped", "shipped")
    model = import_model(put(tmp_path / "a", "atlas", card=CARD))
    remove_model(model)
    assert list(user_dir().iterdir()) == []
    for other in (find_model("shipped"), find_model(tmp_path / "a" / "atlas")):
        with pytest.raises(InputError, match="cannot be removed"):
            remove_model(other)
        assert other.path.is_file()


@pytest.mark.parametrize(
    "name", ["", "..", "../up", "/abs", ".hidden", "a/b", "a\\b", "con", "LPT1.x", "a b", "a..b", "x" * 81, "ü", "-x", "a.json"]
)
def test_names_that_are_no_ids(tmp_path: Path, name: str) -> None:
    given = put(tmp_path / "given", "model")
    if name == "":
        assert import_model(given, name=name).id == "model"
        return
    with pytest.raises(InputError, match="cannot be the name"):
        import_model(given, name=name)
    assert not user_dir().exists()


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = put(tmp_path / "given", "atlas", card=CARD)
    assert main(["models"]) == 0
    assert "No models" in capsys.readouterr().out
    assert main(["models", "import", str(given), "--name", "mine"]) == 0
    sha = hashlib.sha256(given.read_bytes()).hexdigest()
    assert sha in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["id"], record["sha256"], record["title"]) == ("mine", sha, "Healthy T1")
    assert main(["models", "show", "mine"]) == 0
    shown = capsys.readouterr().out
    for part in ("Healthy T1", sha, "tail=bright", "  Measured   test\n    one scan  Dice 0.5\n"):
        assert part in shown
    assert main(["models", "export", "mine", str(tmp_path / "out")]) == 0
    assert main(["models", "export", "mine", "--out", str(tmp_path / "other")]) == 0
    assert {path.name for path in (tmp_path / "other").iterdir()} == {path.name for path in (tmp_path / "out").iterdir()}
    assert main(["models", "export", "mine", "x", "--out", "y"]) == 2
    assert main(["models", "export", "mine"]) == 2
    assert load_checkpoint(tmp_path / "out" / "mine").sha256 == sha
    assert main(["models", "remove", "mine"]) == 0
    assert main(["models", "show", "mine"]) == 3
    assert "There is no model 'mine'" in capsys.readouterr().err


# Hostile files

RAN = "napari_brain_uad_code_ran"


class Harm:
    """Leaves a mark in the environment when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"import os; os.environ[{RAN!r}] = '1'",))


PICKLE = pickle.dumps(Harm())
GOOD = to_safetensors(state())


def sealed(folder: Path, data: bytes, name: str = "model", card: bytes | None = None, **changes: Any) -> Path:
    """A pair whose JSON vouches for `data`: what somebody who wants to do harm can write."""
    params = {"smoothing_mm": 0.0, "components": 0, "tail": "both", "floor": 0.1}
    body = {"method": "covariance", "params": params, "meta": {}, "sha256": hashlib.sha256(data).hexdigest()} | changes
    text = json.dumps(body, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    record = body | {"seal": hashlib.sha256(text.encode()).hexdigest()}
    (folder / f"{name}.json").write_text(json.dumps({"format": FORMAT, "checkpoint": record}))
    (folder / f"{name}.safetensors").write_bytes(data)
    if card is not None:
        (folder / f"{name}.card.json").write_bytes(card)
    return folder / f"{name}.safetensors"


def torch_file(names: tuple[str, ...] = ("archive/data.pkl",)) -> bytes:
    """As torch.save writes it: a zip with a pickle in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, PICKLE)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("../../evil.py")
        member.size = len(PICKLE)
        archive.addfile(member, io.BytesIO(PICKLE))
    return buffer.getvalue()


def headed(text: str, tail: bytes = b"", length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text.encode() + tail


def plain(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def linked(folder: Path) -> Path:
    path = sealed(folder, GOOD)
    path.unlink()
    path.symlink_to("/dev/zero")
    return path


def directory(folder: Path) -> Path:
    path = sealed(folder, GOOD)
    path.unlink()
    path.mkdir()
    return path


def pipe(folder: Path) -> Path:
    path = sealed(folder, GOOD)
    path.unlink()
    os.mkfifo(path)
    return path


def wrong_hash(folder: Path) -> Path:
    path = sealed(folder, GOOD)
    path.write_bytes(to_safetensors(state(2.0)))
    return path


def unsealed(folder: Path) -> Path:
    path = sealed(folder, GOOD)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace('"both"', '"dark"'))
    return path


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "pickle": lambda f: plain(f, "model.pkl", PICKLE),
    "torch .pt": lambda f: plain(f, "model.pt", torch_file()),
    "torch .ckpt": lambda f: plain(f, "model.ckpt", torch_file(("archive/data.pkl", "../../evil.py"))),
    "joblib": lambda f: plain(f, "model.joblib", PICKLE),
    "numpy with objects": lambda f: plain(f, "model.npy", b"\x93NUMPY\x01\x00" + PICKLE),
    "keras with a lambda": lambda f: plain(f, "model.keras", torch_file(("config.json",))),
    "pickle called safetensors": lambda f: plain(f, "model.safetensors", PICKLE),
    "pickle vouched for": lambda f: sealed(f, PICKLE),
    "old pickle vouched for": lambda f: sealed(f, pickle.dumps(Harm(), protocol=0)),
    "torch zip vouched for": lambda f: sealed(f, torch_file()),
    "tar with an upward path": lambda f: sealed(f, tarred()),
    "polyglot: safetensors, then zip": lambda f: sealed(f, GOOD + torch_file()),
    "polyglot: pickle in the header": lambda f: sealed(f, headed("{" + PICKLE.decode("latin-1") + "}")),
    "polyglot: header over a pickle": lambda f: sealed(f, headed("{}", PICKLE)),
    "giant header": lambda f: sealed(f, headed("{" + " " * (5 << 20) + "}")),
    "header beyond the file": lambda f: sealed(f, headed("{}", length=1 << 60)),
    "giant tensor": lambda f: sealed(f, headed('{"mean":{"dtype":"F32","shape":[4000000000,4000000000],"data_offsets":[0,4]}}', bytes(4))),
    "offsets outside": lambda f: sealed(f, headed('{"mean":{"dtype":"F32","shape":[1],"data_offsets":[40,44]}}', bytes(4))),
    "deep JSON": lambda f: (sealed(f, GOOD), (f / "model.json").write_text("[" * 200_000), f / "model.safetensors")[-1],  # type: ignore[func-returns-value]
    "deep JSON in the header": lambda f: sealed(f, headed('{"a":' * 100_000)),
    "wrong hash": wrong_hash,
    "changed settings": unsealed,
    "no JSON": lambda f: plain(f, "model.safetensors", GOOD),
    "link to a device": linked,
    "folder for a file": directory,
    "pipe for a file": pipe,
    "method with a path": lambda f: sealed(f, GOOD, method="../../evil:Harm"),
    "method that is none": lambda f: sealed(f, GOOD, method="os:system"),
    "method that learns nothing": lambda f: sealed(f, to_safetensors({"a": np.ones(2)}), method="threshold", params={}),
    "unknown settings": lambda f: sealed(f, GOOD, params={"__class__": "os.system"}),
    "settings of wrong type": lambda f: sealed(f, GOOD, params={"smoothing_mm": {"a": []}}),
    "no arrays": lambda f: sealed(f, to_safetensors({})),
    "another network's arrays": lambda f: sealed(f, to_safetensors({"encoder.weight": np.ones((3, 3), np.float32)})),
    "NaN": lambda f: sealed(f, to_safetensors(state(float("nan")))),
    "arrays that do not fit each other": lambda f: sealed(f, to_safetensors(state() | {"mean": np.zeros((2, 2, 2), np.float32)})),
    "card that is a pickle": lambda f: sealed(f, GOOD, card=PICKLE),
    "card of 2 MB": lambda f: sealed(f, GOOD, card=b'{"title": "' + b"x" * (2 << 20) + b'"}'),
    "hidden name": lambda f: sealed(f, GOOD, name=".model"),
    "name with a bell": lambda f: sealed(f, GOOD, name="mo\adel"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_do_not_get_in_and_run_nothing(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAN, raising=False)
    folder = tmp_path / "given"
    folder.mkdir()
    path = HOSTILE[kind](folder)
    with pytest.raises(BrainUADError) as caught:
        import_model(path)
    assert RAN not in os.environ
    assert caught.value.what
    assert caught.value.fix
    assert not user_dir().exists() or list(user_dir().iterdir()) == []
    assert not (tmp_path / "evil.py").exists()
    # The command line says the same in one sentence.
    assert main(["models", "import", str(path)]) in (2, 3)


BAD_CARDS = {
    "huge number": b'{"seed": ' + b"9" * 401 + b"}",
    "lone surrogate": b'{"title": "\\ud800"}',
    "brackets": b"[" * 100_000,
    "wrong types": b'{"measured": [{"metric": 1, "value": "x", "data": [], "source": {}}]}',
    "NaN": b'{"seconds": NaN}',
    "not UTF-8": b'{"title": "\xff"}',
    "twice": b'{"title": "a", "title": "b"}',
    "a list": b"[]",
}


@pytest.mark.parametrize("kind", BAD_CARDS)
def test_a_bad_card_costs_its_model_only(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    user_dir().mkdir(parents=True)
    sealed(user_dir(), GOOD, name="bad", card=BAD_CARDS[kind])
    sealed(user_dir(), GOOD, name="good", card=b'\xef\xbb\xbf{"title": "Red \\u001b[31m \\u202e title <b>"}')
    assert [model.id for model in list_models() if not model.shipped] == ["good"]
    assert find_model("good").method == "covariance"
    assert main(["models"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("brain-uad: not listed: bad.card.json: ")
    assert said.err.count("\n") == 1
    assert r"Red \x1b[31m \u202e title <b>" in said.out
    assert main(["models", "show", "good"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_harm_of_these_tests_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAN, raising=False)
    pickle.loads(PICKLE)
    assert os.environ.pop(RAN) == "1"


def test_the_forged_pair_without_the_harm_gets_in(tmp_path: Path) -> None:
    assert import_model(sealed(tmp_path, GOOD)).id == "model"
