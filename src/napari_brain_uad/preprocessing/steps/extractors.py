"""The tools that find a brain in a raw head, each as a process of its own: deepbet, and others when they are installed."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...io.folders import temporary_folder
from ...io.nifti import read_volume, write_volume
from ...io.processes import guarded
from ..brain_mask import solid, stripped_brain
from .deepbet_child import brain_probability

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
        Its cancelling ends the tool at once.

    Returns
    -------
    array of bool, shape of ``volume.data``

    Raises
    ------
    InputError
        If the tool is not installed, or fails.
    """
    mask = solid(brain_probability(volume, progress) > 0.5) if backend == "deepbet" else _program(backend, volume, progress)
    progress.check()
    return mask


def _program(backend: str, volume: Volume, progress: Progress) -> NDArray[np.bool_]:
    template = _PROGRAMS[backend]
    if shutil.which(template[0]) is None:
        raise InputError(
            f"{backend} is not installed", why=f"there is no program '{template[0]}'", fix="Install it, or choose the backend deepbet"
        )
    with temporary_folder() as folder:
        # A neutral name: programs write their arguments into logs.
        files = {"scan": str(folder / "scan.nii.gz"), "brain": str(folder / "brain.nii.gz")}
        write_volume(files["scan"], volume)
        _run([part.format(**files) for part in template], backend, progress)
        if not Path(files["brain"]).is_file():
            raise InputError(f"{backend} failed on {volume.name}", why="it wrote no image", fix="Try the backend deepbet")
        brain = read_volume(files["brain"])
    return stripped_brain(brain)


def _run(command: list[str], backend: str, progress: Progress) -> None:
    with guarded(command, output=subprocess.DEVNULL) as process:
        while process.poll() is None:
            progress.check()
            time.sleep(0.1)
    if process.returncode:
        raise InputError(f"{backend} failed", why=f"it ended with code {process.returncode}", fix="Try the backend deepbet")
