"""How much memory there is, in containers and under limits, and one error for every way of saying that there is none."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_brain_uad.core import memory
from napari_brain_uad.core.errors import DeviceError, InputError
from napari_brain_uad.core.memory import amount, available_bytes, check_memory, out_of_memory, told_as_error

MEMINFO = "MemTotal: 8000000 kB\nMemFree: 100 kB\nMemAvailable: 4000000 kB\nSwapFree: 1000 kB\nHugePages_Total: 0\n"


def _machine(tmp_path: Path, cgroup: str = "", **files: str) -> tuple[Path, Path]:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "self" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = groups / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return proc, groups


def _group(folder: str, most: str, used: str, cached: int = 0) -> dict[str, str]:
    at = f"{folder}__" if folder else ""
    return {f"{at}memory.max": most, f"{at}memory.current": used, f"{at}memory.stat": f"anon 5\ninactive_file {cached}\n"}


def test_a_machine(tmp_path: Path) -> None:
    assert available_bytes(*_machine(tmp_path)) == 4001000 * 1024


def test_a_container(tmp_path: Path) -> None:
    """What the kernel would give back of its cache counts as free."""
    files = _group("", "2000000000", "1500000000", cached=300_000_000)
    assert available_bytes(*_machine(tmp_path, "0::/\n", **files)) == 800_000_000


def test_the_tightest_of_nested_groups(tmp_path: Path) -> None:
    files = _group("job", "1000000000", "900000000") | _group("job__step", "max", "10") | _group("other", "5", "5")
    assert available_bytes(*_machine(tmp_path, "0::/job/step\n", **files)) == 100_000_000


def test_groups_of_the_first_version(tmp_path: Path) -> None:
    names = {"memory.limit_in_bytes": "700", "memory.usage_in_bytes": "900", "memory.stat": "total_inactive_file 100\ninactive_file 3\n"}
    files = {f"memory__slurm__{name}": text for name, text in names.items()}
    assert available_bytes(*_machine(tmp_path, "9:name=systemd:/\n4:memory,hugetlb:/slurm\n", **files)) == 0
    unlimited = {"memory__memory.limit_in_bytes": str((1 << 63) - 4096), "memory__memory.usage_in_bytes": "5", "memory__memory.stat": ""}
    assert available_bytes(*_machine(tmp_path / "b", "4:memory:/\n", **unlimited)) == 4001000 * 1024


def _under(limit: str, code: str) -> str:
    program = f"import resource; resource.setrlimit(resource.{limit}, (1 << 30, 1 << 30))\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process(limit: str) -> None:
    """What is said to be there can be had, and not much more."""
    code = """
from napari_brain_uad.core.memory import available_bytes
there = available_bytes()
kept = bytearray(int(0.9 * there))
print(500_000_000 < there < 1 << 30, available_bytes() < 0.15 * there)
try:
    bytearray(there)
except MemoryError:
    print("refused")
"""
    assert _under(limit, code) == "True True\nrefused"


def test_what_does_not_fit_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2_100_000_000)
    check_memory("scan.nii", 1_972_000_000, "reading it")
    with pytest.raises(InputError, match=r"scan\.nii: reading it takes 5\.4 GB of memory, and 2\.1 GB are free\. Resample or crop"):
        check_memory("scan.nii", 5_272_000_000, "reading it")
    with pytest.raises(InputError, match=r"takes 2\.1 GB of memory"):
        check_memory("scan.nii", 1_972_000_001, "reading it")
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    check_memory("scan.nii", 1 << 60, "reading it")


def test_amounts() -> None:
    assert [amount(size) for size in (5_380_000_000, 310_400_000, 0)] == ["5.4 GB", "310 MB", "0 MB"]


def _numpy() -> None:
    np.empty(1 << 60, np.uint8)


def _itk() -> None:
    sitk.Image([60000, 60000, 60000], sitk.sitkFloat64)


def _torch() -> None:
    import torch

    torch.empty(1 << 60)


def _python() -> None:
    bytearray(1 << 60)


@pytest.mark.parametrize("ask", [_numpy, _itk, _torch, _python])
def test_every_library_that_runs_out_gives_the_one_error(ask) -> None:
    with pytest.raises(DeviceError, match=r"The computer ran out of memory: \d.* (MB|GB) are free now") as caught, told_as_error():
        ask()
    assert out_of_memory(caught.value.__cause__)
    with pytest.raises(DeviceError):
        told_as_error()(ask)()


def test_words_of_others() -> None:
    assert out_of_memory(RuntimeError("std::bad_alloc"))
    assert out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert out_of_memory(ImportError("libx.so: failed to map segment from shared object"))
    assert out_of_memory(RuntimeError("could not create a primitive"))
    assert not out_of_memory(RuntimeError("shapes do not fit"))
    assert not out_of_memory(ValueError("out of memory is a nice song"))
    assert not out_of_memory(OSError(errno.ENOENT, "no such file"))
    with pytest.raises(DeviceError, match=r"The GPU ran out of memory\. .*--device cpu"), told_as_error():
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), told_as_error():
        raise ZeroDivisionError
    with pytest.raises(InputError), told_as_error():
        raise InputError("x")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep or return memory in their own ways")
def test_freed_memory_is_used_again() -> None:
    code = (
        "import resource, sys; import numpy as np; from napari_brain_uad.core.memory import keep_freed_memory\n"
        "if sys.argv[1] == 'kept': keep_freed_memory()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): maps = [np.full(1 << 20, 1.0) for _ in range(4)]; del maps\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    asked, kept = (
        int(subprocess.run([sys.executable, "-c", code, way], capture_output=True, text=True, check=True).stdout)
        for way in ("plain", "kept")
    )
    assert kept < 0.2 * asked
