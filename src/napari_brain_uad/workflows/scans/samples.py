"""The sample scans that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import InputError
from ...core.text import choose_from
from ...io.json_files import read_json


@dataclass(frozen=True)
class Sample:
    """One sample: files, and what has to be said with it.

    `kind` is "real" or "simulated"; `truth` and `mask` are None where there is none.
    """

    id: str
    title: str
    scan: Path
    truth: Path | None
    mask: Path | None
    sequence: str
    kind: str
    attribution: str
    licence: str
    summary: str


def sample_dir() -> Path:
    """The folder of the samples, in a source checkout and in an installed wheel alike."""
    folder = Path(__file__).resolve().parents[2] / "sample_data"
    if not (folder / "samples.json").is_file():
        raise InputError("The sample scans are missing", why=f"there is no {folder.name}/samples.json in the package", fix="Install again")
    return folder


def samples() -> tuple[Sample, ...]:
    """All samples, in the order of the list."""
    folder = sample_dir()
    entries = read_json(folder / "samples.json", fix="Install again")
    return tuple(_sample(folder, entry) for entry in entries)


def sample(sample_id: str) -> Sample:
    """One sample by its id.

    Raises
    ------
    InputError
        For an unknown id.
    """
    known = {entry.id: entry for entry in samples()}
    if sample_id not in known:
        raise InputError(f"There is no sample '{sample_id}'", fix=choose_from(sample_id, known, "Samples"))
    return known[sample_id]


def _sample(folder: Path, entry: dict[str, str | None]) -> Sample:
    def file(key: str) -> Path | None:
        return folder / entry[key] if entry[key] else None  # type: ignore[operator]  # the value is a string there

    text = {key: str(entry[key]) for key in ("id", "title", "sequence", "kind", "attribution", "licence", "summary")}
    return Sample(scan=folder / str(entry["scan"]), truth=file("truth"), mask=file("mask"), **text)
