"""What all tests share: no network, no one's own settings, repeatable random examples, and the scans that lie outside the repository."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from scratch import new_scratch

REPOSITORY = Path(__file__).resolve().parent.parent
_SCRATCH = new_scratch()
_GUARD = Path(__file__).parent / "network_guard"
_NETWORK_LOG = Path(_SCRATCH.name) / "network.log"

# Set while pytest collects, before anything can import napari, Qt or matplotlib; child processes inherit them.
os.environ["MPLBACKEND"] = "Agg"
os.environ["NAPARI_CONFIG"] = str(Path(_SCRATCH.name) / "napari.yaml")
os.environ["XDG_CONFIG_HOME"] = str(Path(_SCRATCH.name) / "config")  # Qt's settings; the caches stay, they are slow to make
os.environ["BRAIN_UAD_MODELS"] = str(Path(_SCRATCH.name) / "models")  # nobody's own models decide what a test does
os.environ["BRAIN_UAD_TESTS"] = str(os.getpid())
os.environ["BRAIN_UAD_NETWORK_LOG"] = str(_NETWORK_LOG)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_GUARD), os.environ.get("PYTHONPATH"))))

# In the background of a shell Ctrl+C is ignored, and children inherit that: tests send it to them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


def _guard_this_process() -> None:
    spec = importlib.util.spec_from_file_location("network_guard", _GUARD / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


_guard_this_process()


def pytest_collection_finish() -> None:
    """Lets Python's garbage collector leave out what the imports of all test files made.

    napari has it go through everything after each change of layers and each viewer: half a second a time in a process with all tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Fails a test during which this process or a child of it tried to reach the network, even if the error was swallowed."""
    yield
    if _NETWORK_LOG.exists():
        attempts = _NETWORK_LOG.read_text()
        _NETWORK_LOG.unlink()
        pytest.fail(f"The network was asked for:\n{attempts}")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of scans with known figures; it is not part of the repository."""
    told = os.environ.get("BRAIN_UAD_DATA")
    folder = Path(told) if told else REPOSITORY.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"the shared scans are not on this machine ({'BRAIN_UAD_DATA' if told else 'set BRAIN_UAD_DATA to their folder'})")
    return folder
