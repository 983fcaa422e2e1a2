"""The recipes of the models that come with the package, and training by them: each stage on its own scans, in one or several trainings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.checks import Finding
from ...core.detector import State
from ...core.errors import BrainUADError, InputError
from ...core.memory import told_as_error
from ...core.params import Params
from ...core.progress import Progress
from ...core.provenance import versions
from ...core.text import choose_from
from ...detectors.base.detector import BaseDetector
from ...detectors.base.stages import Fitting, GradientStage, Stage, of_stage, prefixed
from ...detectors.registry import method_class
from ...io.atomic import write_json
from ...io.checkpoint import BORROWED, checkpoint_files, load_checkpoint, read_record
from ...io.json_files import read_json
from ...io.results import check_output
from ...training.params import TrainingParams, check_precision
from ...training.session import TrainingSession, TrainingUpdate
from ..models.method_spec import MethodSpec
from ..models.models import find_model, shipped_models
from ..scans.lazy_volumes import LazyVolumes
from .carried_scans import SOURCE
from .cohorts import cohort
from .recipe_scans import spacing_of, training_scans, validation_scans
from .train import Heard, check_free, machine_words, prepared_detector, save_model
from .training_record import claim, so_far

RECIPES = Path(__file__).with_name("recipes.json")
TRAINED, VALIDATED = 12, 13
"""Heads 1 to 12 are trained on, head 13 tells how training goes, those after are for the synthetic benchmark."""

OF_A_RECIPE = ("params", "start_share")
"""What a training of a recipe may say beside the settings of any training: settings of the method that it alone has, and how much of the
weights that it began with is kept: the mean of both does better on scans unlike those learned from (WiSE-FT, Wortsman et al. 2022,
arXiv:2109.01903)."""

Recipe = dict[str, Any]
Report = Callable[[TrainingUpdate], None]

_DATA = "Simulated {contrasts} brains at {spacing:g} mm{none}, from 12 of the label maps of SynthSeg (Billot et al. 2023)"
_REAL = "; real {source} scans of {count} healthy adults ({words}), as {contrasts}"
_PICTURES = "; {count:,} real slices ({words})"
_STAGE_OF = "what the model {} has learned in it"
_LICENCES = "Label maps: Apache-2.0. {real}Weights: {weights}"


def recipes() -> dict[str, Recipe]:
    """All recipes by the id of their model."""
    found: dict[str, Recipe] = read_json(RECIPES, fix="Install again")
    return found


def recipe(name: str) -> Recipe:
    """One recipe.

    Raises
    ------
    InputError
        For an unknown name.
    """
    known = recipes()
    if name not in known:
        raise InputError(f"There is no recipe '{name}'", fix=choose_from(name, known, "Recipes"))
    return known[name]


@told_as_error()
def train_recipe(
    own: Recipe,
    label_maps: str | Path,
    out: str | Path,
    *,
    healthy: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    device: str = "auto",
    report: Report | None = None,
    at_step: Callable[[int], None] | None = None,
    on_failure: Callable[[str, BrainUADError], None] | None = None,
    on_warning: Callable[[str, Finding], None] | None = None,
    progress: Progress | None = None,
) -> BaseDetector:
    """Train a model as a recipe says, on subjects simulated from label maps and on real ones, and write it with its card.

    Parameters
    ----------
    own : dict
        The recipe, like those of `recipes`.
    label_maps : str or Path
        Folder of at least 13 FreeSurfer- or SynthSeg-style label maps; the first 12 by name are trained on, the next one is for watching.
    out : str or Path
        NAME of the model; the folder ``NAME`` takes checkpoints, from which the same training goes on when it was interrupted.
    healthy, changes : optional
        Folder of the real healthy scans, for recipes that name some; settings of the trainings unlike the recipe's, like fewer steps.
    overwrite : bool
        A model of that name may be replaced, with its card; an interrupted training starts anew.
    device, report, at_step, on_failure, on_warning, progress
        As in `workflows.train.train.train`.

    Returns
    -------
    BaseDetector

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `workflows.train.train.train`.
    """
    maps = _label_maps(Path(label_maps))
    if healthy is not None and not _people(own):
        raise InputError("This recipe", why="it names no real scans", fix="Leave the folder of healthy scans (--healthy) out")
    files = checkpoint_files(Path(out))
    check_output(files[0].parent)
    check_free(files[0], overwrite=overwrite)
    detector, settings, used = prepared_detector(MethodSpec.of(own["method"], params=own["params"]), None, device)
    check_precision(str((changes or {}).get("precision", "auto")), used.name)
    session = TrainingSession(device=detector.device, report=report or (lambda _: None), at_step=at_step or (lambda _: None))
    run = _RecipeRun(own, maps, None if healthy is None else Path(healthy), files[0].with_suffix(""), session, dict(changes or {}))
    if settings is not None:
        run.claim(detector.params, overwrite)
    state, meta = run.learned(detector.stages(), settings, Heard(on_failure, on_warning), progress or Progress())
    detector.load_state(state)
    meta |= {"seed": own["seed"], "versions": versions(), "sequences": own["sequences"]}
    save_model(files[0], detector, _not_borrowed(detector.shipped_state(), meta), meta)
    write_json(files[0].with_suffix(".card.json"), card(own, meta, machine_words(used.words)))
    return detector


def _label_maps(folder: Path) -> list[Path]:
    maps = sorted(folder.glob("*.nii.gz"))
    if len(maps) < VALIDATED:
        why = f"it holds {len(maps)} label maps (*.nii.gz), not {VALIDATED} or more"
        raise InputError(f"The folder {folder}", why=why, fix="Give the folder of label maps that the recipe's subjects come from")
    return maps


@dataclass(frozen=True)
class _RecipeRun:
    """One training by a recipe."""

    own: Recipe
    maps: Sequence[Path]
    healthy: Path | None
    folder: Path
    session: TrainingSession
    changes: dict[str, Any]
    failures: dict[str, BrainUADError] = field(default_factory=dict)
    """The scans that could not be made so far, by name: they are left out."""
    warnings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    """What makes scans that were made so far unlike healthy brains, by name."""

    def claim(self, params: Params, overwrite: bool) -> None:
        """Make its folder its place, as `training_record.claim`; raises first where scans or models are missing, or settings wrong."""
        for stage in (self.own, *self.own.get("stages", {}).values()):
            if "start" in stage:
                find_model(stage["start"])
        for one in _with_scans(self.own):
            self._check_trainings(one)
            training_scans(one["scans"], self.maps[:TRAINED], one["seed"], self.healthy)
        maps = self.maps[:VALIDATED]
        record = {
            "method": self.own["method"],
            "params": params.as_dict(),
            "recipe": self.own,  # which names the real scans
            "changes": self.changes,
            "data": {"label_maps": str(maps[0].parent), "healthy": "" if self.healthy is None else str(self.healthy)},
            "label_maps": [path.name for path in maps],
        }
        claim(self.folder, record, resume=not overwrite, overwrite=overwrite, first=True)

    def _check_trainings(self, one: Recipe) -> None:
        """Before the first one has taken its hours: what a training has of its own."""
        kind = method_class(self.own["method"]).Params
        learned = {name for name, _, info in kind.describe() if info.role == "training"}
        for number, settings in enumerate(one.get("trainings", ()), start=1):
            unlike = settings.get("params", {})
            kind.from_dict(self.own["params"] | unlike)
            what, share = f"Training {number} of this recipe", settings.get("start_share", 0.0)
            if other := sorted(set(unlike) - learned):
                why = f"{other[0]} is no setting of how the method learns: it is the same in all trainings"
                raise InputError(what, why=why, fix="Give it in the recipe's own params")
            if type(share) not in (int, float) or not 0.0 <= share <= 1.0:
                raise InputError(what, why=f"start_share is {share!r}", fix="Give a number from 0 to 1")
            if share and number == 1 and "start" not in one:
                raise InputError(what, why="there are no weights to keep a share of", fix="Leave start_share out")

    def learned(
        self, stages: Sequence[Stage], settings: TrainingParams | None, heard: Heard, progress: Progress
    ) -> tuple[State, dict[str, Any]]:
        """As `all_stages`; however it ends, it is told which scans were left out and what was seen of others."""
        try:
            return self.all_stages(stages, None if settings is None else type(settings), progress)
        finally:
            heard.warnings(self.warnings)
            heard.failures(self.failures)

    def all_stages(self, stages: Sequence[Stage], kind: type[TrainingParams] | None, progress: Progress) -> tuple[State, dict[str, Any]]:
        """What all stages learn, and how each did."""
        start, state = time.perf_counter(), State()
        done: dict[str, Any] = {}
        for number, stage in enumerate(stages):
            part = progress.part(number / len(stages), (number + 1) / len(stages))
            found, done[stage.name] = self._stage(stage, state, kind, part)
            state |= prefixed(stage.name, found)
        seconds = sum(one.get("seconds", 0.0) for one in done.values()) or time.perf_counter() - start
        return state, (done[""] if set(done) == {""} else {"stages": done}) | {"seconds": round(seconds, 1)} | _lenders(done)

    def _stage(self, stage: Stage, before: State, kind: type[TrainingParams] | None, progress: Progress) -> tuple[State, dict[str, Any]]:
        own = self.own.get("stages", {}).get(stage.name, self.own)
        begin, model = _of_model(own.get("start"), stage.name)
        if "scans" not in own:
            return begin, {"model": model}
        if not isinstance(stage, GradientStage):  # a method of networks may estimate something, too
            kind = None
        subjects = training_scans(own["scans"], self.maps[:TRAINED], own["seed"], self.healthy)
        others = validation_scans(own["scans"], self.maps[TRAINED:VALIDATED], own["seed"]) if kind is not None else LazyVolumes(())
        try:
            found, done = self._trainings(stage, own, (before, begin), kind, (subjects, others), progress)
        finally:  # whatever ends it: a training that goes on later would only say so then
            for scans in (subjects, others):
                self.failures.update(scans.failures)
                self.warnings.update(scans.warnings)
        meta: dict[str, Any] = {"scans": subjects.seen(), **({"left_out": list(subjects.failures)} if subjects.failures else {})}
        if done:
            meta |= {"seconds": round(sum(one["seconds"] for one in done), 1), "steps": sum(one["steps"] for one in done)}
            meta |= {"trainings": done}
        return found, meta | ({"model": model} if model else {})

    def _trainings(
        self,
        stage: Stage,
        own: Mapping[str, Any],
        states: tuple[State, State],
        kind: type[TrainingParams] | None,
        scans: tuple[LazyVolumes, LazyVolumes],
        progress: Progress,
    ) -> tuple[State, list[dict[str, Any]]]:
        """What a stage learns in one training after the other, from scans that are learned from and others to watch.

        `states` holds what the stages before it learned, and what it begins with itself.
        """
        (before, begin), (subjects, others) = states, scans
        trainings = [{}] if kind is None else own.get("trainings", [{}])
        found: State = {}
        done = []
        for number, settings in enumerate(trainings):
            words = {name: value for name, value in settings.items() if name not in OF_A_RECIPE}
            training = TrainingParams() if kind is None else kind.from_dict(words | self.changes)
            folder = self.folder / stage.name / (str(number + 1) if len(trainings) > 1 else "")
            if kind is not None:
                folder.mkdir(parents=True, exist_ok=True)
            session = replace(self.session, folder=folder if kind is not None else None, resume=True, validation=others)
            part = progress.part(number / len(trainings), (number + 1) / len(trainings))
            # A further training begins with the weights as they would be written.
            start = _shipped(stage, before, found) if number else begin or None
            unlike = settings.get("params", {})
            fitted = self._stage_with(stage, unlike) if unlike else stage
            found = fitted.fit(subjects, Fitting(before, own["seed"] + number, training, session, part, start))
            if start is not None and "start_share" in settings:
                found = _between(found, start, settings["start_share"])
            if kind is not None:
                told = {name: settings[name] for name in OF_A_RECIPE if name in settings}
                done.append({"seed": own["seed"] + number, "training": training.as_dict(), **told, **_so_far(folder)})
        return found, done

    def _stage_with(self, stage: Stage, unlike: Mapping[str, Any]) -> Stage:
        """The same stage of a detector with a training's own settings, like other synthetic anomalies."""
        found = method_class(self.own["method"])
        detector = found(found.Params.from_dict(self.own["params"] | unlike))
        detector.device = self.session.device
        return next(one for one in detector.stages() if one.name == stage.name)


def _of_model(name: str | None, stage: str) -> tuple[State, dict[str, str]]:
    """What a model has learned in a stage of the same name, and which model that is; nothing where a recipe names none."""
    if name is None:
        return {}, {}
    found = find_model(name)
    return of_stage(stage, load_checkpoint(found.path).state), {"name": found.id, "sha256": found.sha256}


def _lenders(done: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The stages that are those of models of the package as they are: every installation has them, and they need not be kept twice."""
    taken = {name: _holder(name, one["model"]) for name, one in done.items() if set(one) == {"model"}}
    shipped = {name: model for name, model in taken.items() if _in_package(model)}
    return {BORROWED: shipped} if shipped else {}


def _holder(stage: str, model: dict[str, str]) -> dict[str, str]:
    """The model whose file holds a stage of a model: the same one, or that which it takes the stage from itself."""
    found: dict[str, str] = read_record(find_model(model["name"]).path).meta.get(BORROWED, {}).get(stage, model)
    return found


def _in_package(model: Mapping[str, str]) -> bool:
    return any((one.id, one.sha256) == (model["name"], model["sha256"]) for one in shipped_models())


def _not_borrowed(state: State, meta: Mapping[str, Any]) -> State:
    return {name: array for name, array in state.items() if name.partition(".")[0] not in meta.get(BORROWED, {})}


def _between(found: State, start: State, share: float) -> State:
    """The weighted mean of the weights at the end and at the beginning of a training; counts are those at the end."""
    mixed = {name: share * start[name].astype(np.float32) + (1.0 - share) * array for name, array in found.items()}
    return {name: mixed[name].astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array for name, array in found.items()}


def _with_scans(own: Recipe) -> list[Recipe]:
    """A recipe and those of its stages that are trained; a stage without scans is a model's as it is."""
    return [own, *(stage for stage in own.get("stages", {}).values() if "scans" in stage)]


def _shipped(stage: Stage, before: State, found: State) -> State:
    from ...detectors.base.network_state import half_precision

    assert isinstance(stage, GradientStage)
    return half_precision(stage.task(before).build, found)


def _so_far(folder: Path) -> dict[str, Any]:
    """How long a training was, without its breaks."""
    steps, seconds = so_far(folder) or (0, 0.0)
    return {"steps": steps, "seconds": round(seconds, 1)}


def card(own: Recipe, meta: Mapping[str, Any], machine: str) -> dict[str, Any]:
    """What is said of a model before it is measured."""
    data = _data(own["scans"])
    for name, stage in own.get("stages", {}).items():
        data += f"; for the stage {name}: {_data(stage['scans']) if 'scans' in stage else _STAGE_OF.format(stage['start'])}"
    if "start" in own:
        data += f"; began as {_STAGE_OF.format(own['start'])}"
    told = meta.get("stages", {"": meta}).values()
    steps = sum(one.get("steps", 0) for one in told)
    return {
        "title": own["title"],
        "sequences": own["sequences"],
        "data": data,
        "licences": _licences(own),
        "seed": own["seed"],
        **({"steps": steps} if steps else {}),
        "seconds": meta["seconds"],
        "machine": machine,
        "notes": "Trained by `brain-uad train --recipe`.",
    }


def _data(scans: Mapping[str, Any]) -> str:
    counts = {contrast: count * len(scans["kinds"]) for contrast, count in scans["contrasts"].items()}
    simulated, real = ", ".join(f"{count} {contrast}" for contrast, count in counts.items()), scans.get("real")
    none = "" if _cohorts(scans) else ", no real image"
    told = _DATA.format(contrasts=simulated, spacing=spacing_of(scans), none=none)
    if real:
        who = cohort(real)
        told += _REAL.format(source=SOURCE, count=len(who["names"]), words=who["words"], contrasts=", ".join(real["contrasts"]))
    if "pictures" in scans:
        who = cohort(scans["pictures"])
        told += _PICTURES.format(count=len(who["names"]), words=who["words"])
    return told


def _licences(own: Recipe) -> str:
    """What is said of the licences of all data that a recipe names."""
    people = _people(own)
    real = "".join(f"{licence}. " for licence in dict.fromkeys(one["licence"] for one in people))
    return _LICENCES.format(real=real, weights=next((one["weights"] for one in people if "weights" in one), "BSD-3-Clause"))


def _people(own: Recipe) -> list[dict[str, Any]]:
    """All real subjects of a recipe, of all its stages."""
    return [who for one in _with_scans(own) for who in _cohorts(one["scans"])]


def _cohorts(scans: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All real subjects of a recipe's scans."""
    return [cohort(scans[name]) for name in ("real", "pictures") if name in scans]
