"""Fault 1: 2,000 seeded corrupt files. No crash, no hang, no silent wrong load among cut-off or gzip-damaged ones."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from promptness import assert_within

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.nifti import read_volume

PER_KIND = {"truncated": 500, "bit flip": 700, "burst": 300, "garbage": 200, "wrong suffix": 150, "empty": 20, "appended": 130}
SUFFIXES = (".nii.gz", ".nii", ".mgz", ".nii.gz")
SECONDS = 5.0


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[bytes, Volume]]]:
    """Small brain-like scans of several voxel types: their bytes, and what they hold."""
    folder = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(20)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (15, 17, 13)], indexing="ij"))
    head = np.clip(1.2 - (grid**2).sum(axis=0), 0, None)
    made: dict[str, list[tuple[bytes, Volume]]] = {}
    for suffix in set(SUFFIXES):
        for dtype in (np.int16, np.float32, np.uint8):
            data = (head * 200 * (head > 0.3) + rng.integers(0, 9, head.shape) * (head > 0.3)).astype(dtype)
            path = folder / f"scan_{np.dtype(dtype).name}{suffix}"
            affine = np.array([[-1.1, 0, 0, 9], [0, 1.2, 0.1, -8], [0, -0.1, 2.0, -12], [0, 0, 0, 1.0]])
            image = nib.MGHImage(data, affine) if suffix == ".mgz" else nib.Nifti1Image(data, affine)
            nib.save(image, path)
            made.setdefault(suffix, []).append((path.read_bytes(), read_volume(path)))
    return made


def damage(content: bytes, kind: str, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    if kind == "truncated":
        # Half of them lose little, where the trap is: all voxels there, checksum gone.
        return content[: int(rng.integers(1, len(content))) if rng.random() < 0.5 else len(content) - int(rng.integers(1, 20))]
    if kind == "bit flip":
        place = int(rng.integers(0, len(content)))
        changed[place] ^= 1 << int(rng.integers(0, 8))
        return bytes(changed)
    if kind == "burst":
        start = int(rng.integers(0, len(content) - 32))
        changed[start : start + 32] = rng.integers(0, 256, 32, dtype=np.uint8).tobytes()
        return bytes(changed)
    if kind == "garbage":
        return rng.integers(0, 256, int(rng.integers(1, 4000)), dtype=np.uint8).tobytes()
    if kind == "appended":
        return content + rng.integers(1, 256, int(rng.integers(1, 400)), dtype=np.uint8).tobytes()
    return b"" if kind == "empty" else content


def same(volume: Volume, original: Volume) -> bool:
    return np.array_equal(volume.data, original.data) and np.array_equal(volume.grid.affine, original.grid.affine)


def test_2000_corrupt_files(originals: dict[str, list[tuple[bytes, Volume]]], tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    outcome: Counter[str] = Counter()
    slowest, silent, unclear = 0.0, [], []
    for kind, number in PER_KIND.items():
        for n in range(number):
            suffix = SUFFIXES[n % len(SUFFIXES)]
            content, original = originals[suffix][n % 3]
            broken = damage(content, kind, rng)
            named = {".nii.gz": ".nii", ".nii": ".nii.gz", ".mgz": ".nii.gz"}[suffix] if kind == "wrong suffix" else suffix
            path = tmp_path / f"broken{named}"
            path.write_bytes(broken)
            start = time.perf_counter()
            try:
                volume = read_volume(path)  # any other exception type fails the test
            except InputError as error:
                outcome["refused"] += 1
                if path.name not in error.what or not error.why or not error.fix:
                    unclear.append(f"{kind} {n} {named}: {error}")
            else:
                outcome["harmless" if same(volume, original) else "changed"] += 1
                checked = suffix != ".nii" or kind in ("truncated", "wrong suffix", "garbage", "empty", "appended")
                if checked and not same(volume, original):
                    silent.append(f"{kind} {n} {named}")
                if kind in ("truncated", "wrong suffix", "garbage", "empty"):
                    silent.append(f"{kind} {n} {named} was read")
            slowest = max(slowest, time.perf_counter() - start)
    assert outcome.total() == sum(PER_KIND.values()) == 2000
    assert not silent
    assert not unclear
    assert_within(slowest, SECONDS)
    assert outcome["refused"] > 1500
    # An uncompressed file has no checksum: changed voxels in it cannot be told from measured ones.
    assert outcome["changed"] < 260


def test_every_cut_is_noticed(originals: dict[str, list[tuple[bytes, Volume]]], tmp_path: Path) -> None:
    """All lengths near the end, and a sweep over the rest, of each format."""
    for suffix in (".nii.gz", ".nii", ".mgz"):
        content, _ = originals[suffix][0]
        for length in [*range(len(content) - 24, len(content)), *range(0, len(content), 97)]:
            path = tmp_path / f"part{suffix}"
            path.write_bytes(content[:length])
            with pytest.raises(InputError, match=r"cut off|is empty|ends inside its header|is not an? (MGH|NIfTI) file|not gzip"):
                read_volume(path)


def test_intact_gzip_variants_are_read(originals: dict[str, list[tuple[bytes, Volume]]], tmp_path: Path) -> None:
    """What is legal gzip is not refused: zeros after the end, and several members (as bgzip writes)."""
    content, original = originals[".nii.gz"][1]
    plain = gzip.decompress(content)
    (tmp_path / "padded.nii.gz").write_bytes(content + bytes(512))
    (tmp_path / "members.nii.gz").write_bytes(b"".join(gzip.compress(plain[n : n + 1000]) for n in range(0, len(plain), 1000)))
    for name in ("padded.nii.gz", "members.nii.gz"):
        assert same(read_volume(tmp_path / name), original)


def test_second_member_is_checked_too(originals: dict[str, list[tuple[bytes, Volume]]], tmp_path: Path) -> None:
    plain = gzip.decompress(originals[".nii.gz"][1][0])
    second = bytearray(gzip.compress(plain[1000:]))
    second[-6] ^= 1
    (tmp_path / "members.nii.gz").write_bytes(gzip.compress(plain[:1000]) + bytes(second))
    with pytest.raises(InputError, match="damaged"):
        read_volume(tmp_path / "members.nii.gz")


def test_not_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "folder.nii.gz").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_volume(tmp_path / "folder.nii.gz")
    with pytest.raises(InputError, match="no such file"):
        read_volume(tmp_path / "missing.nii.gz")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.nii")  # opening it would wait for a writer for ever
        with pytest.raises(InputError, match="not a regular file"):
            read_volume(tmp_path / "pipe.nii")


def test_real_scan_with_one_bit_flipped(shared_data: Path, tmp_path: Path) -> None:
    """In a real brain's gzip, 30 flips at random: each is refused."""
    rng = np.random.default_rng(1)
    source = shared_data / "raw" / "TCGA-FG-6692" / "FLAIR.nii.gz"
    path = tmp_path / "flipped.nii.gz"
    for _ in range(30):
        shutil.copyfile(source, path)
        place = int(rng.integers(100, source.stat().st_size))
        with path.open("r+b") as handle:
            handle.seek(place)
            byte = handle.read(1)[0]
            handle.seek(place)
            handle.write(bytes([byte ^ (1 << int(rng.integers(0, 8)))]))
        with pytest.raises(InputError):
            read_volume(path)
