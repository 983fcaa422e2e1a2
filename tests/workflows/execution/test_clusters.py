"""Dask clusters that others run, and configuration files that start one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dask_cluster import cluster, with_support
from parallel_work import length, square, until_cancelled
from promptness import assert_within
from small_heads import head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import Cancelled, DeviceError, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.workflows.execution import crew
from napari_brain_uad.workflows.execution.parallel import in_processes
from napari_brain_uad.workflows.execution.workers import ClusterFile, Workers


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("cluster")) as (address, _):
        yield address


def test_a_scheduler_s_workers_give_the_same(address: str) -> None:
    """Even one job goes there: the computer that asks may be a small one."""
    there = in_processes(square, [7], Workers(scheduler=address))
    assert [value for value, _ in there] == [49]
    there += in_processes(square, [3, 1, 2], Workers(scheduler=address))
    assert [value for value, _ in there] == [49, 9, 1, 4]
    assert len({process for _, process in there}) == 1
    assert os.getpid() not in {process for _, process in there}
    # A job brings its scan with it, and nobody warns of that.
    assert in_processes(length, [bytes(11_000_000)], Workers(scheduler=address)) == [11_000_000]


def test_cancelling_reaches_jobs_on_a_cluster_of_others(address: str, tmp_path: Path) -> None:
    progress = Progress()
    _when(lambda: bool(list(tmp_path.iterdir())), progress.cancel)
    with pytest.raises(Cancelled):
        in_processes(until_cancelled, [tmp_path], Workers(scheduler=address), progress)
    assert list(tmp_path.iterdir()) == []
    # Its worker lives on, for whoever comes next.
    assert [value for value, _ in in_processes(square, [5], Workers(scheduler=address))] == [25]


def test_a_scheduler_that_is_lost_is_an_error_soon(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    killed = 0.0
    with cluster(tmp_path) as (address, scheduler):

        def kill() -> None:
            nonlocal killed
            killed = time.monotonic()
            scheduler.kill()

        _when(lambda: bool(list((tmp_path / "work").iterdir())), kill)
        with pytest.raises(DeviceError, match=r"was lost.*same command again"):
            in_processes(until_cancelled, [tmp_path / "work"] * 3, Workers(scheduler=address))
        assert_within(time.monotonic() - killed, 8.0)
        # Its worker has no master any more: what it did has cleaned up.
        _wait(lambda: not list((tmp_path / "work").iterdir()))


def test_workers_that_do_several_jobs_at_a_time_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    own = {
        "host": "127.0.0.1",
        "security": False,
        "protocol": "tcp://",
        "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
        "dashboard_address": None,
    }
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, **own}
    file.write_text(json.dumps({"cluster": "LocalCluster", "workers": 1, "options": options}))
    with pytest.raises(InputError, match="--nthreads 1"):
        in_processes(square, [1, 2], Workers(cluster=file))


def test_no_scheduler_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_CONNECT_SECONDS", 0.3)
    with pytest.raises(DeviceError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        in_processes(square, [1, 2], Workers(scheduler="tcp://127.0.0.1:9"))
    with pytest.raises(InputError, match="Two clusters"):
        Workers(scheduler="tcp://127.0.0.1:9", cluster=Path("file.json"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"cluster": "subprocess.Popen"}', "is none of LocalCluster, SLURMCluster"),
        ('{"cluster": "SLURMCluster", "workers": 0}', "no number of at least 1"),
        ('{"cluster": "SLURMCluster", "queue": "long"}', "no object of cluster, workers and options"),
        ('["SLURMCluster"]', "no object of"),
        ("SLURMCluster", "not JSON"),
    ],
)
def test_a_configuration_file_names_a_known_class(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(text)
    with pytest.raises(InputError, match=why):
        ClusterFile.read(file)


def test_a_class_whose_package_is_missing_says_so(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    file.write_text('{"cluster": "KubeCluster", "workers": 2}')
    with pytest.raises(InputError, match="dask-kubernetes is not installed"):
        in_processes(square, [1, 2], Workers(cluster=file))


def _when(what: Callable[[], bool], do: Callable[[], object]) -> None:
    def look() -> None:
        _wait(what)
        do()

    threading.Thread(target=look, daemon=True).start()


def _wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command_line_goes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crew, "_CONNECT_SECONDS", 0.3)
    data, _ = head(0, lesion=True)
    (tmp_path / "in").mkdir()
    scan = save(data, tmp_path / "in" / "sub-1_T1.nii.gz")
    words = ["batch", str(scan.parent), "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main([*words, "--scheduler", "tcp://127.0.0.1:9"]) == DeviceError.exit_code
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert cli.main([*words, "--cluster", str(tmp_path / "none.json")]) == InputError.exit_code
    assert "none.json" in capsys.readouterr().err
    assert cli.main([*words, "--jobs", "0"]) == InputError.exit_code
    with pytest.raises(SystemExit):
        cli.main([*words, "--scheduler", "tcp://127.0.0.1:9", "--cluster", "file.json"])


def test_one_job_at_a_time_starts_and_imports_nothing() -> None:
    code = (
        "import sys\nfrom napari_brain_uad.workflows.execution.parallel import in_processes\nfrom parallel_work import square\n"
        "in_processes(square, [1, 2], 1)\nin_processes(square, [1], 4)\nprint(sorted({'distributed', 'dask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=with_support(), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "host:8786", "tcp://host", "tcp://host:port", "tcp://a b:1"])
def test_what_is_no_address_is_told_at_once(address: str) -> None:
    with pytest.raises(InputError, match="no address"):
        Workers(scheduler=address)
    Workers(scheduler="tls://node-1.cluster:8786")
