"""The cache: what is kept is given back whole or not at all, whoever else uses it, and a cache that cannot be used harms nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.io import entries
from napari_brain_uad.io.entries import DamagedEntryError, Entry, Store, read_entry, write_entry

KEY = "ab" * 32
posix = pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BRAIN_UAD_CACHE_SAID", raising=False)


def example() -> Entry:
    rng = np.random.default_rng(3)
    arrays = {
        "rows": rng.random((3, 4, 5), np.float32),
        "columns": np.asfortranarray(rng.random((4, 3, 2))),
        "strided": rng.integers(0, 9, (6, 6), np.int16)[::2, ::-1],
        "bits": np.packbits(rng.random(77) > 0.5),
        "flags": rng.random((2, 3)) > 0.5,
        "nothing": np.zeros((0, 3), np.float32),
        "one": np.array(2.5),
    }
    return Entry({"name": "Größe ⌈1⌉", "values": [1, 0.1, None, True]}, arrays)


def file_of(store: Store, key: str = KEY) -> Path:
    assert store.folder is not None
    return store.folder / f"{key}.entry"


def test_what_is_kept_comes_back_as_it_was() -> None:
    store, given = Store("maps"), example()
    assert store.find(KEY) is None
    store.keep(KEY, given)
    found = store.find(KEY)
    assert found is not None
    assert found.about == given.about
    assert list(found.arrays) == list(given.arrays)
    for name, array in given.arrays.items():
        back = found.arrays[name]
        np.testing.assert_array_equal(back, array, strict=True)
        assert back.flags.f_contiguous == array.flags.f_contiguous or name == "strided"
        assert back.flags.writeable
    assert Store("prepared").find(KEY) is None


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "one.entry"
    write_entry(path, KEY, Entry({"unit": "a"}, {"score": np.arange(6, dtype=np.float32)}))
    whole = path.read_bytes()
    assert read_entry(path, KEY).about == {"unit": "a"}
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(DamagedEntryError):
            read_entry(path, KEY)


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "of another key"])
def test_a_damaged_entry_is_said_not_used_and_replaced(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store("maps")
    store.keep(KEY, example())
    file = file_of(store)
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[:-7], "longer": whole + b"\0", "empty": b"", "of another key": whole}[damage])
    key = "cd" * 32 if damage == "of another key" else KEY
    if damage == "of another key":
        file.rename(file_of(store, key))
    assert store.find(key) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "damaged" in caplog.text
    store.keep(key, example())
    assert store.find(key) is not None
    assert len(caplog.records) == 1


@posix
def test_only_this_user_may_read(tmp_path: Path) -> None:
    store = Store("maps")
    open_before = tmp_path / "cache" / "maps"
    open_before.mkdir(parents=True, mode=0o755)
    store.keep(KEY, example())
    assert open_before.stat().st_mode & 0o777 == 0o700
    assert file_of(store).stat().st_mode & 0o777 == 0o600
    other = Store("prepared")
    other.keep(KEY, example())
    assert file_of(other).parent.stat().st_mode & 0o777 == 0o700


def test_the_entries_used_longest_ago_go_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    store, keys = Store("maps"), [f"{number:064x}" for number in range(4)]
    store.keep(keys[0], example())
    size = file_of(store, keys[0]).stat().st_size
    monkeypatch.setattr(entries, "CACHE_BYTES", int(3.5 * size))
    for age, key in enumerate(keys[:3]):
        store.keep(key, example())
        os.utime(file_of(store, key), (1000 + age, 1000 + age))
    assert store.find(keys[0]) is not None  # which is a use
    store.keep(keys[3], example())
    assert [store.find(key) is not None for key in keys] == [True, False, True, True]


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    store, folder = Store("maps"), tmp_path / "cache" / "maps"
    store.keep(KEY, example())
    old = {f".{'0a' * 8}.entry": True, f"{'ef' * 32}.npz": True, "my scan.npz": False, "notes.txt": False, f".{'0b' * 8}.entry": False}
    for name in old:
        (folder / name).write_bytes(b"x")
        if not name.startswith(".0b"):
            os.utime(folder / name, (time.time() - 7200,) * 2)
    store.keep("cd" * 32, example())
    assert {name: not (folder / name).exists() for name in old} == old


def test_four_processes_on_one_cache() -> None:
    """1,200 operations, of which many write, remove and read the same few entries."""
    script = """
        import random, sys
        import numpy as np
        from napari_brain_uad.io import entries
        from napari_brain_uad.io.atomic import os as system
        entries.CACHE_BYTES = 60_000
        system.fsync = lambda descriptor: None  # the disk is not what is tried here
        chance, store, hits = random.Random(int(sys.argv[1])), entries.Store("maps"), 0
        for _ in range(300):
            number = chance.randrange(12)
            found = store.find(f"{number:064x}")
            if found is None:
                store.keep(f"{number:064x}", entries.Entry({"number": number}, {"a": np.full(2_000, number, np.float32)}))
            else:
                hits += 1
                assert found.about["number"] == number and (found.arrays["a"] == number).all()
        print(hits)
    """
    run = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    jobs = [subprocess.Popen([*run, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for seed in range(4)]
    ended = [job.communicate(timeout=120) for job in jobs]
    assert [(job.returncode, errors) for job, (_, errors) in zip(jobs, ended, strict=True)] == [(0, "")] * 4
    assert sum(int(said) for said, _ in ended) > 100
    folder = Store("maps").folder
    assert folder is not None
    assert not [file.name for file in folder.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("place", ["below a file", "/proc", "nowhere"])
def test_a_cache_that_cannot_be_used_is_said_once(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    if place == "/proc" and not Path("/proc/self").is_dir():
        pytest.skip("no /proc on this system")
    if place == "nowhere":
        monkeypatch.delenv("BRAIN_UAD_CACHE")
        monkeypatch.setattr(entries, "cache_home", lambda: None)
    else:
        monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "file" / "cache") if place == "below a file" else place)
    store = Store("maps")
    for _ in range(2):
        store.try_out()
        assert store.find(KEY) is None
        store.keep(KEY, example())
    Store("prepared").keep(KEY, example())
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (1 if place == "nowhere" else 2)  # each folder once
    assert all("without it" in line and "BRAIN_UAD_CACHE" in line for line in lines)


@posix
def test_a_disk_without_room_costs_the_entry_alone(tmp_path: Path) -> None:
    """The system itself refuses to write more than 64 kB."""
    script = """
        import resource, signal
        import numpy as np
        from napari_brain_uad.io.entries import Entry, Store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        for key in ("a", "b"):
            Store("maps").keep(key, Entry({}, {"a": np.zeros(100_000)}))
        Store("maps").keep("c", Entry({}, {"a": np.zeros(100)}))
        print(Store("maps").find("c") is not None)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\n"
    assert done.stderr.count("full") == 1
    assert [file.name for file in (tmp_path / "cache" / "maps").iterdir()] == ["c.entry"]


@posix
def test_what_was_said_is_not_said_again_by_processes_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "file"))
    Store("maps").try_out()
    script = "from napari_brain_uad.io.entries import Store, Entry; Store('maps').keep('a', Entry({}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
