"""The steps of a paper's experiment: which scans, which trainings, which evaluations, each with the command that does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core import shell
from ...core.errors import InputError
from ...core.seed import check_seed
from ...core.text import counted, did_you_mean
from ...datasets.layout import Subject
from ...detectors.registry import method_class
from ...io.streams import check_there
from ...postprocessing.params import PostParams
from ..detect.command import post_words
from ..models.method_spec import MethodSpec, parse_specs
from ..scans.ready import AUTO
from ..train.training_data import TrainingData
from .paper import Paper, PaperRow, PaperTest
from .people import LISTED, Given, check_known, layouts_of, look_at, shared_out, table_of

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
    """

    data: Mapping[str, Path]
    files: Mapping[str, Path]
    methods: Sequence[str] = ()
    tests: Sequence[str] = ()
    reduced: bool = False
    seed: int = 0


@dataclass(frozen=True)
class PrepareStep:
    """The scans of a training, prepared once for all methods; `listed` is the list of what that gives."""

    training: str
    table: Path
    preset: str
    out: Path
    listed: Path

    @property
    def name(self) -> str:
        """In words."""
        return f"prepare {self.training}"

    def words(self, _device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "prepare", shell.file_word(self.table), "--preset", self.preset, "--no-figures"]
        return [*words, "--out", shell.file_word(self.out)]


@dataclass(frozen=True)
class ModelStep:
    """One method's training; `out` is the model's NAME, `table` the list of its scans before they are prepared with `prepare`."""

    row: str
    spec: MethodSpec
    data: TrainingData
    seed: int
    out: Path
    table: Path
    prepare: str

    @property
    def name(self) -> str:
        """In words."""
        return f"train {self.spec.title} for {self.out.parent.name}"

    def words(self, device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "train", str(self.spec), shell.file_word(self.data.path), "--layout", LISTED]
        words += ["--sequence", self.data.sequence, "--validation", f"{self.data.validation:g}"]
        return [*words, *_common(self.seed, device), "--out", shell.file_word(self.out)]


@dataclass(frozen=True)
class EvaluateStep:
    """The methods on one set of scans; `specs` by row, without those whose training gave no model."""

    test: PaperTest
    table: Path
    sequence: str
    specs: Mapping[str, MethodSpec]
    protocol: str
    prepare: str
    post: PostParams
    seed: int
    out: Path

    @property
    def name(self) -> str:
        """In words."""
        return f"test on {self.test.name}"

    def words(self, device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "evaluate", shell.file_word(self.table), "--layout", LISTED, "--sequence", self.sequence, "--methods"]
        words += [*map(str, self.specs.values()), "--protocols", self.protocol, *post_words(self.post)]
        words += ["--prepare", self.prepare] if self.prepare != AUTO else []
        return [*words, *_common(self.seed, device), "--out", shell.file_word(self.out)]


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
    preparations: tuple[PrepareStep, ...]
    trainings: tuple[ModelStep, ...]
    tests: tuple[EvaluateStep, ...]
    out: Path

    @property
    def steps(self) -> tuple[PrepareStep | ModelStep | EvaluateStep, ...]:
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
            said += [f"{number}. {step.name}: {counted(scans, 'scan')}", f"   {shell.join(step.words(device))}"]
        return said


def plan_of(paper: Paper, request: Request, out: Path) -> Experiment:
    """Look at the data and lay out all steps; nothing is written or computed.

    Raises
    ------
    InputError
        If a method, a test, a data set or a file is unknown, missing or another one.
    """
    check_seed(request.seed)
    tests = _tests(paper, request)
    check_known(f"{paper.id} needs no file", request.files, paper.files, "Its files")
    check_there(*request.files.values(), fix="Give the file of weights")
    layouts = layouts_of(paper, request.data)
    rows = _rows(paper, request)
    trained = replace(paper, rows=tuple(row for row, _ in rows))  # only what the chosen methods learn from is needed
    given = look_at(trained, tests, request.data, layouts)
    names = list(dict.fromkeys(name for test in tests for name in trained.trainings_of(test)))
    preparations = () if request.reduced or paper.prepare == AUTO else tuple(_prepare_step(paper, name, out) for name in names)
    trainings = _train_steps(trained, rows, names, tests, request, out)
    return Experiment(
        paper,
        request,
        given,
        _tables(trained, given, names, tests, request, out),
        preparations,
        trainings,
        tuple(_test_step(paper, rows, test, request, out) for test in tests),
        out,
    )


def _tests(paper: Paper, request: Request) -> tuple[PaperTest, ...]:
    check_known(f"{paper.id} has no test", request.tests, [test.name for test in paper.tests], "Its tests")
    # Without the papers' preparations, those that differ by them alone are the same test.
    return tuple(test for test in paper.tests if test.name in request.tests or not (request.tests or (request.reduced and test.prepare)))


def _rows(paper: Paper, request: Request) -> list[tuple[PaperRow, MethodSpec]]:
    """The chosen rows of the paper's table, with what was asked of each."""
    asked = parse_specs(request.methods) if request.methods else ()
    known = {MethodSpec.parse(row.spec).method: row for row in paper.rows}
    unknown = next((one.method for one in asked if one.method not in known), None)
    if unknown is not None:
        fix = f"{did_you_mean(unknown, known)}Its methods: {', '.join(known)}"
        raise InputError(f"{paper.id} has no method '{unknown}' that can be run here", fix=fix)
    chosen = [(known[one.method], one) for one in asked] or [(row, MethodSpec(method)) for method, row in known.items()]
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


def _prepare_step(paper: Paper, name: str, out: Path) -> PrepareStep:
    return PrepareStep(name, _table(out, "train", name), paper.prepare, out / "prepared" / name, _table(out, "prepared", name))


def _train_steps(
    paper: Paper, rows: Sequence[tuple[PaperRow, MethodSpec]], names: Sequence[str], tests: Sequence[PaperTest], request: Request, out: Path
) -> tuple[ModelStep, ...]:
    wanted = {(name, row.row) for test in tests for row, _ in rows for name in [test.training or row.training] if row.training}
    steps = []
    for name in names:
        own = paper.trainings[name]
        prepare = "" if request.reduced or paper.prepare == AUTO else paper.prepare
        table = _table(out, "train", name)
        data = TrainingData(
            "dataset",
            str(_table(out, "prepared", name) if prepare else table),
            dataset=LISTED,
            sequence=own.sequence,
            validation=own.validation,
            seed=request.seed,
        )
        chosen = [(row.row, spec) for row, spec in rows if (name, row.row) in wanted]
        steps += [ModelStep(row, spec, data, request.seed, _model(out, name, spec), table, prepare) for row, spec in chosen]
    return tuple(steps)


def _test_step(paper: Paper, rows: Sequence[tuple[PaperRow, MethodSpec]], test: PaperTest, request: Request, out: Path) -> EvaluateStep:
    specs = {}
    for row, spec in rows:
        model = _model(out, test.training or row.training, spec) if row.training else None
        # The model knows its settings.
        specs[row.row] = spec if model is None else MethodSpec.of(spec.method, model=f"{model}.safetensors")
    prepare = AUTO if request.reduced else test.prepare or paper.prepare
    post, part = PostParams.from_strings(dict(paper.post)), paper.parts[test.part]
    return EvaluateStep(
        test, _table(out, "test", part.name), part.sequence, specs, paper.protocol, prepare, post, request.seed, out / "tests" / test.name
    )


def _tables(
    paper: Paper, given: Mapping[str, Given], names: Sequence[str], tests: Sequence[PaperTest], request: Request, out: Path
) -> dict[Path, str]:
    """The lists of scans: one for every training, and one for every part that is tested on."""
    learned = {part: paper.parts[part] for name in names for part in paper.trainings[name].parts}
    tested = {test.part: paper.parts[test.part] for test in tests}
    found: dict[str, list[Subject]] = {}
    for name, own in given.items():
        training, testing = ([one for one in group.values() if one.data == name] for group in (learned, tested))
        found |= shared_out(paper, own, training, testing, seed=request.seed, reduced=request.reduced)
    tables = {}
    for name in names:
        people = [one for part in paper.trainings[name].parts for one in found[part]]
        tables[_table(out, "train", name)] = table_of(people, paper.trainings[name].sequence, for_training=True)
    return tables | {_table(out, "test", name): table_of(found[name], part.sequence, for_training=False) for name, part in tested.items()}


def _table(out: Path, what: str, name: str) -> Path:
    return out / "scans" / f"{what}-{name}.csv"


def _model(out: Path, training: str, spec: MethodSpec) -> Path:
    """One of each method and preset; another of other settings is refused by the record of the step."""
    return out / "models" / training / "-".join(filter(None, (spec.method, spec.preset)))


def _common(seed: int, device: str) -> list[str]:
    return [*(["--seed", str(seed)] if seed else []), *(["--device", device] if device != "auto" else [])]
