from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from promptness import assert_within

from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.errors import Cancelled, DeviceError, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.workflows.detect import scoring_process
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.detect.scoring_process import ScoringProcess
from napari_brain_uad.workflows.execution.place import goes_apart, learned_methods_apart
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.samples import sample


@pytest.fixture(scope="module")
def process() -> Iterator[ScoringProcess]:
    found = ScoringProcess()
    yield found
    found.close()


@pytest.fixture(scope="module")
def volume() -> Volume:
    """A part of the real tumour, oblique, with everything a volume can carry."""
    whole = load(sample("tumour-t1c").scan)
    part = tuple(slice(size // 3, 2 * size // 3) for size in whole.grid.shape)
    data = np.asfortranarray(whole.data[part])
    mask = np.asfortranarray((data > 0) if whole.mask is None else whole.mask[part])
    turn = np.array([[0.96, -0.28, 0, 1], [0.28, 0.96, 0, 2], [0, 0, 1.1, 3], [0, 0, 0, 1]])
    source = Source(Grid(data.shape, turn), Path("scan.nii.gz"), "ab" * 32, 1, 0)
    return Volume(data, Grid(data.shape, turn), "scan", mask, "T1c", source, (Finding("some-code", "info", "seen", "fix"),))


JOB = ScoringRequest.of("vae", use_cache=False)
"""A network that scores in one pass: the quickest there is."""


@pytest.mark.parametrize("method", ["vae", "tissue-ensemble"])
def test_a_method_apart_gives_the_map_it_gives_here(process: ScoringProcess, volume: Volume, method: str) -> None:
    job = ScoringRequest.of(method, use_cache=False)
    apart, here = process.score(job, volume, Progress()).map, scored_volume(volume, job).map
    np.testing.assert_array_equal(apart.score, here.score)
    np.testing.assert_array_equal(apart.mask, here.mask)
    assert apart.score.flags.f_contiguous == here.score.flags.f_contiguous
    assert apart.provenance == here.provenance
    for name in ("grid", "unit", "method", "name", "default_threshold", "background"):
        assert getattr(apart, name) == getattr(here, name), name
    assert apart.source is volume.source


def test_a_map_made_apart_is_said_to_come_from_the_cache_only_when_it_does(
    process: ScoringProcess, volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path))
    process.close()  # the next child sees the variable
    job = replace(JOB, use_cache=True)
    assert [process.score(job, volume, Progress()).cached for _ in range(2)] == [False, True]
    process.close()


def test_only_within_the_block_and_only_methods_that_compute_with_torch_go_apart() -> None:
    assert not goes_apart("tissue-ensemble")
    with learned_methods_apart():
        assert goes_apart("tissue-ensemble")
        assert not goes_apart("threshold")
    assert not goes_apart("tissue-ensemble")


def test_scoring_apart_does_not_import_torch_here(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from napari_brain_uad.workflows.detect.detect import detect\n"
        "from napari_brain_uad.workflows.execution.place import learned_methods_apart\n"
        "from napari_brain_uad.workflows.scans.samples import sample\n"
        "with learned_methods_apart():\n"
        "    found = detect(sample('tumour-t1c').scan, 'vae')\n"
        "print(found.map.provenance['model']['name'], 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["vae", "False"]
    assert not done.stderr


def test_errors_arrive_as_they_were_raised(process: ScoringProcess, volume: Volume) -> None:
    with pytest.raises(InputError, match=r"kl_weight.*outside its range") as caught:
        process.score(ScoringRequest(MethodSpec("tissue-ensemble", settings=(("kl_weight", "-1.0"),))), volume, Progress())
    assert caught.value.fix
    with pytest.raises(ModelError):
        process.score(ScoringRequest.of("tissue-ensemble", model="vae", use_cache=False), volume, Progress())
    with pytest.raises(InputError, match="sequence is not known"):
        process.score(ScoringRequest.of("tissue-ensemble", use_cache=False), replace(volume, sequence=None), Progress())
    process.load(JOB, Progress())
    with pytest.raises(ModelError):
        process.load(ScoringRequest.of("tissue-ensemble", model="vae", use_cache=False), Progress())


def test_progress_is_passed_on(process: ScoringProcess, volume: Volume) -> None:
    told: list[tuple[float, str]] = []
    process.score(JOB, volume, Progress(lambda fraction, message: told.append((fraction, message))))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert any(message.startswith("Slice") for _, message in told)


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_cancelled_within_two_seconds_and_the_next_job_works(process: ScoringProcess, volume: Volume, after: float) -> None:
    long = ScoringRequest.of("vae-restoration", params={"restoration_steps": 500}, use_cache=False)
    progress = Progress()
    timer = threading.Timer(after, progress.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        process.score(long, volume, progress)
    assert_within(time.monotonic() - start - after, 2.0)
    timer.join()
    assert process.score(JOB, volume, Progress()).map.score.any()


def test_a_process_that_dies_is_an_error_and_the_next_job_works(process: ScoringProcess, volume: Volume) -> None:
    process.load(JOB, Progress())
    child = process._child
    assert child is not None

    def kill(_fraction: float, message: str) -> None:
        if message.startswith("Slice"):
            child.kill()

    with pytest.raises(DeviceError, match="memory ran out"):
        process.score(ScoringRequest.of("vae-restoration", params={"restoration_steps": 500}, use_cache=False), volume, Progress(kill))
    assert process.score(JOB, volume, Progress()).map.score.any()


def test_a_process_that_left_for_lack_of_work_is_started_again(process: ScoringProcess, volume: Volume) -> None:
    process.load(JOB, Progress())
    child = process._child
    assert child is not None
    child.kill()
    child.wait()
    # The reader may not know yet: the job is sent to nobody, and sent again.
    assert process.score(JOB, volume, Progress()).map.score.any()
    assert process._child is not child


def test_jobs_of_two_threads_take_turns(process: ScoringProcess, volume: Volume) -> None:
    maps: dict[int, np.ndarray] = {}

    def score(number: int) -> None:
        maps[number] = process.score(JOB, volume.with_data(volume.data * np.float32(1 + number)), Progress()).map.score

    threads = [threading.Thread(target=score, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        here = scored_volume(volume.with_data(volume.data * np.float32(1 + number)), JOB).map
        np.testing.assert_array_equal(maps[number], here.score)


def test_nothing_is_left_when_the_parent_ends(volume: Volume, tmp_path: Path) -> None:
    script = (
        "from napari_brain_uad.workflows.detect import scoring_process as apart\n"
        "from napari_brain_uad.core.progress import Progress\n"
        "apart._PROCESS.load(apart.ScoringRequest.of('tissue-ensemble'), Progress())\n"
        "print(apart._PROCESS._child.pid)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("brain-uad-")]


def test_the_window_scores_apart_too(volume: Volume, monkeypatch: pytest.MonkeyPatch, process: ScoringProcess) -> None:
    asked: list[str] = []

    class Told(ScoringProcess):
        def score(self, request: ScoringRequest, volume: Volume, progress: Progress):  # type: ignore[no-untyped-def]
            asked.append(request.spec.method)
            return process.score(request, volume, progress)

    monkeypatch.setattr(scoring_process, "_PROCESS", Told())
    with learned_methods_apart():
        scored_volume(volume, ScoringRequest.of("tissue-ensemble", use_cache=False))
        scored_volume(volume, ScoringRequest.of("threshold", use_cache=False))
    assert asked == ["tissue-ensemble"]
