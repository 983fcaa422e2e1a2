"""How much memory there is, whether a piece of work fits into it, and what is said when it does not.

What a scan needs is known from its header; it is compared with what is there before anything is allocated. Where memory runs out all
the same, in numpy, ITK or torch, each says so in its own words: `told_as_error` makes one sentence of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ContextDecorator, suppress
from pathlib import Path
from types import TracebackType

from .errors import DeviceError, InputError

try:  # not on Windows
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "failed to allocate",
    "unable to allocate",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "can't start new thread",
    "could not create a primitive",
)
"""How numpy, ITK, torch and its oneDNN (the last one), the loader of libraries and the system say it."""

LEAST_BYTES, LEAST_SPACE = 256_000_000, 600_000_000
"""Memory, and addresses (which a limit of the process counts), that the libraries of a command take."""

_LARGEST_PIECE = (32 << 20) - (64 << 10)
"""The largest that counts for the GNU C library, with what it keeps beside a piece."""

_BESIDE = 128_000_000
"""Libraries that a step loads, and what they set aside (OpenBLAS ends the process when it does not get it)."""
_FREE = "Close other programs, or use a computer with more memory"


def available_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory that this process can still get: of the machine, of its container or job (cgroup), and within its own limits (ulimit).

    Returns
    -------
    int or None
        The least of those that are known; None when the system tells nothing.
    """
    found = [*_machine(proc), *_groups(proc, groups), *_own_limits(proc)]
    return max(0, min(found)) if found else None


def check_start() -> None:
    """Refuse to begin at all where not even the libraries fit: some of them then wait for memory for ever, or end the process.

    Raises
    ------
    DeviceError
        Saying how much is needed and how much there is.
    """
    limits, there = [*_own_limits(Path("/proc"))], available_bytes()
    for free, least in ((min(limits, default=None), LEAST_SPACE), (there, LEAST_BYTES)):
        if free is not None and free < least:
            why = f"its libraries alone take {amount(least)}, and {amount(max(0, free))} are free"
            raise DeviceError("There is too little memory to begin", why=why, fix=f"Raise the limit of memory (ulimit -v). {_FREE}")


def check_memory(what: str, needed: int, doing: str, *, fix: str = "Resample or crop the scan") -> None:
    """Refuse work that the memory cannot hold, before it begins.

    Parameters
    ----------
    what : str
        What is worked on.
    needed : int
        Bytes at the peak, on top of what is in use; what libraries take beside is added here.
    doing : str
        What takes them, like "reading it".

    Raises
    ------
    InputError
        Saying how much is needed and how much there is.
    """
    there, needed = available_bytes(), needed + _BESIDE
    if there is not None and needed > there:
        why = f"{doing} takes {amount(needed)} of memory, and {amount(there)} are free"
        raise InputError(what, why=why, fix=f"{fix}. {_FREE}")


def amount(size: int) -> str:
    """Bytes in words: "5.4 GB", "310 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, on the computer or a GPU."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    told = isinstance(error, RuntimeError | ImportError | SystemError) and not isinstance(error, RecursionError)
    return told and any(sign in str(error).lower() for sign in _SIGNS)


def ran_out(error: BaseException) -> DeviceError:
    """The error that a user is told when memory ran out."""
    there = available_bytes()
    own = isinstance(error, MemoryError) or "cuda" not in str(error).lower()
    why = f"{amount(there)} are free now" if own and there is not None else ""
    fix = _FREE if own else "Close other programs that use the GPU, or choose --device cpu"
    return DeviceError(f"The {'computer' if own else 'GPU'} ran out of memory", why=why, fix=f"{fix}, or use a smaller scan")


def keep_freed_memory() -> None:
    """Let this process use memory again that it has freed, up to 64 MB, instead of giving it back to the system each time.

    The GNU C library gives back what is free at the end of its heap beyond a limit, which begins at 128 kB and grows to twice the largest
    piece up to 32 MB that was freed. The maps of a network are of megabytes: giving them back and asking anew, page by page, took a
    twelfth of the time of a diffusion model's pass. Other libraries and systems are not affected.
    """
    import numpy as np  # here: `check_start` comes before any library

    np.empty(_LARGEST_PIECE, np.uint8)  # freed at once, which raises the limit; nothing is written to it, so that it takes no memory


class told_as_error(ContextDecorator):
    """Turns every way of saying "out of memory" into a `DeviceError`; a context or a decorator."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and out_of_memory(error):
            raise ran_out(error) from error


def _machine(proc: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):
        lines = (line.split() for line in (proc / "meminfo").read_text("ascii").splitlines())
        sizes = {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 1}
        if "MemAvailable:" in sizes:
            yield sizes["MemAvailable:"] + sizes.get("SwapFree:", 0)
            return
    with suppress(ImportError):
        import psutil  # type: ignore[import-untyped]

        yield int(psutil.virtual_memory().available + psutil.swap_memory().free)


def _groups(proc: Path, groups: Path) -> Iterator[int]:
    """What is left below the limits of the cgroups that this process is in, of either version, and of those above them."""
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text("ascii").splitlines():
            number, _, rest = line.partition(":")
            kinds, _, inner = rest.partition(":")
            if number == "0" and not kinds:
                names, root = ("memory.max", "memory.current", "inactive_file"), groups
            elif "memory" in kinds.split(","):
                names, root = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), groups / "memory"
            else:
                continue
            for folder in [root / inner.lstrip("/"), *(root / inner.lstrip("/")).parents]:
                if folder.is_relative_to(root):
                    yield from _left(folder, *names)


def _left(folder: Path, most: str, used: str, cached: str) -> Iterator[int]:
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        limit, usage = int((folder / most).read_text("ascii")), int((folder / used).read_text("ascii"))
        kept = [line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines()]
        if limit < 1 << 60:
            yield limit - usage + sum(int(words[1]) for words in kept if words[0] == cached)


def _own_limits(proc: Path) -> Iterator[int]:
    if resource is None:
        return
    with suppress(OSError, ValueError):
        pages = [int(word) for word in (proc / "self" / "statm").read_text("ascii").split()]
        for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
            soft = resource.getrlimit(limit)[0]
            if soft != resource.RLIM_INFINITY:
                yield soft - used * os.sysconf("SC_PAGE_SIZE")
