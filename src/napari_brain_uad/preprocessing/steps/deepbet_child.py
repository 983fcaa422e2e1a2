"""deepbet in a process of its own, which can be ended at any moment and takes its memory with it.

Its network is one call that lasts seconds and looks at no flag, and importing torch stalls a window for half a second. The scan
comes in through standard input, which then stays open for as long as somebody waits for the mask; that goes out through standard
output, both as ``.npy``: nothing is written to disk.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.optional import install_command, require
from ...core.progress import Progress
from ...core.volume import Volume
from ...io.processes import end_with, unreached_by_ctrl_c

_MISSING, _NO_BRAIN = 3, 4
"""Exit codes: deepbet cannot be imported; it saw no brain."""

_BRIGHT_FLUID = ("T2", "PD")
"""deepbet was trained on T1, where CSF is dark; here it is bright and much of it is taken for brain. The network looks at the inverted
contrast too, and what both call brain is kept: on a 5.5 mm T2 the Dice with HD-BET rises from 0.937 to 0.958."""

_WHAT = "The brain of {} cannot be extracted"
_LOOK_SECONDS = 0.1
_LENGTH = 8
"""Bytes that say how many there are of the scan."""


def brain_probability(volume: Volume, progress: Progress) -> NDArray[np.float32]:
    """How sure deepbet (Fisch et al., Med. Image Anal. 2024) is of each voxel being brain, 0 to 1.

    Parameters
    ----------
    volume : Volume
        The head, skull included.
    progress : Progress
        Its cancelling ends the process within a moment.

    Returns
    -------
    array of float32, shape of ``volume.data``

    Raises
    ------
    InputError
        If deepbet is not installed, finds no brain, or fails.
    """
    require("deepbet", what_for=_WHAT.format(volume.name))
    command = [sys.executable, "-m", __name__, "bright" if volume.sequence in _BRIGHT_FLUID else "dark"]
    with tempfile.TemporaryFile() as complaint:
        with unreached_by_ctrl_c():
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaint)
        with child:
            answer = _answer(child, _packed(volume.data), progress)
        if child.returncode:
            progress.check()
            complaint.seek(0)
            raise _error(child.returncode, complaint.read().decode(errors="replace"), volume.name)
    return np.asarray(np.load(io.BytesIO(answer), allow_pickle=False))


def _packed(data: NDArray[np.float32]) -> bytes:
    packed = io.BytesIO()  # not the pipe itself: numpy asks real files where they stand
    np.save(packed, np.ascontiguousarray(data))
    return packed.getvalue()


def _answer(child: subprocess.Popen[bytes], given: bytes, progress: Progress) -> bytes:
    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(_talk, child, given)
        try:
            while not talk.done():
                progress.check()
                wait((talk,), timeout=_LOOK_SECONDS)
        finally:
            if not talk.done():
                # Ends the talk too; the pool waits for it.
                child.kill()
    return talk.result()


def _talk(child: subprocess.Popen[bytes], given: bytes) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(OSError):  # a child that ended early says why with its exit code
        child.stdin.write(len(given).to_bytes(_LENGTH, "little") + given)
        child.stdin.flush()
    answer = child.stdout.read()
    child.wait()  # it would take an end of its standard input for the end of this process
    return answer


def _error(code: int, complaint: str, name: str) -> InputError:
    last = complaint.strip().rpartition("\n")[2]
    if code == _MISSING:
        why = f"deepbet cannot be imported ({last} is missing)"
        return InputError(_WHAT.format(name), why=why, fix=f"Install it: {install_command('deepbet')}")
    if code == _NO_BRAIN:
        return InputError(f"No brain was found in {name}", why="deepbet saw none", fix="Check that it is a brain scan, or give a mask")
    why = "the system ended it, most likely for want of memory" if code < 0 else last
    return InputError(f"deepbet failed on {name}", why=why, fix="Try another backend, or give a brain mask")


def _inverted(data: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bright fluid dark, as on T1, with the air still at 0."""
    from skimage.filters import threshold_otsu

    from ..brain_mask import solid

    if not brain.any():
        return np.array(data, order="C")
    head = solid(data > 0.5 * threshold_otsu(data))
    top = np.float32(np.percentile(data[brain], 99))
    return np.ascontiguousarray(np.where(head, np.clip(top - data, 0.0, None), np.float32(0.0)))


def _run(data: NDArray[np.float32], bright_fluid: bool) -> NDArray[np.float32]:
    import deepbet

    network: Any = deepbet.BrainExtraction(no_gpu=True)
    probability: NDArray[np.float32] = network.run_model(data)
    if bright_fluid:
        probability = np.minimum(probability, network.run_model(_inverted(data, probability > 0.5)))
    return probability


def _main(bright_fluid: bool, given: IO[bytes], taken: IO[bytes]) -> int:
    """Run in the child: 0, or an exit code with the reason as the last line of standard error."""
    warnings.simplefilter("ignore")  # those of the packages deepbet imports
    data = np.load(io.BytesIO(given.read(int.from_bytes(given.read(_LENGTH), "little"))), allow_pickle=False)
    end_with(given)
    try:
        probability = _run(data, bright_fluid)
    except ImportError as error:
        sys.stderr.write(f"\n{error.name}")
        return _MISSING
    except AssertionError:  # its way to say that nothing looked like a brain
        return _NO_BRAIN
    taken.write(_packed(probability))
    return 0


if __name__ == "__main__":
    # What libraries print must not get between the bytes of the mask.
    with os.fdopen(os.dup(1), "wb") as answer_pipe:
        os.dup2(2, 1)
        code = _main(sys.argv[1] == "bright", sys.stdin.buffer, answer_pipe)
    sys.exit(code)
