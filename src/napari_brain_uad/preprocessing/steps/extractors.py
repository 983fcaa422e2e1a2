"""The tools that find a brain in a raw head: deepbet in this process, others as programs when they are installed."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes
from skimage.filters import threshold_otsu

from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...io.nifti import read_volume, write_volume
from ..brain_mask import estimate_brain_mask

# {scan} and {brain} are files; each program writes the stripped scan to {brain}.
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "hd-bet": ("hd-bet", "-i", "{scan}", "-o", "{brain}", "-device", "cpu", "--disable_tta"),
    "robex": ("robex", "{scan}", "-os", "{brain}"),
    "synthstrip": ("mri_synthstrip", "-i", "{scan}", "-o", "{brain}"),
}

BACKENDS = ("deepbet", *_PROGRAMS)
"""deepbet: Fisch et al., Med. Image Anal. 2024. hd-bet: Isensee et al., Hum. Brain Mapp. 2019. robex: Iglesias et al., IEEE TMI
2011. synthstrip: Hoopes et al., NeuroImage 2022."""


def extract(backend: str, volume: Volume, progress: Progress) -> NDArray[np.bool_]:
    """The brain mask of a raw head.

    Parameters
    ----------
    backend : str
        One of `BACKENDS`.
    volume : Volume
        The head, skull included.
    progress : Progress
        Its cancelling kills a program at once; deepbet ends its current scan first (some 5 s).

    Returns
    -------
    array of bool, shape of ``volume.data``

    Raises
    ------
    InputError
        If the tool is not installed, or fails.
    """
    mask = _deepbet(volume) if backend == "deepbet" else _program(backend, volume, progress)
    progress.check()
    return mask


def _deepbet(volume: Volume) -> NDArray[np.bool_]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the packages it imports
        try:
            deepbet: Any = importlib.import_module("deepbet")
        except ImportError as error:
            raise InputError(
                f"The brain of {volume.name} cannot be extracted",
                why=f"deepbet is not installed ({error.name} is missing)",
                fix="pip install 'napari-brain-uad[prepare]', or give a brain mask",
            ) from error
        network = deepbet.BrainExtraction(no_gpu=True)
        try:
            probability = network.run_model(np.array(volume.data, order="C"))
            if volume.sequence in _BRIGHT_FLUID:
                probability = np.minimum(probability, network.run_model(_inverted(volume.data, probability > 0.5)))
        except AssertionError as error:  # its way to say that nothing looked like a brain
            raise InputError(
                f"No brain was found in {volume.name}", why="deepbet saw none", fix="Check that it is a brain scan, or give a mask"
            ) from error
    return _solid(probability > 0.5)


_BRIGHT_FLUID = ("T2", "PD")
"""deepbet was trained on T1, where CSF is dark; here it is bright and much of it is taken for brain. The network looks at the inverted
contrast too, and what both call brain is kept: on a 5.5 mm T2 the Dice with HD-BET rises from 0.937 to 0.958."""


def _inverted(data: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bright fluid dark, as on T1, with the air still at 0."""
    if not brain.any():
        return np.array(data, order="C")
    head = _solid(data > 0.5 * threshold_otsu(data))
    top = np.float32(np.percentile(data[brain], 99))
    return np.ascontiguousarray(np.where(head, np.clip(top - data, 0.0, None), np.float32(0.0)))


def _solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part without holes."""
    if not mask.any():
        return mask
    return np.asfortranarray(binary_fill_holes(cc3d.largest_k(mask, k=1, connectivity=6) > 0))


def _program(backend: str, volume: Volume, progress: Progress) -> NDArray[np.bool_]:
    template = _PROGRAMS[backend]
    if shutil.which(template[0]) is None:
        raise InputError(
            f"{backend} is not installed", why=f"there is no program '{template[0]}'", fix="Install it, or choose the backend deepbet"
        )
    with tempfile.TemporaryDirectory(prefix="brain-uad-") as folder:
        # A neutral name: programs write their arguments into logs.
        files = {"scan": str(Path(folder) / "scan.nii.gz"), "brain": str(Path(folder) / "brain.nii.gz")}
        write_volume(files["scan"], volume)
        _run([part.format(**files) for part in template], backend, progress)
        if not Path(files["brain"]).is_file():
            raise InputError(f"{backend} failed on {volume.name}", why="it wrote no image", fix="Try the backend deepbet")
        brain = read_volume(files["brain"])
    return estimate_brain_mask(brain).mask


def _run(command: list[str], backend: str, progress: Progress) -> None:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                progress.check()
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise InputError(f"{backend} failed", why=f"it ended with code {process.returncode}", fix="Try the backend deepbet")
