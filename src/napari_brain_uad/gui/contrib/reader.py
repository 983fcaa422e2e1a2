"""Opening NIfTI, MGZ and DICOM files and folders in napari, by drag and drop or from the menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from napari import current_viewer
from napari.utils.notifications import show_error

from ...core.errors import BrainUADError, InputError
from ...io.streams import is_file
from ..app.settings import remember
from ..layers.layers import KEY, record
from ..layers.view import attach
from ..session.actions import open_session
from ..session.files import is_session
from .files import DICOM_SUFFIXES, LayerTuple, file_layers, warn
from .series_picker import SeriesPicker, find_choices, open_choice

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")

_LOOK = 200
_NOTHING: list[LayerTuple] = [(None,)]
"""What a napari reader returns for "read, but there is no layer"."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerTuple]] | None:
    """Answer napari whether this plugin can open `path` (one path, or several that are to be stacked)."""
    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    if len(paths) == 1 and is_session(paths[0]):
        return read_session_folder
    if len(paths) == 1 and paths[0].is_dir():
        return read_folder if holds_scans(paths[0]) else None
    return read if paths and all(one.name.lower().endswith((*SUFFIXES, *DICOM_SUFFIXES)) for one in paths) else None


def holds_scans(folder: Path) -> bool:
    """Whether there is an image or a DICOM file among the first files of a folder: a quick look, before napari asks others."""
    from ...io.dicom.frames import is_dicom
    from ...io.walk import walk

    for path in islice((path for path in walk(folder) if is_file(path)), _LOOK):
        with suppress(InputError):
            if path.name.lower().endswith(SUFFIXES) or is_dicom(path):
                return True
    return False


def read_folder(path: str | Sequence[str]) -> list[LayerTuple]:
    """The scan in a folder; with several, and in a window, a picker that adds the chosen ones later."""
    folder = Path(path if isinstance(path, str) else path[0])
    viewer = current_viewer()
    if viewer is not None:
        attach(viewer)
        SeriesPicker(viewer, folder, getattr(viewer.window, "_qt_window", None))
        return _NOTHING
    choices = find_choices(folder).choices
    if len(choices) > 1:
        names = "; ".join(f"{number}: {choice.label}" for number, choice in enumerate(choices[:12]))
        raise InputError(f"The folder holds {len(choices)} volumes", why=names, fix="Open one of them")
    return open_choice(choices[0])


def read_session_folder(path: str | Sequence[str]) -> list[LayerTuple]:
    """Open a session in the window; its layers come later, without this reader."""
    folder = Path(path if isinstance(path, str) else path[0])
    viewer = current_viewer()
    if viewer is None or not hasattr(viewer, "window"):
        raise InputError(f"{folder.name} is a session", why="there is no window to open it in", fix="Open it in napari")
    open_session(viewer, folder)
    return _NOTHING


def read(path: str | Sequence[str]) -> list[LayerTuple]:
    """Layers for a file (or several): a scan, a mask, an anomaly map, or each volume of a short 4-D file.

    An error becomes a notification in one sentence; raising it would show a traceback and a dialog that offers other readers,
    which might load a damaged file without a word.
    """
    layers: list[LayerTuple] = []
    for one in [path] if isinstance(path, str) else path:
        try:
            layers += [layer for layer in _layers(Path(one)) if not _open_already(layer)]
        except BrainUADError as error:
            show_error(str(error))
            continue
        remember("last_folder", str(Path(one).absolute().parent))
    viewer = current_viewer()
    if viewer is not None and layers:
        attach(viewer)
    return layers or _NOTHING


def _layers(path: Path) -> list[LayerTuple]:
    layers = file_layers(path)
    warn(layers[:1])
    return layers


def _open_already(layer: LayerTuple) -> bool:
    """Whether a DICOM series is open: every one of its slices, dropped at once, stands for all of it."""
    viewer, volume = current_viewer(), layer[1]["metadata"][KEY].get("volume")
    if viewer is None or volume is None or volume.source is None or volume.source.path is not None:
        return False
    shown = (record(other).get("volume") for other in viewer.layers)
    return any(other is not None and other.source is not None and other.source.sha256 == volume.source.sha256 for other in shown)
