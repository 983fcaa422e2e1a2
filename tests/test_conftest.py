"""The guards of the test suite guard."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from scratch import new_scratch, prefix_of


def _take_log() -> str:
    log = Path(os.environ["BRAIN_UAD_NETWORK_LOG"])
    text = log.read_text()
    log.unlink()
    return text


def test_connecting_is_refused_and_written_down():
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError, match="The tests use no network"):
        sock.connect(("192.0.2.1", 9))
    assert "192.0.2.1" in _take_log()


def test_a_look_up_is_refused():
    with pytest.raises(ConnectionRefusedError):
        socket.getaddrinfo("example.org", 443)
    assert "example.org" in _take_log()


def test_child_processes_are_guarded():
    code = "import urllib.request\ntry: urllib.request.urlopen('http://192.0.2.1')\nexcept OSError: print('swallowed')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "swallowed"
    assert "192.0.2.1" in _take_log()


def test_local_sockets_pass():
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as here:
        assert here.getpeername()[0] == "127.0.0.1"


def test_settings_are_nobodys():
    assert Path.home() not in Path(os.environ["NAPARI_CONFIG"]).parents
    assert not os.environ["XDG_CONFIG_HOME"].startswith(str(Path.home() / ".config"))


_TESTS_WITH_A_CHILD = """
import os, subprocess, sys
os.environ["BRAIN_UAD_TESTS"] = str(os.getpid())
child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux can wait for the end of any process")
def test_children_end_with_killed_tests():
    run = subprocess.Popen([sys.executable, "-c", _TESTS_WITH_A_CHILD], stdout=subprocess.PIPE, text=True)
    child = int(run.communicate(timeout=60)[0])
    # Killed or not yet waited for, it is gone when a signal of no effect does not reach it, or when it is a zombie.
    until = time.monotonic() + 20
    while _lives(child):
        assert time.monotonic() < until, "the child outlived the tests"
        time.sleep(0.02)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_killed_run_left_is_removed():
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = Path(tempfile.mkdtemp(prefix=prefix_of(dead.pid)))
    (left / "file").touch()
    own = Path(os.environ["NAPARI_CONFIG"]).parent
    with new_scratch() as folder:
        assert Path(folder).is_dir()
        assert not left.exists()
        assert own.is_dir()
