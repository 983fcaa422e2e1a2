"""The steps of a paper's experiment: which scans, which trainings, which evaluations, each with the command that does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core import shell
from ...core.errors import InputError
from ...core.seed import check_seed
from ...core.text import choose_from, counted
from ...datasets.layout import Subject
from ...detectors.registry import method_class
from ...io.streams import check_there
from ...postprocessing.params import PostParams
from ..models.method_spec import MethodSpec, parse_specs
from ..scans.ready import AUTO
from ..train.training_data import TrainingData
from .paper import Paper, PaperRow, PaperTest
from .people import LISTED, Given, check_known, layouts_of, look_at, shared_out, table_of
from .steps import EvaluateStep, HealthyStep, ModelStep, PrepareStep, Step, SuperposeStep, TestStep, fold_suffix

SMALL = "tiny"
"""The preset of a reduced run, where a method has it."""


@dataclass(frozen=True)
class Request:
    """What is asked for of a paper.

    Parameters
    ----------
    data, files : mapping of str to Path
        Folders of its data sets, and files that its methods need, by name.
    methods : sequence of str
        Limits its methods, each as a `MethodSpec` is written: what it says holds over the paper's. All when empty.
    tests : sequence of str
        Limits its tests. All when empty.
    reduced : bool
        Every method's small preset, few people, and no registration: to see that everything runs, no reproduction.
    seed : int
        Decides who is in which part.
    folds : int, optional
        How many models of each method are trained, each with a seed of its own from `seed` on, and its own people kept apart for
        validation; as many as the paper has when None, and one in a reduced run.
    """

    data: Mapping[str, Path]
    files: Mapping[str, Path]
    methods: Sequence[str] = ()
    tests: Sequence[str] = ()
    reduced: bool = False
    seed: int = 0
    folds: int | None = None


@dataclass(frozen=True)
class Experiment:
    """Everything that is going to be done.

    Parameters
    ----------
    paper, request : Paper, Request
        Of what.
    given : mapping
        What was found of each data set.
    tables : mapping of Path to str
        Lists of scans, and where they are written before anything else.
    preparations, trainings, tests : tuple
        The steps, in their order.
    out : Path
        The folder of all results.
    """

    paper: Paper
    request: Request
    given: Mapping[str, Given]
    tables: Mapping[Path, str]
    preparations: tuple[PrepareStep | SuperposeStep, ...]
    trainings: tuple[ModelStep, ...]
    tests: tuple[TestStep, ...]
    out: Path

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in their order."""
        return *self.preparations, *self.trainings, *self.tests

    def scans_in(self, table: Path | str) -> int:
        """How many scans a list names."""
        return self.tables[Path(table)].count("\n") - 1

    def lines(self, device: str = "auto") -> list[str]:
        """What was found and what will be done, a line each, with the commands that do the same."""
        said = [f"{self.paper.title}. {self.paper.source}", *(one.words for one in self.given.values())]
        said.append(f"Lists of scans, written first: {', '.join(path.name for path in self.tables)}")
        for number, step in enumerate(self.steps, start=1):
            scans = self.scans_in(step.table)
            known = step.anomalies if isinstance(step, ModelStep) else None
            also = f", {self.scans_in(known)} with known anomalies" if known else ""
            said += [
                f"{number}. {step.name}: {counted(scans, 'scan')}{also}",
                f"   {shell.join(step.words(device)) or 'no other command does this'}",
            ]
        return said


def plan_of(paper: Paper, request: Request, out: Path) -> Experiment:
    """Look at the data and lay out all steps; nothing is written or computed.

    Raises
    ------
    InputError
        If a method, a test, a data set or a file is unknown, missing or another one.
    """
    check_seed(request.seed)
    folds = _folds(paper, request)
    tests = _tests(paper, request)
    check_known(f"{paper.id} needs no file", request.files, paper.files, "Its files")
    check_there(*request.files.values(), fix="Give the file of weights")
    layouts = layouts_of(paper, request.data)
    rows = _rows(paper, request)
    trained = replace(paper, rows=tuple(row for row, _ in rows))  # only what the chosen methods learn from is needed
    tests = tuple(test for test in tests if not test.measure or trained.trainings_of(test))
    if not tests:
        raise InputError(f"Nothing of {paper.id} is left to do", why="those methods have no reconstruction to measure", fix="Choose others")
    given = look_at(trained, tests, request.data, layouts)
    names = list(dict.fromkeys(name for test in tests for name in trained.trainings_of(test)))
    return Experiment(
        paper,
        request,
        given,
        _tables(trained, given, names, tests, request, out),
        (
            *_preparations(paper, names, tests, request, out),
            *(_superpose_step(paper, test, request, out) for test in tests if test.tumours),
        ),
        tuple(step for fold in range(folds) for step in _train_steps(trained, rows, names, tests, request, out, fold)),
        tuple(step for test in tests for fold in range(folds) for step in _test_steps(paper, rows, test, request, out, fold)),
        out,
    )


def _folds(paper: Paper, request: Request) -> int:
    if request.folds is None:
        return 1 if request.reduced else paper.folds
    if request.folds < 1:
        raise InputError(f"{request.folds} folds", why="at least one model of each method is trained", fix="Give 1 or more")
    return request.folds


def _tests(paper: Paper, request: Request) -> tuple[PaperTest, ...]:
    check_known(f"{paper.id} has no test", request.tests, [test.name for test in paper.tests], "Its tests")
    # Without the papers' preparations, those that differ by them alone are the same test.
    return tuple(test for test in paper.tests if test.name in request.tests or not (request.tests or (request.reduced and test.prepare)))


def _rows(paper: Paper, request: Request) -> list[tuple[PaperRow, MethodSpec]]:
    """The chosen rows of the paper's table, with what was asked of each."""
    asked = parse_specs(request.methods) if request.methods else ()
    known: dict[str, list[PaperRow]] = {}
    for row in paper.rows:
        known.setdefault(MethodSpec.parse(row.spec).method, []).append(row)
    unknown = next((one.method for one in asked if one.method not in known), None)
    if unknown is not None:
        fix = choose_from(unknown, known, "Its methods")
        raise InputError(f"{paper.id} has no method '{unknown}' that can be run here", fix=fix)
    wanted = asked or tuple(MethodSpec(method) for method in known)
    chosen = [(row, one) for one in wanted for row in known[one.method]]
    found = [(row, _spec(row, own, request)) for row, own in chosen]
    lacking = sorted({name for (row, _), (_, own) in zip(found, chosen, strict=True) for name in _lacking(row, own, request)})
    if lacking:
        why = "; ".join(f"{name}: {paper.files[name]}" for name in lacking)
        fix = "Name each one: --file NAME=FILE; or leave methods out with --methods"
        what = f"{counted(len(lacking), 'file')} that methods of {paper.id} need {'is' if len(lacking) == 1 else 'are'} missing"
        raise InputError(what, why=why, fix=fix)
    return found


def _lacking(row: PaperRow, own: MethodSpec, request: Request) -> list[str]:
    asked = dict(own.settings)
    return [] if request.reduced else [name for setting, name in row.files.items() if setting not in asked and name not in request.files]


def _spec(row: PaperRow, own: MethodSpec, request: Request) -> MethodSpec:
    """As the paper has it, with what was asked for over it; in a reduced run the small preset instead of the paper's."""
    if own.model:
        raise InputError(f"'{own}'", why="the models of a reproduction are trained by it", fix="Leave the ':' and what follows it out")
    paper = MethodSpec.parse(row.reduced if request.reduced and row.reduced else row.spec)
    if request.reduced and not row.reduced:
        paper = MethodSpec(paper.method, SMALL if SMALL in method_class(paper.method).Params.PRESETS else "")
    settings = {} if own.preset else dict(paper.settings)
    for setting, name in () if request.reduced else row.files.items():
        if name in request.files:
            settings[setting] = str(request.files[name].absolute())
    return MethodSpec.of(paper.method, preset=own.preset or paper.preset, settings=settings | dict(own.settings))


def _preparations(paper: Paper, names: Sequence[str], tests: Sequence[PaperTest], request: Request, out: Path) -> tuple[PrepareStep, ...]:
    if not _prepared(paper, request):
        return ()
    groups = [(_table(out, "train", name), name) for name in names]
    groups += [(_table(out, "test", test.part), test.part) for test in tests if test.measure]
    return tuple(PrepareStep(name, table, paper.prepare, out / "prepared" / name, _table(out, "prepared", name)) for table, name in groups)


def _prepared(paper: Paper, request: Request) -> bool:
    """Whether healthy scans are prepared by a step of its own."""
    return not request.reduced and paper.prepare != AUTO


def _superpose_step(paper: Paper, test: PaperTest, request: Request, out: Path) -> SuperposeStep:
    part = paper.parts[test.part]
    healthy, patients = (_table(out, "test", name) for name in (test.part, test.tumours))
    prepare = paper.prepare if _prepared(paper, request) else AUTO
    sequences = (part.sequence, paper.parts[test.tumours].sequence)
    return SuperposeStep(test, healthy, patients, sequences, paper.prepare, prepare, out / "superposed" / test.name)


def _train_steps(
    paper: Paper,
    rows: Sequence[tuple[PaperRow, MethodSpec]],
    names: Sequence[str],
    tests: Sequence[PaperTest],
    request: Request,
    out: Path,
    fold: int,
) -> list[ModelStep]:
    wanted = {(name, row.row) for test in tests for row, _ in rows for name in [test.training or row.training] if row.training}
    prepare, seed, steps = paper.prepare if _prepared(paper, request) else "", request.seed + fold, []
    for name in names:
        own, table = paper.trainings[name], _table(out, "train", name)
        data = TrainingData(
            "dataset",
            str(_table(out, "prepared", name) if prepare else table),
            dataset=LISTED,
            sequence=own.sequence,
            validation=own.validation,
            seed=seed,
        )
        for row, spec in rows:
            if (name, row.row) in wanted:
                step = ModelStep(row.row, spec, data, seed, _model(out, name, row, spec, fold), table, prepare, fold)
                steps.append(_with_anomalies(step, _table(out, "known", row.anomalies)) if row.anomalies else step)
    return steps


def _with_anomalies(step: ModelStep, known: Path) -> ModelStep:
    """Learning the lesions of listed scans, too: the training prepares them, and the healthy ones, too: each truth goes with its scan."""
    return replace(step, data=replace(step.data, path=str(step.table), preset=step.prepare), anomalies=known)


def _test_steps(
    paper: Paper, rows: Sequence[tuple[PaperRow, MethodSpec]], test: PaperTest, request: Request, out: Path, fold: int
) -> list[TestStep]:
    """One step, or none: what learns nothing is tested once."""
    specs = {}
    for row, spec in rows:
        if row.training:
            # The model knows its settings.
            model = f"{_model(out, test.training or row.training, row, spec, fold)}.safetensors"
            specs[row.row] = MethodSpec.of(spec.method, model=model)
        elif not fold and not test.measure:
            specs[row.row] = spec
    if not specs:
        return []
    part, table, folder = paper.parts[test.part], _table(out, "test", test.part), out / "tests" / f"{test.name}{fold_suffix(fold)}"
    if test.measure:
        scans = _table(out, "prepared", test.part) if _prepared(paper, request) else table
        return [HealthyStep(test, table, scans, part.sequence, specs, request.seed, folder, fold)]
    scans = _superpose_step(paper, test, request, out).listed if test.tumours else table
    # Scans that are made here are made of prepared ones.
    prepare = AUTO if request.reduced or test.tumours else test.prepare or paper.prepare
    post = PostParams.from_strings(dict(paper.post))
    return [EvaluateStep(test, table, scans, part.sequence, specs, paper.protocol, prepare, post, request.seed, folder, fold)]


def _tables(
    paper: Paper, given: Mapping[str, Given], names: Sequence[str], tests: Sequence[PaperTest], request: Request, out: Path
) -> dict[Path, str]:
    """The lists of scans: one for every training, and one for every part that is tested on."""
    learned = {part: paper.parts[part] for name in names for part in paper.trainings[name].parts}
    healthy = {test.part: paper.parts[test.part] for test in tests if test.measure or test.tumours}
    ill = {name: paper.parts[name] for test in tests for name in [test.tumours or test.part] if test.tumours or not test.measure}
    known = {name: paper.parts[name] for name in paper.learned_anomalies}
    found: dict[str, list[Subject]] = {}
    for name, own in given.items():
        groups = [[one for one in group.values() if one.data == name] for group in (learned, healthy, ill, known)]
        found |= shared_out(paper, own, *groups, seed=request.seed, reduced=request.reduced)
    tables = {}
    for name in names:
        people = [one for part in paper.trainings[name].parts for one in found[part]]
        tables[_table(out, "train", name)] = table_of(people, paper.trainings[name].sequence, for_training=True)
    for name, part in known.items():
        tables[_table(out, "known", name)] = table_of(found[name], part.sequence, for_training=True)
    for name, part in (healthy | ill).items():
        tables[_table(out, "test", name)] = table_of(found[name], part.sequence, for_training=name in healthy)
    return tables


def _table(out: Path, what: str, name: str) -> Path:
    return out / "scans" / f"{what}-{name}.csv"


def _model(out: Path, training: str, row: PaperRow, spec: MethodSpec, fold: int) -> Path:
    """One of each row, preset and fold; another of other settings is refused by the record of the step."""
    return out / "models" / training / ("-".join(filter(None, (row.name or spec.method, spec.preset))) + fold_suffix(fold))
