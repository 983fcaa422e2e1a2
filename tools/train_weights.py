"""Train the models that come with the package, on people simulated from label maps.

    python tools/train_weights.py LABELMAPS OUT [NAME ...] [--threads N]

`tools/weights.json` says how each is trained. LABELMAPS is a folder of at least 16 FreeSurfer- or SynthSeg-style label maps; the first
13 (by name) are trained on, the others are never seen. `covariance-*` are atlases of such people at 1 mm on the grid of registered scans,
too large to come with the package. An interrupted training goes on when the command is given again. Weights are written as float16;
OUT/NAME.card.json holds what is said of them, without figures: those are measured by `make bench-methods`.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.detector import State
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.provenance import versions
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors._base import BaseDetector
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.detectors.strega import FINDER, RESTORER, Strega
from napari_brain_uad.io.atomic import write_json
from napari_brain_uad.io.checkpoint import save_checkpoint
from napari_brain_uad.preprocessing.geometry import resample_volume
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.training.session import TrainingSession, TrainingUpdate
from napari_brain_uad.workflows.scans.lazy_volumes import LazyVolumes

TRAINED, VALIDATED = 12, 13
"""People 1 to 12 are trained on, person 13 tells how training goes, those after are for the synthetic benchmark."""

SPACING_MM = 2.0
RIMS_MM = (2.0,)
_TELL_EVERY = 100
DATA = "Simulated {contrasts} brains at {spacing} mm, no real image, from 12 of the label maps of SynthSeg (Billot et al. 2023)"
LICENCES = "Label maps: Apache-2.0. Weights: BSD-3-Clause"


def main() -> None:
    """Train what is asked for, one after the other."""
    recipes = json.loads(Path(__file__).with_suffix("").with_name("weights.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=[], choices=[[], *recipes], help=f"of {', '.join(recipes)} (default: all)")
    parser.add_argument("--threads", type=int, default=0, help="of torch (default: its own choice)")
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu", help="to train on (default: %(default)s)")
    given = parser.parse_args()
    if given.threads:
        import torch

        torch.set_num_threads(given.threads)
    maps = sorted(given.label_maps.glob("*.nii.gz"))
    if len(maps) <= VALIDATED:
        parser.error(f"{given.label_maps} holds {len(maps)} label maps, not {VALIDATED + 1} or more")
    for name in given.names or recipes:
        train_one(name, recipes[name], maps, given.out, given.device)


def train_one(name: str, recipe: dict[str, Any], maps: list[Path], out: Path, device: str = "cpu") -> None:
    """Train one model and write it with its card."""
    found = method_class(recipe["method"])
    if found.Training is None:
        fit_atlas(name, recipe, maps[:TRAINED], out)
        return
    # The two networks of StRegA are trained one after the other: each on the people that are best for it.
    alone = {"regions": False} if "finder" in recipe else {}
    detector = found(found.Params.from_dict(recipe["params"] | alone))
    training = found.Training.from_dict(recipe["training"])
    settings = recipe.get("simulation", {})
    rims, pose = recipe.get("rims_mm", RIMS_MM), recipe.get("pose", "template")
    train = simulated(maps[:TRAINED], recipe["contrasts"], recipe["seed"], rims, pose, **settings)
    validation = simulated(maps[TRAINED:VALIDATED], dict.fromkeys(recipe["contrasts"], 2), recipe["seed"], RIMS_MM, "template", **settings)
    folder = out / f"{name}-training"
    folder.mkdir(parents=True, exist_ok=True)
    session = TrainingSession(folder, resume=True, device=device, validation=validation, report=partial(tell, name))
    start = time.perf_counter()
    detector.fit(train, seed=recipe["seed"], training=training, session=session)
    more: dict[str, Any] = {}
    if "finder" in recipe:
        detector, more["finder"] = with_finder(detector, name, recipe, maps, out, device)
    print(f"{name}: {time.perf_counter() - start:.0f} s with the simulation", flush=True)
    meta = {"seed": recipe["seed"], "versions": versions(), "steps": training.steps, "seconds": seconds_of(folder)} | more
    meta |= {"sequences": recipe["sequences"], "training": training.as_dict(), "scans": train.seen()}
    save_checkpoint(out / name, method=found.INFO.id, params=detector.params.as_dict(), state=halved(detector.state()), meta=meta)
    seconds = meta["seconds"] + more.get("finder", {}).get("seconds", 0.0)
    write_json(out / f"{name}.card.json", card(recipe, {"steps": training.steps, "seconds": round(seconds, 1)}, device=device))


def with_finder(
    restorer: BaseDetector, name: str, recipe: dict[str, Any], maps: list[Path], out: Path, device: str
) -> tuple[Strega, dict[str, Any]]:
    """StRegA with its second network, trained on people as they come from the scanner, and how; the first one has been trained."""
    from napari_brain_uad.training.loop import ArraySource, run_training

    own, detector = recipe["finder"], Strega(Strega.Params.from_dict(recipe["params"]))
    people, others = (_scanned(own, some) for some in (maps[:TRAINED], maps[TRAINED:VALIDATED]))
    stacks, unseen = detector.stacks(people), detector.stacks(others)
    found: State | None = None
    done: list[dict[str, Any]] = []
    for number, stage in enumerate(own["stages"]):
        training, seed = Strega.Training.from_dict(stage), own["seed"] + number
        folder = out / f"{name}-finder-training-{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        session = TrainingSession(folder, resume=True, device=device, report=partial(tell, f"{name}, finder"))
        task, source = detector.finder_task(found), ArraySource(stacks, unseen, seed)
        # A stage begins with the weights as they would be written.
        found = halved(run_training(task, source, training=training, seed=seed, session=session, progress=Progress()))
        done.append({"seed": seed, "training": training.as_dict(), "seconds": seconds_of(folder)})
    assert found is not None
    states = ((RESTORER, restorer.state()), (FINDER, found))
    detector.load_state({f"{part}{key}": array for part, state in states for key, array in state.items()})
    return detector, {"stages": done, "seconds": sum(stage["seconds"] for stage in done), "scans": people.seen()}


def _scanned(recipe: dict[str, Any], maps: list[Path]) -> LazyVolumes:
    """Healthy people in several kinds of scan; of a single map a few, to look at how training goes."""
    makers: list[Callable[[], Volume]] = []
    for number, scan in enumerate(recipe["scans"]):
        settings = {**recipe["simulation"], **scan}
        counts = recipe["contrasts"] if len(maps) > 1 else dict.fromkeys(recipe["contrasts"], 1)
        people = simulated(maps, counts, recipe["seed"] + number, (settings.pop("rim_mm"),), settings.pop("pose"), **settings)
        makers += [partial(people.__getitem__, place) for place in range(len(people))]
    return LazyVolumes(makers)


def tell(name: str, update: TrainingUpdate) -> None:
    """Print how a training goes."""
    if update.validation is None and update.step % _TELL_EVERY:
        return
    parts = ", ".join(f"{part} {value:.4g}" for part, value in update.losses.items())
    healthy = "" if update.validation is None else f", validation {update.validation:.5g}"
    print(f"{name} {update.step}/{update.steps}: {parts}{healthy}, {update.samples_per_second:.0f} slices/s", flush=True)


def seconds_of(folder: Path) -> float:
    """How long a training took, without its breaks: the last row of its log."""
    with (folder / "log.csv").open(encoding="utf-8", newline="") as log:
        return round(float(list(csv.DictReader(log))[-1]["seconds"]), 1)


def fit_atlas(name: str, recipe: dict[str, Any], maps: list[Path], out: Path) -> None:
    """Mean and variance of simulated people who fill the template's brain, as registered scans do."""
    found = method_class(recipe["method"])
    detector = found(found.Params.from_dict(recipe["params"]))
    size_mm, rims, pose = MNI_GRID.spacing[0], recipe.get("rims_mm", RIMS_MM), "template"
    people = simulated(maps, recipe["contrasts"], recipe["seed"], rims, pose, spacing_mm=size_mm, **recipe.get("simulation", {}))
    start = time.perf_counter()
    detector.fit(LazyVolumes([partial(_registered, people, number) for number in range(len(people))]), seed=recipe["seed"])
    seconds = round(time.perf_counter() - start, 1)
    print(f"{name}: {seconds} s", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    meta = {"seed": recipe["seed"], "versions": versions(), "seconds": seconds, "sequences": recipe["sequences"], "scans": people.seen()}
    save_checkpoint(out / name, method=found.INFO.id, params=detector.params.as_dict(), state=halved(detector.state()), meta=meta)
    write_json(out / f"{name}.card.json", card(recipe, {"seconds": seconds}, size_mm))


def _registered(people: LazyVolumes, number: int) -> Volume:
    """One of them on the template's grid, stretched along the axes until its brain fills the template's."""
    volume, brain = people[number], template()
    assert volume.mask is not None
    assert brain.mask is not None
    here, there = (grid.to_world(_corners(mask)) for grid, mask in ((volume.grid, volume.mask), (brain.grid, brain.mask)))
    stretch = np.eye(4)
    stretch[:3, :3] = np.diag(np.ptp(there, axis=0) / np.ptp(here, axis=0))
    stretch[:3, 3] = there.mean(axis=0) - stretch[:3, :3] @ here.mean(axis=0)
    return resample_volume(replace(volume, grid=Grid(volume.grid.shape, stretch @ volume.grid.affine)), MNI_GRID)


def _corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First and last voxel of a mask along each axis, shape (2, 3)."""
    shown = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return np.array([[one[0] for one in shown], [one[-1] for one in shown]], dtype=np.float64)


def card(recipe: dict[str, Any], done: dict[str, float], spacing_mm: float = SPACING_MM, device: str = "cpu") -> dict[str, Any]:
    """What is said of a model before it is measured."""
    data = DATA.format(contrasts=_counted(recipe["contrasts"]), spacing=f"{spacing_mm:g}")
    notes = "Trained by tools/train_weights.py with the settings in tools/weights.json."
    if "finder" in recipe:
        own = recipe["finder"]
        counts = {contrast: count * len(own["scans"]) for contrast, count in own["contrasts"].items()}
        data += f"; the network that finds painted-over regions: {_counted(counts)} of them at {own['simulation']['spacing_mm']:g} mm"
        stages = " and ".join(f"{stage['steps']} steps" for stage in own["stages"])
        notes += f" The network that finds painted-over regions: {stages}, seeds from {own['seed']}; its time is in the sum."
    return {
        "title": recipe["title"],
        "sequences": recipe["sequences"],
        "data": data,
        "licences": LICENCES,
        "seed": recipe["seed"],
        **done,
        "machine": machine_of(device),
        "notes": notes,
    }


def machine_of(device: str) -> str:
    """What a card says of the machine."""
    import torch

    graphics = {"cuda": torch.cuda.get_device_name, "mps": lambda: "Apple GPU"}
    return graphics[device]() if device in graphics else f"{torch.get_num_threads()} threads of a CPU ({platform.machine()})"


def _counted(contrasts: dict[str, int]) -> str:
    return ", ".join(f"{count} {contrast}" for contrast, count in contrasts.items())


def simulated(
    maps: list[Path],
    contrasts: dict[str, int],
    seed: int,
    rims_mm: Sequence[float],
    pose: str,
    *,
    spacing_mm: float = SPACING_MM,
    **settings: float,
) -> LazyVolumes:
    """Healthy brains of these contrasts, made when asked for; masks of real scans keep more or less of the fluid around the cortex."""
    makers: list[Callable[[], Volume]] = []
    for contrast, count in contrasts.items():
        fixed = SimulationParams.from_dict({"sequence": contrast, "spacing_mm": spacing_mm, "pose": pose, **settings})
        rims = [replace(fixed, rim_mm=rim) for rim in rims_mm]
        people = [Population(maps, params, seed) for params in rims]
        makers += [partial(_scan, people[number % len(people)], number) for number in range(count)]
    return LazyVolumes(makers)


def _scan(people: Population, number: int) -> Volume:
    return people[number].volume


def halved(state: State) -> State:
    """The weights as float16; counters stay whole numbers."""
    return {name: array.astype(np.float16) if array.dtype == np.float32 else array for name, array in state.items()}


if __name__ == "__main__":
    main()
