"""Refuses network connections in this interpreter. On PYTHONPATH, so that child processes of the tests load it by themselves.

It also ends the interpreter when the tests' own process, BRAIN_UAD_TESTS, is gone: a test run that was killed leaves no orphans.

It also hides the packages that BRAIN_UAD_WITHOUT names (top-level modules, separated by commas), as if they were not installed.

Audit events come from the socket module's C code: no library gets past them, and what is refused is written down even if
the library swallows the error. Local sockets (X11, multiprocessing) and this computer's own address (Dask) are let through.
"""

import os
import select
import socket
import sys
import threading
from importlib.machinery import PathFinder
from pathlib import Path

_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_OWN = ("127.0.0.1", "::1", b"127.0.0.1", b"::1")


def _refuse(event, args):
    if event not in _LOOK_UPS and (event not in _CONNECTING or args[0].family == getattr(socket, "AF_UNIX", None)):
        return
    if (args[0] if event in _LOOK_UPS else args[-1][0]) in _OWN:
        return
    attempt = f"{event} {args[0] if event in _LOOK_UPS else args[-1]}"
    with Path(os.environ["BRAIN_UAD_NETWORK_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{attempt} by {' '.join(sys.argv[:3])}\n")
    raise ConnectionRefusedError(f"The tests use no network: {attempt}")


class Without(PathFinder):
    """Looks for modules as Python does, but for some, which it does not find."""

    def __init__(self, modules):
        self._modules = frozenset(modules)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in self._modules else PathFinder.find_spec(name, path, target)


def hide(modules):
    sys.meta_path[:] = [Without(modules) if finder is PathFinder else finder for finder in sys.meta_path]


def end_with(process):
    """A thread waits for the end of a process, however it ends. Not by its parent: tests end parents to see what children do."""
    try:
        gone = os.pidfd_open(process)
    except ProcessLookupError:
        os._exit(1)

    def watch():
        select.select([gone], [], [])
        os._exit(1)

    before = threading.stack_size(256 * 1024)  # some tests limit the address space
    threading.Thread(target=watch, name="tests", daemon=True).start()
    threading.stack_size(before)


if os.environ.get("BRAIN_UAD_TESTS", str(os.getpid())) != str(os.getpid()) and hasattr(os, "pidfd_open"):
    end_with(int(os.environ["BRAIN_UAD_TESTS"]))

if os.environ.get("BRAIN_UAD_WITHOUT"):
    hide(os.environ["BRAIN_UAD_WITHOUT"].split(","))

if "BRAIN_UAD_NETWORK_LOG" in os.environ:
    sys.addaudithook(_refuse)
