"""Results are all of one run or none, whatever happens while they are written; those of another input are not replaced silently."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io import results
from napari_brain_uad.io.atomic import write_text
from napari_brain_uad.io.results import Run, check_output, check_whole, written_whole

posix = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


def run(name: str = "scan_vae", *, sha256: str = "a" * 64, record: str = "") -> Run:
    return Run(name, rf"{name}_(map|mask|table|extra)\.txt", "scan", sha256, record and f"{name}_{record}")


def write(folder: Path, content: str, *kinds: str, of: Run | None = None, overwrite: bool = False) -> None:
    given = of or run()
    with written_whole(folder, [given], overwrite=overwrite) as stage:
        for kind in kinds or ("map", "mask", "table"):
            write_text(stage / f"{given.name}_{kind}.txt", content)


def seen(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.endswith("_manifest.json")}


def test_a_run_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    write(folder, "old", "map", "mask", "extra")
    (folder / "scan_vae_notes.txt").write_text("mine")
    write(folder, "new", "map", "table")
    assert seen(folder) == {"scan_vae_map.txt": "new", "scan_vae_table.txt": "new", "scan_vae_notes.txt": "mine"}
    manifest = json.loads((folder / "scan_vae_manifest.json").read_text())
    assert sorted(manifest["files"]) == ["scan_vae_map.txt", "scan_vae_table.txt"]
    assert manifest["input"] == {"name": "scan", "sha256": "a" * 64}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputError("x"), OSError(28, "No space left on device")])
def test_an_error_leaves_the_earlier_run(tmp_path: Path, error: type[BaseException] | BaseException) -> None:
    write(tmp_path, "old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail() -> None:
        with written_whole(tmp_path, [run()]) as stage:
            write_text(stage / "scan_vae_map.txt", "new")
            raise error

    with pytest.raises(BaseException):  # noqa: B017, PT011 - whichever it is
        fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_several_runs_at_once_and_others_left_alone(tmp_path: Path) -> None:
    one, other = run("a_vae"), run("a_vae_more")
    write(tmp_path, "third", of=run("b_vae"))
    with written_whole(tmp_path, [one, other]) as stage:
        write_text(stage / "a_vae_map.txt", "1")
        write_text(stage / "a_vae_more_map.txt", "2")
    assert json.loads((tmp_path / "a_vae_manifest.json").read_text())["files"].keys() == {"a_vae_map.txt"}
    assert json.loads((tmp_path / "a_vae_more_manifest.json").read_text())["files"].keys() == {"a_vae_more_map.txt"}
    assert seen(tmp_path)["b_vae_table.txt"] == "third"
    with pytest.raises(InputError, match="a_vae"), written_whole(tmp_path, [one, one]):
        pass


def test_results_of_another_input_are_refused_before_and_after(tmp_path: Path) -> None:
    write(tmp_path, "old")
    other = run(sha256="b" * 64)
    for attempt in (lambda: check_output(tmp_path, [other]), lambda: write(tmp_path, "new", of=other)):
        with pytest.raises(InputError, match=r"another input.*aaaaaaaaaaaa.*bbbbbbbbbbbb.*--overwrite"):
            attempt()
        assert set(seen(tmp_path).values()) == {"old"}
    check_output(tmp_path, [run()])
    check_output(tmp_path, [other], overwrite=True)
    write(tmp_path, "new", of=other, overwrite=True)
    assert set(seen(tmp_path).values()) == {"new"}
    with pytest.raises(InputError, match="another input"):
        check_output(tmp_path, [run()])


def test_results_of_another_kind_are_refused_before_and_after(tmp_path: Path) -> None:
    cut, sewn = (replace(run(), kind=kind) for kind in ("cut", "sew"))
    write(tmp_path, "old", of=cut)
    for attempt in (lambda: check_output(tmp_path, [sewn]), lambda: write(tmp_path, "new", of=sewn)):
        with pytest.raises(InputError, match=r"another kind.*'cut'.*'sew'.*--overwrite"):
            attempt()
        assert set(seen(tmp_path).values()) == {"old"}
    check_output(tmp_path, [cut])
    check_output(tmp_path, [sewn], overwrite=True)
    write(tmp_path, "new", "map", of=sewn, overwrite=True)
    assert seen(tmp_path) == {"scan_vae_map.txt": "new"}
    with pytest.raises(InputError, match="another kind"):
        check_output(tmp_path, [cut])


def test_results_of_versions_that_noted_no_kind_are_replaced_by_the_same_input(tmp_path: Path) -> None:
    write(tmp_path, "old")
    write(tmp_path, "new", "map", of=replace(run(), kind="cut"))
    assert seen(tmp_path) == {"scan_vae_map.txt": "new"}


@pytest.mark.parametrize(
    ("record", "fits"),
    [
        ({"input": {"name": "scan", "file_sha256": "a" * 64}}, True),
        ({"input_sha256": "a" * 64}, True),
        ({"input": {"name": "scan", "file_sha256": "c" * 64}}, False),
        ({"input": {"file_sha256": ""}}, False),
        ({"input": "scan"}, False),
        (None, False),
    ],
)
def test_results_of_versions_without_manifests(tmp_path: Path, record: object, fits: bool) -> None:
    given = Run("scan_vae", r"scan_vae_(map|extra)\.txt|scan_vae_record\.json", "scan", "a" * 64, "scan_vae_record.json")
    for name in ("scan_vae_map.txt", "scan_vae_extra.txt"):
        (tmp_path / name).write_text("old")
    (tmp_path / "scan_vae_record.json").write_text("damaged" if record is None else json.dumps(record))
    if not fits:
        with pytest.raises(InputError, match="another input"):
            check_output(tmp_path, [given])
    write(tmp_path, "new", "map", of=given, overwrite=not fits)
    assert seen(tmp_path) == {"scan_vae_map.txt": "new"}


def test_files_that_only_have_such_names_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "scan_vae_extra.txt").write_text("mine")
    write(tmp_path, "new", "map", overwrite=True)
    assert seen(tmp_path) == {"scan_vae_map.txt": "new", "scan_vae_extra.txt": "mine"}


def test_readers_refuse_a_mix(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    write(tmp_path / "b", "two")
    path, mask = tmp_path / "a" / "scan_vae_map.txt", tmp_path / "a" / "scan_vae_mask.txt"
    check_whole(path, "scan_vae", [mask, tmp_path / "a" / "scan_vae_missing.txt"])
    mask.write_bytes((tmp_path / "b" / "scan_vae_mask.txt").read_bytes())
    with pytest.raises(InputError, match=r"scan_vae_mask\.txt.*another run"):
        check_whole(path, "scan_vae", [mask])
    check_whole(path, "scan_vae", [])
    mask.unlink()
    check_whole(path, "scan_vae", [mask])
    (tmp_path / "a" / "scan_vae_manifest.json").write_text("[")
    with pytest.raises(InputError, match=r"scan_vae_map\.txt"):
        check_whole(path, "scan_vae", [])
    (tmp_path / "a" / "scan_vae_manifest.json").unlink()
    check_whole(path, "scan_vae", [])


@posix
@pytest.mark.parametrize("moment", ["rename", "replace", "unlink"])
def test_killed_while_files_go_to_their_places(tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the decision: readers refuse what is there, and the next run in the folder completes it, whichever it is."""
    write(tmp_path, "old", "map", "mask", "extra")
    calls = {"rename": 0, "replace": 0, "unlink": 0}

    class Killed(BaseException):
        pass

    def dying(name: str) -> None:
        real = getattr(Path, name)

        def method(self: Path, *given: object, **more: object) -> object:
            if self.parent == tmp_path or self.parent.suffix in (".partial", ".ready"):
                if self.parent.suffix != ".partial":
                    calls[name] += 1
                if calls[name] == (1 if name == "rename" else 2) and moment == name:
                    if name == "rename":
                        real(self, *given, **more)
                    raise Killed
            return real(self, *given, **more)

        monkeypatch.setattr(Path, name, method)

    with monkeypatch.context() as patch:
        patch.setattr(results.shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans nothing
        for name in calls:
            dying(name)
        with pytest.raises(Killed):
            write(tmp_path, "new", "map", "table")
    monkeypatch.undo()
    assert len({*seen_files(tmp_path).values()}) <= 1
    if moment != "rename":
        with pytest.raises(InputError, match="killed"):
            check_whole(tmp_path / "scan_vae_map.txt", "scan_vae", [])
    write(tmp_path, "else", of=run("other"))
    assert {name: text for name, text in seen(tmp_path).items() if name.startswith("scan")} == {
        "scan_vae_map.txt": "new",
        "scan_vae_table.txt": "new",
    }
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    check_whole(tmp_path / "scan_vae_map.txt", "scan_vae", [tmp_path / "scan_vae_table.txt"])


def seen_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("scan_vae_*.txt")}


WRITER = """
    import itertools, sys
    from pathlib import Path
    from napari_brain_uad.io.atomic import write_text
    from napari_brain_uad.io.results import Run, written_whole
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    run = Run("scan_vae", r"scan_vae_[a-h]\\.txt", "scan", "a" * 64)
    for number in itertools.count(first):
        with written_whole(folder, [run]) as stage:
            for kind in "abcdefgh"[: 4 + number % 5]:
                write_text(stage / f"scan_vae_{kind}.txt", str(number) + "\\n" * 20_000)
        print(number, flush=True)
"""


@posix
def test_killed_at_twenty_moments(tmp_path: Path) -> None:
    """SIGKILL while results are written over older ones: never files of two runs, and nothing is left after the next run."""
    rng = np.random.default_rng(0)
    counts = []
    for number in range(20):
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path), str(1000 * number)]
        job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert job.stdout is not None
        job.stdout.readline()
        # After its first run, which cleaned up after the one killed before.
        assert len([path for path in tmp_path.iterdir() if path.name.startswith(".")]) <= 1
        time.sleep(float(rng.uniform(0.0, 0.05)))
        job.send_signal(signal.SIGKILL)
        job.wait()
        job.stdout.close()
        texts = {path.read_text() for path in tmp_path.glob("scan_vae_*.txt")}
        assert len(texts) <= 1
        counts.append(len(list(tmp_path.glob(".brain-uad-*"))))
    assert any(counts)
    write(tmp_path, "last", of=run("other"))
    assert not list(tmp_path.glob(".*"))
    files = json.loads((tmp_path / "scan_vae_manifest.json").read_text())["files"]
    assert set(files) == {path.name for path in tmp_path.glob("scan_vae_?.txt")}
    check_whole(tmp_path / "scan_vae_a.txt", "scan_vae", [tmp_path / name for name in files])


@posix
def test_a_run_at_work_is_left_alone(tmp_path: Path) -> None:
    with written_whole(tmp_path, [run("slow")]) as stage:
        write_text(stage / "slow_map.txt", "slow")
        write(tmp_path, "fast", of=run("fast"))
    assert seen(tmp_path)["slow_map.txt"] == "slow"
    assert seen(tmp_path)["fast_map.txt"] == "fast"


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/self/out"])
def test_a_folder_that_cannot_be_used_is_known_before(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    if place.startswith("/proc") and not Path("/proc/self").is_dir():
        pytest.skip("no /proc on this system")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "out"}.get(place, Path(place))
    for attempt in (lambda: check_output(folder, [run()]), lambda: write(folder, "x")):
        with pytest.raises(InputError, match="results cannot be written"):
            attempt()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_check_leaves_nothing_and_knows_the_room(tmp_path: Path) -> None:
    check_output(tmp_path / "a" / "b", [run()], need_bytes=1000)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="MB left"):
        check_output(tmp_path, [run()], need_bytes=1 << 60)


def test_a_planted_journal_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / ".brain-uad-x.ready").mkdir(parents=True)
    (tmp_path / "precious").write_text("x")
    for journal in ({"remove": ["../precious", str(tmp_path / "precious"), 7, ".."], "place": ["../precious"]}, [], {"remove": "x"}):
        (folder / ".brain-uad-x.ready").mkdir(exist_ok=True)
        (folder / ".brain-uad-x.ready" / "journal.json").write_text(json.dumps(journal))
        write(folder, "new")
        assert (tmp_path / "precious").read_text() == "x"
        assert not list(folder.glob(".*"))
