"""What the preset ``clinical`` costs on a raw T1 head, and how well it does on raw scans: ``python -m benchmarks.preparation``.

Without options: one head step by step, again from the cache, then its tissue classes; wall and CPU time (of child processes too), memory,
and how busy the machine was. With ``--all``: every raw patient among the shared scans, each sequence's agreement with the template, its
brain mask against the mask that lies beside the scan, and a map made in MNI brought back. ``--deformable`` deforms the brain by greedy,
too, and looks at T1 scans only; ``--figures DIR`` keeps scans, records and pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.io.nifti import read_mask, read_volume, write_map
from napari_brain_uad.preprocessing.pipeline import Pipeline, StepRun, with_settings
from napari_brain_uad.preprocessing.prepared import Prepared
from napari_brain_uad.preprocessing.presets import preset
from napari_brain_uad.preprocessing.registration import dice
from napari_brain_uad.preprocessing.step import Context
from napari_brain_uad.preprocessing.steps.tissue_classes import TissueClasses
from napari_brain_uad.workflows.scans.prepare import prepare, prepare_patient, save_prepared

SEQUENCES = ("T1", "T1c", "T2", "FLAIR")


def _data() -> Path:
    told = os.environ.get("BRAIN_UAD_DATA")
    return Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class _Clock:
    wall: float
    own: float
    children: float

    @classmethod
    def now(cls) -> _Clock:
        times = os.times()
        return cls(time.perf_counter(), times.user + times.system, times.children_user + times.children_system)

    def told(self, label: str) -> None:
        now = _Clock.now()
        cpu = now.own - self.own + now.children - self.children
        load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(f"{label}: {now.wall - self.wall:.1f} s wall, {cpu:.1f} s CPU{load}", flush=True)


def _step(run: StepRun) -> None:
    print(f"  {run.step.ID}: {run.seconds:.1f} s wall; {run.result.said}", flush=True)


def one_head(path: Path) -> None:
    """Times and memory."""
    head = read_volume(path)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAIN_UAD_CACHE"] = folder
        start = _Clock.now()
        prepared = prepare(head, "clinical", on_step=_step)
        start.told("clinical")
        start = _Clock.now()
        prepare(head, "clinical")
        start.told("clinical, from the cache")
    start = _Clock.now()
    print(f"  tissue_classes: {TissueClasses().apply(prepared.volume, Context()).said}")
    start.told("tissue classes")
    _memory()


def _memory() -> None:
    if os.name == "posix":
        import resource

        # deepbet runs in a child process while this one waits: the sum is an upper bound.
        own, child = (resource.getrusage(who).ru_maxrss / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(f"peak memory: {own:.2f} GB, the largest child process {child:.2f} GB")


def patients(data: Path) -> dict[str, dict[str, Path]]:
    """Raw patients: name to sequence to file."""
    found: dict[str, dict[str, Path]] = {"chris": {"T1": data / "healthy" / "chris_T1.nii.gz"}}
    for folder in (data / "raw" / "TCGA-FG-6692", *sorted((data / "raw" / "mslub_longitudinal").glob("patient*"))):
        names = {sequence: [folder / f"{sequence}.nii.gz", folder / f"study1_{sequence}.nii.gz"] for sequence in SEQUENCES}
        found[folder.name] = {sequence: path for sequence, paths in names.items() for path in paths if path.is_file()}
    return {name: files for name, files in found.items() if files and all(path.is_file() for path in files.values())}


def one_patient(name: str, files: Mapping[str, Path], deformable: bool, keep: Path | None) -> None:
    """Prepare a patient's sequences together and print how well it went."""
    pipeline: Pipeline = preset("clinical").pipeline
    if deformable:
        pipeline, files = with_settings(pipeline, {"register_mni.deformable": "true"}), {"T1": files["T1"]}
    volumes = {sequence: read_volume(path, name=f"{name} {sequence}") for sequence, path in files.items()}
    start = _Clock.now()
    done = prepare_patient(volumes, pipeline, use_cache=False)
    start.told(name)
    for sequence, prepared in done.items():
        print(
            f"  {sequence:5s} {_agreement(prepared)}; {_way_back(prepared, files[sequence])}{_mask(files[sequence], prepared)}", flush=True
        )
        if keep is not None:
            save_prepared(prepared, volumes[sequence], keep, "warped" if deformable else "clinical")


def _agreement(prepared: Prepared) -> str:
    outcome: dict[str, Any] = next(step["outcome"] for step in prepared.record if step["step"] == "register_mni")
    told = f"NCC {outcome['ncc']:.3f} ({outcome['ncc_smooth']:.3f} blurred), brain Dice {outcome['dice']:.3f}"
    return told + (f", NCC of the {100 * outcome['shown']:.1f} % shown {outcome['ncc_shown']:.3f}" if "shown" in outcome else "")


def _way_back(prepared: Prepared, path: Path) -> str:
    """A map made in MNI (the brain itself, so that it can be compared), written for the scan."""
    shown, scan = prepared.volume, cast(nibabel.Nifti1Image, nibabel.load(path))
    amap = AnomalyMap(shown.data, shown.grid, shown.brain, "intensity", "threshold", shown.name, ThresholdRule.parse("otsu"))
    back = prepared.map_to_native(amap)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "map.nii.gz"
        write_map(written, back)
        image = cast(nibabel.Nifti1Image, nibabel.load(written))
        off = float(np.abs(image.affine - scan.affine).max())
        brain = np.asarray(image.dataobj) > 0
        like = float(np.corrcoef(np.asarray(image.dataobj)[brain], np.asarray(scan.dataobj)[brain])[0, 1])
    same = "its grid" if image.shape == scan.shape else "ANOTHER GRID"
    return f"map back on {same} ({'x'.join(map(str, image.shape))}), affine off by {off:g}, correlation with the scan {like:.3f}"


def _mask(path: Path, prepared: Prepared) -> str:
    beside = path.with_name(path.name.replace(".nii.gz", "_hdbet_mask.nii.gz"))
    if not beside.is_file() or prepared.native_mask is None:
        return ""
    return f"; brain mask against HD-BET {dice(prepared.native_mask, read_mask(beside, read_volume(path))):.3f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--all", action="store_true", help="every raw patient instead of one head's times")
    parser.add_argument("--deformable", action="store_true", help="with --all: deform by greedy, T1 only")
    parser.add_argument("--only", default="", help="with --all: patients whose name holds this")
    parser.add_argument("--figures", type=Path, help="with --all: keep what was made here")
    options = parser.parse_args()
    found = patients(_data())
    if "chris" not in found:
        print("the shared scans are not on this machine (set BRAIN_UAD_DATA to their folder)")
        return
    if not options.all:
        one_head(found["chris"]["T1"])
        return
    for name, files in found.items():
        if options.only in name:
            one_patient(name, files, options.deformable, options.figures)
    _memory()


if __name__ == "__main__":
    main()
