"""Scans that a batch finished before: the same command goes on where it was ended, whatever ended it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...core.anomaly_map import AnomalyMap
from ...core.errors import InputError
from ...core.provenance import array_sha256, code_of_others_sha256, code_sha256, versions
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...io.atomic import write_json
from ...io.checkpoint import checkpoint_files
from ...io.json_files import read_json
from ...io.nifti import SUFFIXES, image_files
from ...io.results import check_whole, token_of
from ...io.streams import file_sha256
from ..detect.score import model_for
from ..execution.devices import resolve_device
from ..models.references import places_for
from ..scans.load import MaskInput
from .case import Case

_FORMAT = "napari-brain-uad batch scan 1"


@dataclass(frozen=True)
class Finished:
    """What is kept of a finished scan.

    Parameters
    ----------
    record : Path
        The file that says so.
    folder : Path
        Of its results.
    key : str
        SHA-256 over all that they depend on; see `key_of`.
    token : str
        What the results are to be written with (`io.results.Run.token`): others may replace them at any time, under the same names, and
        what is kept here is of those files alone that were written with it.
    """

    record: Path
    folder: Path
    key: str
    token: str = field(default_factory=lambda: uuid4().hex)

    def find(self) -> dict[str, Any] | None:
        """What was kept, when the results are all there and as they were written; None otherwise."""
        try:
            kept = read_json(self.record)
            if not isinstance(kept, dict) or kept.get("format") != _FORMAT or kept.get("key") != self.key:
                return None
            files = {kind: self.folder / Path(name).name for kind, name in kept["files"].items()}
            if not all(file.is_file() for file in files.values()):
                return None
            if not kept["token"] or token_of(files["manifest"]) != kept["token"]:
                return None
            stem = files["manifest"].name.removesuffix("_manifest.json")
            check_whole(files["map"], stem, [file for kind, file in files.items() if kind != "manifest"])
        except (InputError, KeyError, AttributeError, TypeError, OSError):
            return None
        return {**kept["about"], "files": files}

    def keep(self, about: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Keep what is to be known of the scan, plain JSON data, and the names of its files."""
        names = {kind: file.name for kind, file in files.items()}
        self.record.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.record, {"format": _FORMAT, "key": self.key, "token": self.token, "files": names, "about": dict(about)})


def key_of(case: Case, volume: Volume, run: Any) -> str:
    """SHA-256 over everything that a scan's results depend on.

    That is: scan, mask and truth by their contents, method, model, healthy references, settings, device, seed, versions and code.

    Raises
    ------
    InputError, ModelError, DeviceError
        If the method, its model or the device cannot be used.
    """
    found = method_class(run.spec.method)
    model = model_for(run.spec.method, run.spec.model or None, volume.sequence)
    device = resolve_device(run.device, found.INFO.devices)
    known = (run.spec.method, "") if model is None else (model.id, model.sha256)
    references = places_for(run.spec.method, *known)
    parts = [
        [str(case.scan) if not isinstance(case.scan, Volume) else volume.name, volume.name, array_sha256(volume.data)],
        ["" if volume.mask is None else array_sha256(volume.mask), volume.grid.as_dict(), volume.sequence_words],
        [finding.as_dict() for finding in volume.findings],
        [_contents(case.mask), _contents(case.truth), case.covariates.age],
        [str(run.spec), "" if model is None else model.sha256],
        {of: [file_sha256(checkpoint_files(file)[1]) for file in files] for of, files in references.items()},
        [run.post.as_dict(), run.prepare_with, device.name, device.words, run.seed, run.mni],
        [versions(), code_sha256(), code_of_others_sha256(found.__module__.partition(".")[0])],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _contents(given: MaskInput | Volume | AnomalyMap | None) -> str:
    if given is None:
        return ""
    if not isinstance(given, str | Path):
        return array_sha256(given)  # type: ignore[arg-type]
    path = Path(given)
    # Of a pair the header alone does not tell: the voxels lie in the other half.
    return " ".join(map(file_sha256, image_files(path))) if path.name.lower().endswith(SUFFIXES) else file_sha256(path)


def about_of(record: Path) -> dict[str, Any]:
    """What was kept of a scan, finished or not.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    kept = read_json(record)
    if not isinstance(kept, dict) or kept.get("format") != _FORMAT or not isinstance(kept.get("about"), dict):
        raise InputError(record.name, why="it is no record of a scan", fix="Remove it, and run the scan again")
    return dict(kept["about"])


def plain(outcome: Any, *without: str) -> dict[str, Any]:
    """The fields of a dataclass by name, but for some."""
    return {one.name: getattr(outcome, one.name) for one in fields(outcome) if one.name not in without}
