"""Refuses network connections in this interpreter. On PYTHONPATH, so that child processes of the tests load it by themselves.

Audit events come from the socket module's C code: no library gets past them, and what is refused is written down even if
the library swallows the error. Local sockets (X11, multiprocessing) are let through.
"""

import os
import socket
import sys
from pathlib import Path

_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def _refuse(event, args):
    if event not in _LOOK_UPS and (event not in _CONNECTING or args[0].family == getattr(socket, "AF_UNIX", None)):
        return
    attempt = f"{event} {args[0] if event in _LOOK_UPS else args[-1]}"
    with Path(os.environ["BRAIN_UAD_NETWORK_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{attempt} by {' '.join(sys.argv[:3])}\n")
    raise ConnectionRefusedError(f"The tests use no network: {attempt}")


if "BRAIN_UAD_NETWORK_LOG" in os.environ:
    sys.addaudithook(_refuse)
