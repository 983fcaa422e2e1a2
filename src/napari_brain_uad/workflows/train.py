"""Train a method on healthy scans and save the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.detector import Detector
from ..core.errors import InputError
from ..core.params import Params
from ..core.progress import Progress
from ..core.provenance import array_sha256, versions
from ..core.volume import Volume
from ..detectors.registry import create, method_class
from ..io.checkpoint import save_checkpoint
from .detect import ParamsInput
from .ready import make_ready

_ENDINGS = (".nii", ".nii.gz", ".mgz", ".mgh")


def find_scans(folder: str | Path) -> list[Path]:
    """The scans directly in a folder, sorted by name; files that are plainly masks or maps are left out.

    Raises
    ------
    InputError
        If the folder is missing or holds no scan.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root.name} is not a folder", fix="Give a folder of healthy scans")
    masks = ("_mask", "_brainmask", "_truth", "_lesions", "_seg", "_anomalymap")
    found = [
        path
        for path in sorted(root.iterdir())
        if path.name.lower().endswith(_ENDINGS) and not path.name.lower().split(".")[0].endswith(masks)
    ]
    if not found:
        raise InputError(
            f"Folder {root.name} holds no scan", why=f"no file ends in {', '.join(_ENDINGS)}", fix="Give a folder of healthy scans"
        )
    return found


def train(
    method: str,
    scans: Sequence[Volume | str | Path] | str | Path,
    *,
    params: ParamsInput = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Detector:
    """Train a method on healthy scans.

    Parameters
    ----------
    method : str
        A trainable method's id.
    scans : sequence of Volume or path, or a folder
        Healthy scans. Brains are found as in `detect`.
    params : Params or mapping, optional
        The method's settings.
    seed : int
        Fixes everything random.
    out : str or Path, optional
        Where to save the model (``NAME.safetensors``, with ``NAME.json`` beside it).
    progress : Progress, optional
        Told how far it is; its cancelling stops the training.

    Returns
    -------
    Detector
        Ready to score.

    Raises
    ------
    InputError
        If the method learns nothing, or a scan cannot be used.
    Cancelled
        Nothing was written.
    """
    progress = progress or Progress()
    found = method_class(method)
    if not found.INFO.trainable:
        raise InputError(f"{method} learns nothing from data", fix="Use it as it is, without training")
    given = params.as_dict() if isinstance(params, Params) else dict(params or {})
    detector = create(method, found.Params.from_dict(given))
    inputs = find_scans(scans) if isinstance(scans, str | Path) else list(scans)
    volumes = []
    for number, scan in enumerate(inputs):
        progress.update(0.4 * number / max(len(inputs), 1), f"Reading scan {number + 1} of {len(inputs)}")
        volumes.append(make_ready(scan, preset_id=found.INFO.preset).scored)
    detector.fit(volumes, seed=seed, progress=progress.part(0.4, 0.95))
    if out is not None:
        meta = {
            "seed": seed,
            "versions": versions(),
            "scans": [{"name": volume.name, "voxels_sha256": array_sha256(volume.data)} for volume in volumes],
        }
        save_checkpoint(Path(out), method=method, params=detector.params.as_dict(), state=detector.state(), meta=meta)
    progress.update(1.0, "Trained")
    return detector
