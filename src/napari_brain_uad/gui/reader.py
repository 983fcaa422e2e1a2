"""Opening NIfTI, MGZ and DICOM files and folders in napari, by drag and drop or from the menu."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from napari.utils.notifications import show_error, show_warning

from ..core.errors import BrainUADError, InputError
from ..core.volume import Volume
from ..io.nifti import count_volumes, image_stem, read_map, read_volume
from .layers import KEY, labels_layer, map_layer, record, volume_layer
from .settings import remember
from .view import attach

LayerTuple = tuple[Any, ...]

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
MAX_VOLUMES = 8
"""A 4-D file with more volumes is refused: it is a time series or diffusion data, and each volume would be a layer."""

_MAP_ENDINGS = ("_anomalymap.nii.gz", "_anomalymap.nii")
_MOST_LABELS = 300
_LOOK = 200
_LABEL_WORDS = re.compile(r"(^|[._-])((brain)?mask|(ground_?)?truth|lesions?|tumou?r|d?seg|segmentation|labels?)(?=[._-]|$)")
_NOTHING: list[LayerTuple] = [(None,)]
"""What a napari reader returns for "read, but there is no layer"."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerTuple]] | None:
    """Answer napari whether this plugin can open `path` (one path, or several that are to be stacked)."""
    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    if len(paths) == 1 and paths[0].is_dir():
        return read_folder if holds_scans(paths[0]) else None
    return read if paths and all(one.name.lower().endswith((*SUFFIXES, *DICOM_SUFFIXES)) for one in paths) else None


def holds_scans(folder: Path) -> bool:
    """Whether there is an image or a DICOM file among the first files of a folder: a quick look, before napari asks others."""
    from ..io.dicom_frames import is_dicom

    files = (Path(at) / name for at, _, names in os.walk(folder) for name in sorted(names) if not name.startswith("."))
    try:
        return any(path.name.lower().endswith(SUFFIXES) or is_dicom(path) for path in islice(files, _LOOK))
    except OSError:
        return False


def read_folder(path: str | Sequence[str]) -> list[LayerTuple]:
    """The scan in a folder; with several, and in a window, a picker that adds the chosen ones later."""
    from .series_picker import SeriesPicker, find_choices, open_choice

    folder = Path(path if isinstance(path, str) else path[0])
    viewer = current_viewer()
    if viewer is not None:
        attach(viewer)
        SeriesPicker(viewer, folder, getattr(viewer.window, "_qt_window", None))
        return _NOTHING
    choices = find_choices(folder)
    if len(choices) > 1:
        names = "; ".join(f"{number}: {choice.label}" for number, choice in enumerate(choices[:12]))
        raise InputError(f"The folder holds {len(choices)} volumes", why=names, fix="Open one of them")
    return open_choice(choices[0])


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
        remember("last_folder", str(Path(one).resolve().parent))
    viewer = current_viewer()
    if viewer is not None and layers:
        attach(viewer)
    return layers or _NOTHING


def _layers(path: Path) -> list[LayerTuple]:
    layers = file_layers(path)
    warn(layers[:1])
    return layers


def file_layers(path: Path) -> list[LayerTuple]:
    """The layers of a file; touches no widget, so that a job may call it.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if path.name.lower().endswith(_MAP_ENDINGS):
        return [map_layer(read_map(path))]
    return [labels_layer(volume) if is_labels(path, volume) else volume_layer(volume) for volume in read_all(path)]


def warn(layers: Sequence[LayerTuple]) -> None:
    """Notify of what the checks saw in these scans."""
    for _, meta, _ in layers:
        volume = meta["metadata"][KEY].get("volume")
        for finding in () if volume is None else volume.findings:
            if finding.level == "warning":
                show_warning(f"{volume.name}: {finding.message}. {finding.fix}".rstrip(". ") + ".")


def _open_already(layer: LayerTuple) -> bool:
    """Whether a DICOM series is open: every one of its slices, dropped at once, stands for all of it."""
    viewer, volume = current_viewer(), layer[1]["metadata"][KEY].get("volume")
    if viewer is None or volume is None or volume.source is None or volume.source.path is not None:
        return False
    shown = (record(other).get("volume") for other in viewer.layers)
    return any(other is not None and other.source is not None and other.source.sha256 == volume.source.sha256 for other in shown)


def read_all(path: Path) -> list[Volume]:
    """Every volume of a file.

    Raises
    ------
    InputError
        If the file cannot be read or holds more than `MAX_VOLUMES` volumes.
    """
    if path.name.lower().endswith(DICOM_SUFFIXES):
        from ..io.dicom import read_series

        return [read_series(path)]
    count = count_volumes(path)
    if count == 1:
        return [read_volume(path)]
    if count > MAX_VOLUMES:
        raise InputError(
            f"{path.name} holds {count} volumes",
            why=f"at most {MAX_VOLUMES} are opened at once",
            fix="Save the one to look at as a 3-D file, or open it in Python with napari_brain_uad.load(path, index=N)",
        )
    return [read_volume(path, index=index, name=f"{image_stem(path)} [{index}]") for index in range(count)]


def is_labels(path: Path, volume: Volume) -> bool:
    """Whether a file holds a mask or labels: its name says so, and its values are a few whole numbers from 0 up."""
    name = path.name.lower()
    stem = name.removesuffix(".gz").rpartition(".")[0]
    if not _LABEL_WORDS.search(stem):
        return False
    data = volume.data
    if float(data.min()) < 0 or float(data.max()) > 65535 or not np.array_equal(data, np.round(data)):
        return False
    return len(np.unique(data)) <= _MOST_LABELS
