"""The guards of the test suite guard."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def _take_log() -> str:
    log = Path(os.environ["BRAIN_UAD_NETWORK_LOG"])
    text = log.read_text()
    log.unlink()
    return text


def test_connecting_is_refused_and_written_down():
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError, match="The tests use no network"):
        sock.connect(("127.0.0.1", 9))
    assert "127.0.0.1" in _take_log()


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


def test_settings_are_nobodys():
    assert Path.home() not in Path(os.environ["NAPARI_CONFIG"]).parents
    assert not os.environ["XDG_CONFIG_HOME"].startswith(str(Path.home() / ".config"))
