"""The training's log: a CSV file with one row an update."""

from __future__ import annotations

import csv
from pathlib import Path

from ..core.errors import InputError
from ..core.text import table_text
from ..io.atomic import write_text
from .session import TrainingUpdate

_LAST = ("validation", "learning_rate", "seconds", "samples_per_second")


class TrainingLog:
    """Writes ``log.csv``: step, the parts of the loss, validation, learning rate, seconds, samples a second.

    Parameters
    ----------
    folder : Path or None
        Where; nothing is written when None.
    step : int
        The step the training goes on from: later rows, of a run that broke off, are dropped. 0 starts a new file.
    """

    def __init__(self, folder: Path | None, step: int = 0) -> None:
        self._path = None if folder is None else folder / "log.csv"
        self._columns: list[str] = []
        if self._path is not None:
            self._start(self._path, step)

    def add(self, update: TrainingUpdate) -> None:
        """Append a row.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        if self._path is None:
            return
        lines = [] if self._columns else [["step", *update.losses, *_LAST]]
        self._columns = self._columns or lines[0]
        values: dict[str, float | None] = {"step": update.step, **update.losses, **{name: getattr(update, name) for name in _LAST}}
        lines.append(["" if values.get(name) is None else f"{values[name]:.9g}" for name in self._columns])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(table_text(lines))
        except OSError as error:
            raise InputError(
                f"{self._path.name} cannot be written", why=error.strerror or str(error), fix="Check the disk and the folder"
            ) from error

    def _start(self, path: Path, step: int) -> None:
        rows = read_log(path) if step > 0 else []
        kept = [row for row in rows if int(row["step"]) <= step]
        self._columns = list(kept[0]) if kept else []
        write_text(path, table_text([self._columns, *(list(row.values()) for row in kept)]) if kept else "")


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log, each as column to text; a last row that was cut off is left out.

    Returns
    -------
    list of dict
        Empty when there is no log.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("step", "").isdigit() and None not in row.values()]
