"""What is to be done for a paper: data in ``papers.json``, read into records. No method and no data set is known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.text import choose_from
from ...io.json_files import read_json

PAPERS = Path(__file__).with_name("papers.json")


@dataclass(frozen=True)
class PaperData:
    """A data set that a paper needs.

    Parameters
    ----------
    name, layout : str
        What users call it here, and the id of its layout.
    subjects : int or None
        How many the paper had; None where that is not known.
    where : str
        Where it is to be had.
    variants : sequence of str
        Where its layout gives variants of the same images as sessions ("raw"): which of them to take, the best first, "" for none. Empty
        when its sessions are visits.
    """

    name: str
    layout: str
    subjects: int | None
    where: str
    variants: Sequence[str] = ()


@dataclass(frozen=True)
class PaperPart:
    """Some people of a data set: those from `first` to before `last` of the paper's number, in the order that the seed gives.

    Where there are more or fewer than the paper had, the places are scaled. `most` limits them to a number instead.
    """

    name: str
    data: str
    sequence: str
    first: int | None = None
    last: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class PaperTraining:
    """Healthy scans that methods learn from; `validation`: the share kept apart to watch."""

    name: str
    parts: Sequence[str]
    sequence: str
    validation: float


@dataclass(frozen=True)
class PaperRow:
    """A method: its name in the paper's table, how it is written here, and the files it needs by the names of their settings.

    `reduced` is how it is written in a reduced run, where its small preset alone does not do. `name`: what its model is called, where
    another row is of the same method. `anomalies`: the part whose lesions it learns, beside its training's healthy scans.
    """

    row: str
    spec: str
    training: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    reduced: str = ""
    name: str = ""
    anomalies: str = ""


@dataclass(frozen=True)
class PaperTest:
    """Scans that the methods are tested on, and the paper's figures: by row and figure, as `evaluation.protocols` calls them.

    A figure called "mean NAME" is the mean over scans of a column of the evaluation. `training`: which models are tested, instead of those
    of the methods' own training. `measure`: the part is of healthy people, and how well they are reconstructed is measured. `tumours`: the
    part is of healthy people, and the tumours of this part are added to them.
    """

    name: str
    part: str
    published: Mapping[str, Mapping[str, float]]
    prepare: str = ""
    training: str = ""
    measure: bool = False
    tumours: str = ""


@dataclass(frozen=True)
class Paper:
    """An experiment.

    `folds`: how many models of each method it trains; `post`: settings of the post-processing; `files`: what they are; `differs`: what is
    not as in the paper.
    """

    id: str
    title: str
    source: str
    protocol: str
    prepare: str
    post: Mapping[str, str]
    data: Mapping[str, PaperData]
    parts: Mapping[str, PaperPart]
    trainings: Mapping[str, PaperTraining]
    rows: tuple[PaperRow, ...]
    tests: tuple[PaperTest, ...]
    files: Mapping[str, str]
    differs: tuple[str, ...]
    folds: int = 1

    def data_of(self, test: PaperTest) -> tuple[str, ...]:
        """The data sets of a test and of the models that it takes."""
        parts = [
            test.part,
            *filter(None, [test.tumours]),
            *(part for name in self.trainings_of(test) for part in self.trainings[name].parts),
            *self.learned_anomalies,
        ]
        return tuple(dict.fromkeys(self.parts[part].data for part in parts))

    @property
    def learned_anomalies(self) -> tuple[str, ...]:
        """The parts whose lesions methods learn."""
        return tuple(dict.fromkeys(row.anomalies for row in self.rows if row.anomalies))

    def trainings_of(self, test: PaperTest) -> tuple[str, ...]:
        """The trainings whose models a test takes."""
        return tuple(dict.fromkeys(test.training or row.training for row in self.rows if row.training))


def papers() -> dict[str, Paper]:
    """All papers by id."""
    return {name: _paper(name, own) for name, own in read_json(PAPERS, fix="Install again").items()}


def paper(name: str) -> Paper:
    """One paper.

    Raises
    ------
    InputError
        For an unknown id.
    """
    known = papers()
    if name not in known:
        raise InputError(f"There is no paper '{name}'", fix=choose_from(name, known, "Papers"))
    return known[name]


def _paper(name: str, own: Mapping[str, Any]) -> Paper:
    return Paper(
        id=name,
        title=own["title"],
        source=own["source"],
        protocol=own["protocol"],
        prepare=own["prepare"],
        post=own["post"],
        data={
            key: PaperData(key, one["layout"], one["subjects"], one["where"], tuple(one.get("variants", ())))
            for key, one in own["data"].items()
        },
        parts={key: PaperPart(key, **one) for key, one in own["parts"].items()},
        trainings={key: PaperTraining(key, **one) for key, one in own["trainings"].items()},
        rows=tuple(PaperRow(**one) for one in own["methods"]),
        tests=tuple(PaperTest(key, **one) for key, one in own["tests"].items()),
        files=own.get("files", {}),
        differs=tuple(own["differs"]),
        folds=own.get("folds", 1),
    )
