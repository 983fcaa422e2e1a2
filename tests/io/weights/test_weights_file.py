"""Files of torch.save, without running anything in them; the oracle is torch itself."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.io.weights import torch_pickle, weights_file
from napari_brain_uad.io.weights.weights_file import read_weights


def tensors() -> dict[str, torch.Tensor]:
    numbers = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    return OrderedDict(
        plain=numbers,
        shared=numbers[1:3],
        turned=numbers.T,
        apart=numbers[:, ::2],
        half=numbers.half(),
        count=torch.tensor(7),
        empty=torch.zeros(0, 3),
        flags=torch.tensor([True, False]),
        weight=torch.nn.Parameter(numbers + 1),
        layout=torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last) + 2,
    )


@pytest.fixture(params=["zip", "legacy"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.save(tensors(), tmp_path / "w.pth", _use_new_zipfile_serialization=request.param == "zip")
    return tmp_path / "w.pth"


def test_tensors_are_those_that_torch_reads(written: Path) -> None:
    found = read_weights(written).state
    assert list(found) == list(tensors())
    for name, tensor in tensors().items():
        assert found[name].dtype == tensor.detach().numpy().dtype, name
        assert np.array_equal(found[name], tensor.detach().numpy()), name


def test_a_networks_state_is_read(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth").state
    assert set(found) == set(network.state_dict())
    assert np.array_equal(found["0.weight"], network.state_dict()["0.weight"].numpy())


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.arange(3.0)}, tmp_path / "w.safetensors")
    assert read_weights(tmp_path / "w.safetensors").state["a"].tolist() == [0.0, 1.0, 2.0]


class _Runs:
    """A pickle that would run something."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return (Path.touch, (self.flag,))  # type: ignore[return-value]


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_runs(tmp_path: Path, zipped: bool) -> None:
    flag = tmp_path / "ran"
    torch.save({"a": torch.zeros(2), "b": _Runs(flag)}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="no list of tensors needs"):
        read_weights(tmp_path / "w.pth")
    assert not flag.exists()
    pickle.loads(pickle.dumps(_Runs(flag)))
    assert flag.exists()  # it was armed


@pytest.mark.parametrize("name", ["os system", "torch load", "builtins eval", "torch._utils _rebuild_device_tensor_from_numpy"])
def test_only_known_names_are_let_in(name: str) -> None:
    module, _, function = name.partition(" ")
    with pytest.raises(torch_pickle.Refused, match="no list of tensors needs"):
        torch_pickle.read_pickle(io.BytesIO(f"\x80\x02c{module}\n{function}\n.".encode("latin-1")))


@pytest.mark.parametrize("protocol", [0, 3, 4, 5])
def test_other_protocols_are_refused(protocol: int) -> None:
    with pytest.raises(torch_pickle.Refused):
        torch_pickle.read_pickle(io.BytesIO(pickle.dumps({"a": 1.5}, protocol)))


def storage(arguments: str) -> bytes:
    """A pickle of a tensor on a storage of 6 floats, with these arguments of `_rebuild_tensor_v2`."""
    ints = {str(number): b"K" + bytes([number]) for number in range(64)}
    body = b"".join(ints[word] if word in ints else word.encode() for word in arguments.split())
    held = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + held + body + b"\x89ccollections\nOrderedDict\n)RtRs."


def test_the_pickle_by_hand_is_one() -> None:
    found = torch_pickle.read_pickle(io.BytesIO(storage("1 ( 2 2 t ( 2 1 t")))["a"]
    assert found.of(np.arange(6.0)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "arguments",
    [
        "0 ( 7 t ( 1 t",
        "1 ( 2 3 t ( 3 1 t",
        "0 ( 2 2 t ( 5 1 t",
        "6 ( 1 t ( 1 t",
        "0 ( 7 t ( 0 t",
        "0 ( 2 t ( 1 1 t",
        "0 ( 2 t 1",
        "0 ( 2 t ( N t",
    ],
)
def test_tensors_beyond_their_numbers_are_refused(arguments: str) -> None:
    with pytest.raises(torch_pickle.Refused, match=r"beyond|damaged"):
        torch_pickle.read_pickle(io.BytesIO(storage(arguments)))


def test_every_damage_is_told(written: Path) -> None:
    """Cut short anywhere, or with a byte changed, it is refused or still gives arrays; nothing else is raised."""
    data, rng = written.read_bytes(), np.random.default_rng(0)
    for at in rng.integers(1, len(data), 60):
        broken = bytearray(data)
        broken[at] ^= 1 << int(rng.integers(8))
        for content in (data[:at], bytes(broken)):
            written.write_bytes(content)
            try:
                state = read_weights(written).state
            except ModelError:
                assert True
            else:
                assert len(content) == len(data)
                assert all(isinstance(array, np.ndarray) for array in state.values())


def rewritten(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, change(name, data))


@pytest.mark.parametrize(
    ("change", "compression", "message"),
    [
        (lambda name, data: data, zipfile.ZIP_DEFLATED, "compressed"),
        (lambda name, data: data[:-4] if name.endswith("/0") else data, zipfile.ZIP_STORED, "missing"),
        (lambda name, data: b"big" if name.endswith("byteorder") else data, zipfile.ZIP_STORED, "little-endian"),
    ],
)
def test_a_changed_zip_is_refused(tmp_path: Path, change: Callable[[str, bytes], bytes], compression: int, message: str) -> None:
    torch.save(tensors(), tmp_path / "w.pth")
    rewritten(tmp_path / "w.pth", change, compression)
    with pytest.raises(ModelError, match=message):
        read_weights(tmp_path / "w.pth")


def test_small_files_cannot_ask_for_much_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred tensors on the same numbers are a hundred copies."""
    base = torch.zeros(5000)
    torch.save({f"w{number}": base.view(5000) for number in range(100)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="larger than the file"):
        read_weights(tmp_path / "w.pth")
    monkeypatch.setattr(weights_file, "_MOST", 100)
    with pytest.raises(ModelError, match="larger than"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"PK\x03\x04", b"hello world, not weights", pickle.dumps({"a": 1}, 2)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.pth"):
        read_weights(tmp_path / "w.pth")


def test_what_is_no_tensor_and_what_is_no_number_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2), "b": 3}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="no plain dictionary"):
        read_weights(tmp_path / "w.pth")
    torch.save({"a": torch.tensor([np.nan])}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="NaN"):
        read_weights(tmp_path / "w.pth")
    torch.save({"a": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="BFloat16"):
        read_weights(tmp_path / "w.pth")
