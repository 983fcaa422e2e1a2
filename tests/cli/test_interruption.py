"""Ctrl+C, SIGTERM and SIGKILL in the middle of long commands: they end soon, and leave no process and no half-written file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from interrupted import interrupted
from promptness import assert_within
from small_heads import head, save

from napari_brain_uad import cli
from napari_brain_uad.cli.interruption import interruption
from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Progress

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, truth = head(0, lesion=True)
    folder = tmp_path_factory.mktemp("scan")
    save(truth.astype(np.uint8), folder / "sub-1_truth.nii.gz")
    return save(data, folder / "sub-1_T1.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("command", ["detect", "compare", "evaluate", "simulate"])
def test_a_command_ends_soon_and_leaves_nothing(command: str, kind: signal.Signals, scan: Path, tmp_path: Path) -> None:
    # Restoration takes minutes: it is at work whenever the signal comes.
    slow = "vae-restoration@restoration_steps=5000"
    words = {
        "detect": ["detect", scan, "--method", "vae-restoration", "--set", "restoration_steps=5000"],
        "compare": ["compare", scan, "--methods", slow, f"{slow[:-4]}4999,threshold", "--jobs", 2],
        "evaluate": ["evaluate", scan.parent, "--sequence", "T1", "--methods", f"threshold,{slow}", "--jobs", 2],
        "simulate": ["simulate", _label_maps(tmp_path), "--count", 4000, "--jobs", 2, "--set", "pose=scanner"],
    }[command]
    out = tmp_path / "out"
    out.mkdir()
    # Its own imports and those of two children take ten seconds of computing; one process is at work after six.
    left = interrupted([str(word) for word in (*words, "--out", out)], 10.0 if "--jobs" in words else 6.0, kind, out)
    assert left.code == CODES[kind], left.said
    assert_within(left.seconds, 5.0)
    assert left.survivors == ()
    assert left.broken == ()
    assert left.said == ("" if kind == signal.SIGKILL else "brain-uad: Cancelled.\n")


def _label_maps(folder: Path) -> Path:
    """White matter in grey matter, some of it on either side."""
    (folder / "maps").mkdir()
    data, _ = head(0, lesion=False)
    labels = np.where(data > 110, 2, np.where(data > 0, 3, 0)).astype(np.int16)
    labels[labels.shape[0] // 2 :] = np.select([labels == 2, labels == 3], [41, 42])[labels.shape[0] // 2 :]
    save(labels, folder / "maps" / "one.nii.gz")
    return folder / "maps"


def test_what_nobody_foresaw_is_one_sentence_and_a_traceback_on_demand(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("napari_brain_uad.workflows.detect.detect.postprocess", lambda *_, **__: [][0])
    words = ["detect", str(scan), "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main(words) == 1
    sentence = "Internal error: IndexError: list index out of range. Please report it; brain-uad --debug shows the traceback."
    assert capsys.readouterr().err == f"brain-uad: {sentence}\n"
    assert cli.main([*words, "--debug"]) == 1
    err = capsys.readouterr().err
    assert err.endswith(f"brain-uad: {sentence}\n")
    assert "Traceback" in err
    assert Path(__file__).name in err
    assert cli.main(words) == 1
    assert "Traceback" not in capsys.readouterr().err


_AT_AN_IMPORT = """
import atexit, os, signal, sys
kind, moment = int(sys.argv.pop(1)), sys.argv.pop(1)
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), kind)
sys.meta_path.insert(0, Sender())
if moment == "end":
    atexit.register(os.kill, os.getpid(), kind)
if moment == "ignored":
    signal.signal(kind, signal.SIG_IGN)
    moment = "numpy"
from napari_brain_uad.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "moment", ["napari_brain_uad.cli.commands", "argparse", "numpy", "napari_brain_uad.detectors.registry", "end", "ignored"]
)
def test_a_signal_while_python_imports_or_ends_is_no_traceback(moment: str, kind: signal.Signals) -> None:
    words = [sys.executable, "-c", _AT_AN_IMPORT, str(int(kind)), moment, "methods"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if moment in ("end", "ignored"):
        assert (done.returncode, done.stderr) == (0, "")
        assert "threshold" in done.stdout
    else:
        assert (done.returncode, done.stderr) == (CODES[kind], "brain-uad: Cancelled.\n")


def test_a_signal_within_a_callback_is_not_lost_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Python drops what is raised in one of a weak reference, as its imports have them, and prints a traceback."""

    class Thing:
        pass

    def gone(_reference: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))

    hook = sys.unraisablehook
    with interruption.listening():
        thing = Thing()
        reference = weakref.ref(thing, gone)
        del thing
        assert reference() is None
        assert interruption.received == signal.SIGINT
        with pytest.raises(Cancelled), interruption.cancelling(Progress()):
            pass
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_signals_are_as_they_were_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(kind) for kind in kinds]
    assert cli.main(["methods"]) == 0
    assert [signal.getsignal(kind) for kind in kinds] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert "threshold" in capsys.readouterr().out
    assert sys.stdout is not None
