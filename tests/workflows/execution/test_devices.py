from __future__ import annotations

import subprocess
import sys

import pytest

from napari_brain_uad.core.errors import DeviceError, InputError
from napari_brain_uad.workflows.execution.devices import check_count, resolve_device


def test_methods_without_torch_run_on_the_cpu() -> None:
    assert resolve_device("auto", ("cpu",)).name == "cpu"
    with pytest.raises(InputError, match="CPU only"):
        resolve_device("cuda", ("cpu",))


def test_unknown_device() -> None:
    with pytest.raises(InputError, match="cuda"):
        resolve_device("gpu", ("cpu",))


def test_forced_cpu_says_so() -> None:
    assert resolve_device("cpu", ("cpu", "cuda")).words == "CPU (as asked)"


def test_missing_gpu_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto", ("cpu", "cuda")).words == "CPU: no CUDA device found"
    with pytest.raises(DeviceError, match="no CUDA device"):
        resolve_device("cuda", ("cpu", "cuda"))


def test_missing_torch_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert resolve_device("auto", ("cpu", "cuda")).words == "CPU: torch is not installed"


_ASKING = """
import sys
from napari_brain_uad.workflows.execution.devices import resolve_device, why_not_told
print(resolve_device("auto", ("cpu", "cuda"), ask=why_not_told).name, "torch" in sys.modules)
"""


def test_a_window_learns_of_the_devices_without_importing_torch() -> None:
    torch = pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", _ASKING], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["cuda" if torch.cuda.is_available() else "cpu", "False"]


def test_counts_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, devices in (("cpu", 5), ("cuda", 2), ("mps", 1)):
        check_count(name, devices)
    for devices, nodes, what in ((0, 1, "devices"), (-1, 1, "devices"), (1, 0, "nodes")):
        with pytest.raises(InputError, match=rf"number of {what}.*--{what}"):
            check_count("cpu", devices, nodes)
    with pytest.raises(DeviceError, match="3 were asked for, and this machine has 2"):
        check_count("cuda", 3)
    with pytest.raises(DeviceError, match="--devices 1 or fewer"):
        check_count("mps", 2)
