"""Models on disk: what was saved comes back, and nothing else is ever loaded."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.io import checkpoint as module
from napari_brain_uad.io.checkpoint import Checkpoint, lender_files, load_checkpoint, save_checkpoint

RNG = np.random.default_rng(9)
STATE = {
    "mean": RNG.random((4, 5, 6), np.float32),
    "count": np.array(7, np.int64),
    "mask": RNG.random((3, 3)) > 0.5,
    "turned": RNG.random((5, 7)).T,
    "empty": np.zeros((0, 3), np.float32),
}
PARAMS: dict[str, Any] = {"sigma_mm": 2.5, "components": 10, "mode": "fast", "bias": True}
META: dict[str, Any] = {"seed": 4, "scans": ["ü", "b"], "loss": [0.5, 0.25]}


def put(folder: Path, name: str = "model", state: dict[str, Any] = STATE) -> Path:
    save_checkpoint(folder / name, method="covariance", params=PARAMS, state=state, meta=META)
    return folder / f"{name}.safetensors"


def seal(path: Path, data: bytes, **changes: Any) -> None:
    """Forge a pair whose JSON fits `data`: what somebody who wants to do harm can write."""
    body = {"method": "m", "params": {}, "meta": {}, "sha256": hashlib.sha256(data).hexdigest()} | changes
    text = json.dumps(body, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    record = body | {"seal": hashlib.sha256(text.encode()).hexdigest()}
    path.with_suffix(".safetensors").write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps({"format": module.FORMAT, "checkpoint": record}))


@pytest.mark.parametrize("suffix", ["", ".safetensors", ".json"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    save_checkpoint(tmp_path / f"net.v1.2{suffix}", method="covariance", params=PARAMS, state=STATE, meta=META)
    assert {path.name for path in tmp_path.iterdir()} == {"net.v1.2.safetensors", "net.v1.2.json"}
    back = load_checkpoint(tmp_path / f"net.v1.2{suffix}")
    assert (back.method, back.params, back.meta) == ("covariance", PARAMS, META)
    assert set(back.state) == set(STATE)
    for name, array in STATE.items():
        assert back.state[name].dtype == array.dtype
        np.testing.assert_array_equal(back.state[name], array)
        assert back.state[name].shape == array.shape
    assert back.sha256 == hashlib.sha256((tmp_path / "net.v1.2.safetensors").read_bytes()).hexdigest()


def test_others_can_read_it(tmp_path: Path) -> None:
    """The arrays with safetensors itself, the record as plain JSON."""
    path = put(tmp_path)
    np.testing.assert_array_equal(load_file(path)["mean"], STATE["mean"])
    record = json.loads(path.with_suffix(".json").read_text())["checkpoint"]
    assert record["method"] == "covariance"
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["versions"]["numpy"] == np.__version__


def test_same_model_same_bytes(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a"), put(tmp_path, "b", dict(reversed(STATE.items())))
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".json").read_bytes() == second.with_suffix(".json").read_bytes()


def test_nan_is_neither_saved_nor_loaded(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="NaN"):
        put(tmp_path, state={"a": np.array([1.0, np.nan])})
    assert not list(tmp_path.iterdir())
    seal(tmp_path / "forged", to_safetensors({"a": np.array([1.0, np.inf], np.float32)}))
    with pytest.raises(ModelError, match="NaN or infinite"):
        load_checkpoint(tmp_path / "forged")


def test_forging_helper_makes_loadable_files(tmp_path: Path) -> None:
    seal(tmp_path / "forged", to_safetensors({"a": np.ones(3, np.float32)}))
    assert load_checkpoint(tmp_path / "forged").method == "m"


class Harm:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of the file was run')",))


def zipped(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "z", "w") as file:
        file.writestr("../../archive/data.pkl", pickle.dumps(Harm()))
    return (folder / "z").read_bytes()


def header(text: str, tail: bytes = b"", length: int | None = None) -> bytes:
    raw = text.encode()
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + tail


PAYLOADS: dict[str, bytes] = {
    "empty": b"",
    "pickle": pickle.dumps(Harm()),
    "text": b"weights",
    "seven bytes": b"1234567",
    "header longer than the file": header("{}", length=1 << 40),
    "giant header": header("{" + " " * (5 << 20) + "}"),
    "negative length": b"\xff" * 8 + b"{}",
    "not JSON": header("{oops}"),
    "not an object": header("[1, 2]"),
    "type unknown": header('{"a":{"dtype":"OBJ","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "half precision of another kind": header('{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}', bytes(4)),
    "shape too large": header('{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4]}}', bytes(4)),
    "shape overflows": header('{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}', bytes(4)),
    "shape negative": header('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', bytes(4)),
    "offsets outside": header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[400,404]}}', bytes(4)),
    "offsets swapped": header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', bytes(4)),
    "arrays overlap": header(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)
    ),
    "bytes left over": header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(9)),
}


@pytest.mark.parametrize("name", [*PAYLOADS, "zip"])
def test_hostile_files_are_refused_even_with_the_right_sha256(tmp_path: Path, name: str) -> None:
    seal(tmp_path / "forged", zipped(tmp_path) if name == "zip" else PAYLOADS[name])
    with pytest.raises(ModelError) as caught:
        load_checkpoint(tmp_path / "forged")
    assert "forged" in caught.value.what
    assert caught.value.why
    assert caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": "other"}',
        json.dumps({"format": module.FORMAT}),
        json.dumps({"format": module.FORMAT, "checkpoint": 3}),
        json.dumps({"format": module.FORMAT, "checkpoint": {"method": "m"}}),
        '{"format": NaN}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_hostile_sidecars_are_refused(tmp_path: Path, text: str) -> None:
    path = put(tmp_path)
    path.with_suffix(".json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError):
        load_checkpoint(path)


def test_changed_sidecar_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace('"sigma_mm": 2.5', '"sigma_mm": 2.6'))
    with pytest.raises(ModelError, match="changed"):
        load_checkpoint(path)


def test_missing_or_strange_halves(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a"), put(tmp_path, "b", {"x": np.zeros(2)})
    first.write_bytes(second.read_bytes())
    with pytest.raises(ModelError, match="SHA-256"):
        load_checkpoint(first)
    second.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"b\.json"):
        load_checkpoint(second)
    first.unlink()
    with pytest.raises(ModelError, match=r"a\.safetensors"):
        load_checkpoint(first)
    first.mkdir()
    with pytest.raises(ModelError, match="no such file"):
        load_checkpoint(first)


def test_500_flipped_bits_500_refused(tmp_path: Path) -> None:
    path = put(tmp_path)
    sidecar = path.with_suffix(".json")
    rng = np.random.default_rng(0)
    for n in range(500):
        victim = path if n % 2 else sidecar
        content = victim.read_bytes()
        changed = bytearray(content)
        changed[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        victim.write_bytes(bytes(changed))
        with pytest.raises(ModelError):
            load_checkpoint(path)
        victim.write_bytes(content)
    assert isinstance(load_checkpoint(path), Checkpoint)


def test_interrupted_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of its writes does not happen any more, the old or the new checkpoint is there, whole."""
    written = 0

    def stop_after(limit: int) -> None:
        nonlocal written
        written = 0
        for name, real in originals.items():

            def counted(path: Path, data: Any, real: Any = real) -> None:
                nonlocal written
                if written == limit:
                    raise KeyboardInterrupt
                written += 1
                real(path, data)

            monkeypatch.setattr(module, name, counted)

    originals = {"write_bytes": module.write_bytes, "write_json": module.write_json}
    for limit in range(4):
        monkeypatch.undo()
        old, new = {"x": np.zeros(3)}, {"x": np.ones(3)}
        put(tmp_path, state=old)
        stop_after(limit)
        if limit < 3:
            with pytest.raises(KeyboardInterrupt):
                put(tmp_path, state=new)
        else:
            put(tmp_path, state=new)
            assert written == 3
        assert load_checkpoint(tmp_path / "model").state["x"][0] == (0.0 if limit < 2 else 1.0)
        monkeypatch.undo()
        # And it can be written over again from there.
        put(tmp_path, state=new)
        assert load_checkpoint(tmp_path / "model").state["x"][0] == 1.0


def borrower(folder: Path, lender: Any) -> Path:
    save_checkpoint(folder / "short", method="covariance", params=PARAMS, state={"b.one": np.ones(3)}, meta={"borrowed": lender})
    return folder / "short.safetensors"


def test_a_stage_of_another_model_is_read_from_beside_it_or_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(module, "_WEIGHTS", package)
    lender = put(package, "lender", {"a.one": STATE["mean"], "ab": np.zeros(2), "b.one": np.zeros(3)})
    short = borrower(tmp_path, {"a": {"name": "lender", "sha256": load_checkpoint(lender).sha256}})
    state = load_checkpoint(short).state
    assert set(state) == {"a.one", "b.one"}
    assert np.array_equal(state["a.one"], STATE["mean"])
    assert state["b.one"].all(), "its own"
    beside = tmp_path / lender.name
    lender.rename(beside)
    assert set(load_checkpoint(short).state) == {"a.one", "b.one"}
    put(tmp_path, "lender", {"a.one": STATE["mean"] + 1})
    with pytest.raises(ModelError, match=r"short\.safetensors is not whole.*stage a is that of the model lender"):
        load_checkpoint(short)
    beside.unlink()
    with pytest.raises(ModelError, match="Put the files of lender beside it"):
        load_checkpoint(short)


def test_a_file_that_cannot_be_read_hides_no_lender_in_the_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, folder = tmp_path / "package", tmp_path / "mine"
    package.mkdir()
    folder.mkdir()
    monkeypatch.setattr(module, "_WEIGHTS", package)
    lender = put(package, "lender", {"a.one": STATE["mean"]})
    short = borrower(folder, {"a": {"name": "lender", "sha256": load_checkpoint(lender).sha256}})
    monkeypatch.setattr(module, "_MAX_TENSORS", 10_000)
    assert lender_files(short) == (lender,)
    for good, bad in ((package, folder), (folder, package)):
        if not (good / lender.name).exists():
            (bad / lender.name).rename(good / lender.name)
        (bad / lender.name).write_bytes(bytes(10_001))
        assert "a.one" in load_checkpoint(short).state
        assert lender_files(short) == (good / lender.name,)
        (bad / lender.name).unlink()


@pytest.mark.parametrize(
    "lender", [[], {"a": 3}, {"a": {"name": "x"}}, {"a": {"name": "../x", "sha256": "0"}}, {"a": {"name": 3, "sha256": "0"}}]
)
def test_what_cannot_be_read_of_a_lender_is_an_error(tmp_path: Path, lender: Any) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(borrower(tmp_path, lender))
