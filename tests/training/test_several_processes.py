"""Two processes with gloo on the CPU give the result of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import several_processes

SCRIPT = Path(several_processes.__file__)


def weights(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "weights.npz") as found:
        return dict(found)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the name of the local network interface differs")
def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    """The two are cancelled on the way and resumed."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",  # the machine's name need not resolve
        "PYTHONPATH": os.pathsep.join((str(SCRIPT.parent), os.environ["PYTHONPATH"])),
    }
    words = [sys.executable, str(SCRIPT), str(two), "2", "7"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    several_processes.main(one, 1, 0)
    expected, found = weights(one), weights(two)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    assert len(expected["curve"]) == several_processes.SETTINGS.steps
