"""What is done of an experiment, step by step, each with the command that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core import shell
from ...postprocessing.params import PostParams
from ..detect.command import post_words
from ..models.method_spec import MethodSpec
from ..scans.ready import AUTO
from ..train.training_data import TrainingData
from .paper import PaperTest
from .people import LISTED


@dataclass(frozen=True)
class PrepareStep:
    """Healthy scans of a training or a test, prepared once for all methods; `listed` is the list of what that gives."""

    group: str
    table: Path
    preset: str
    out: Path
    listed: Path

    @property
    def name(self) -> str:
        """In words."""
        return f"prepare {self.group}"

    def words(self, _device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "prepare", shell.file_word(self.table), "--preset", self.preset, "--no-figures"]
        return [*words, "--out", shell.file_word(self.out)]


@dataclass(frozen=True)
class SuperposeStep:
    """Tumours of patients are added to healthy scans (`simulation.superposed`); `listed` is the list of what that gives.

    `table` lists the healthy scans, `patients` the others. Healthy scans are prepared with `prepare`, or with `preset` where they need it.
    """

    test: PaperTest
    table: Path
    patients: Path
    sequences: tuple[str, str]
    preset: str
    prepare: str
    out: Path

    @property
    def name(self) -> str:
        """In words."""
        return f"add tumours for {self.test.name}"

    @property
    def listed(self) -> Path:
        """The list of the scans that are made."""
        return self.out / "scans.csv"

    def words(self, _device: str = "auto") -> list[str]:
        """No command does the same."""
        return []


@dataclass(frozen=True)
class ModelStep:
    """One method's training; `out` is the model's NAME, `table` the list of its scans before they are prepared with `prepare`.

    `fold`: which of its models, from 0. Each has a seed of its own, which decides who is kept apart for validation. `anomalies`: the list
    of the scans whose lesions are learned; healthy and ill ones are then prepared by the training, which takes each truth along.
    """

    row: str
    spec: MethodSpec
    data: TrainingData
    seed: int
    out: Path
    table: Path
    prepare: str
    fold: int = 0
    anomalies: Path | None = None

    @property
    def name(self) -> str:
        """In words."""
        known = " with known anomalies" if self.anomalies else ""
        return f"train {self.spec.title} for {self.out.parent.name}{known}{_fold_words(self.fold)}"

    def words(self, device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "train", str(self.spec), shell.file_word(self.data.path), "--layout", LISTED]
        words += ["--sequence", self.data.sequence, "--validation", f"{self.data.validation:g}"]
        words += ["--prepare", self.data.preset] if self.data.preset else []
        words += ["--anomalies", shell.file_word(self.anomalies)] if self.anomalies else []
        return [*words, *_common(self.seed, device), "--out", shell.file_word(self.out)]


@dataclass(frozen=True)
class EvaluateStep:
    """The methods on one set of scans; `specs` by row, without those whose training gave no model.

    `table` lists the scans as their people were shared out, `scans` those that are tested: the same, but where they are made of them.
    """

    test: PaperTest
    table: Path
    scans: Path
    sequence: str
    specs: Mapping[str, MethodSpec]
    protocol: str
    prepare: str
    post: PostParams
    seed: int
    out: Path
    fold: int = 0

    @property
    def name(self) -> str:
        """In words."""
        return f"test on {self.test.name}{_fold_words(self.fold)}"

    @property
    def figures(self) -> Path:
        """The file with what it gives."""
        return self.out / "cohort.json"

    def words(self, device: str = "auto") -> list[str]:
        """The command that does the same."""
        words = ["brain-uad", "evaluate", shell.file_word(self.scans), "--layout", LISTED, "--sequence", self.sequence, "--methods"]
        words += [*map(str, self.specs.values()), "--protocols", self.protocol, *post_words(self.post)]
        words += ["--prepare", self.prepare] if self.prepare != AUTO else []
        return [*words, *_common(self.seed, device), "--out", shell.file_word(self.out)]


@dataclass(frozen=True)
class HealthyStep:
    """How well the methods reconstruct healthy scans; `table` lists them as their people were shared out, `scans` as they are measured."""

    test: PaperTest
    table: Path
    scans: Path
    sequence: str
    specs: Mapping[str, MethodSpec]
    seed: int
    out: Path
    fold: int = 0

    @property
    def name(self) -> str:
        """In words."""
        return f"measure reconstructions on {self.test.name}{_fold_words(self.fold)}"

    @property
    def figures(self) -> Path:
        """The file with what it gives."""
        return self.out / "healthy.json"

    def words(self, _device: str = "auto") -> list[str]:
        """No command does the same."""
        return []


TestStep = EvaluateStep | HealthyStep
Step = PrepareStep | SuperposeStep | ModelStep | TestStep


def fold_suffix(fold: int) -> str:
    """What names of a fold's models and results end with; nothing for the first, which is that of a run with one."""
    return f"-fold{fold + 1}" if fold else ""


def _fold_words(fold: int) -> str:
    return f", fold {fold + 1}" if fold else ""


def _common(seed: int, device: str) -> list[str]:
    return [*(["--seed", str(seed)] if seed else []), *(["--device", device] if device != "auto" else [])]
