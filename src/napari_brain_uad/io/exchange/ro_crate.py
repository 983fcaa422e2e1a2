"""A folder of results as an RO-Crate 1.1 (Soiland-Reyes et al., Data Science 2022, doi:10.3233/DS-210053): one JSON-LD file beside them.

It lists the files with their hashes, and of each run what made them from what: a ``CreateAction`` whose instrument is this software.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ...core.provenance import NOTICE

FILE_NAME = "ro-crate-metadata.json"
CONFORMS_TO = "https://w3id.org/ro/crate/1.1"

_CONTEXT = (f"{CONFORMS_TO}/context", {"sha256": "http://schema.org/sha256"})
_SOFTWARE, _LICENCE = "#napari-brain-uad", "#licence"
_FORMATS = {
    ".csv": "text/csv",
    ".ctbl": "text/plain",
    ".dcm": "application/dicom",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".tfm": "text/plain",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class CrateFile:
    """A file of the folder: its path there with slashes, SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int

    @property
    def id(self) -> str:
        """The path as an address relative to the folder."""
        return quote(os.fsencode(self.path))


@dataclass(frozen=True)
class CrateInput:
    """What a run took and the folder does not hold: a scan, a model."""

    name: str
    sha256: str
    what: str


@dataclass(frozen=True)
class CrateRun:
    """A run.

    Parameters
    ----------
    name : str
        Unique in the folder.
    what : str
        The work, in words.
    inputs : tuple of CrateInput
    results : tuple of CrateFile
    command : str
        The command line, without folders; empty where it is not known.
    created : str
        When it ended (ISO 8601); empty where that is not known.
    version : str
        Of this software.
    papers : tuple of (str, str)
        What is to be cited: the citation, and its address or nothing.
    """

    name: str
    what: str
    inputs: tuple[CrateInput, ...]
    results: tuple[CrateFile, ...]
    command: str = ""
    created: str = ""
    version: str = ""
    papers: tuple[tuple[str, str], ...] = ()


def crate_record(files: Sequence[CrateFile], runs: Sequence[CrateRun], *, version: str, created: str) -> dict[str, Any]:
    """The contents of ``ro-crate-metadata.json``.

    Parameters
    ----------
    files : sequence of CrateFile
        All of the folder that belongs to runs.
    runs : sequence of CrateRun
        Whose results are among them.
    version : str
        Of this software, where a run does not say.
    created : str
        ISO 8601, where no run says.
    """
    actions = [_action(run, version) for run in runs]
    papers = {paper["@id"]: paper for run in runs for paper in map(_paper, run.papers)}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": "Anomalies in brain MRI",
        "description": f"Results of napari-brain-uad: unsupervised anomaly detection in brain MRI. {NOTICE}",
        "datePublished": max([run.created for run in runs if run.created], default=created),
        "license": _to(_LICENCE),
        "hasPart": [_to(file.id) for file in files],
        "mentions": [_to(action["@id"]) for action in actions],
        "citation": [_to(paper) for paper in papers],
    }
    head = {"@id": FILE_NAME, "@type": "CreativeWork", "conformsTo": _to(CONFORMS_TO), "about": _to("./")}
    licence = {"@id": _LICENCE, "@type": "CreativeWork", "name": "Not stated"}
    licence["description"] = "The licence of these results is not stated; ask who made them"
    inputs = {one["@id"]: one for run in runs for one in map(_input, run.inputs)}
    programs = {_software(run.version or version): run.version or version for run in runs}
    software = [
        {"@id": name, "@type": "SoftwareApplication", "name": "napari-brain-uad", "softwareVersion": number}
        for name, number in programs.items()
    ]
    listed = [_file(file) for file in files]
    return {"@context": list(_CONTEXT), "@graph": [head, root, *listed, *actions, *software, *inputs.values(), *papers.values(), licence]}


def is_ours(record: Mapping[str, Any]) -> bool:
    """Whether `crate_record` made the contents of a file."""
    graph = record.get("@graph")
    names = [entity.get("@id") for entity in graph if isinstance(entity, dict)] if isinstance(graph, list) else []
    return any(isinstance(name, str) and name.startswith(_SOFTWARE) for name in names)


def _to(name: str) -> dict[str, str]:
    return {"@id": name}


def _software(version: str) -> str:
    return f"{_SOFTWARE}-{quote(version)}"


def _file(file: CrateFile) -> dict[str, Any]:
    about = {"@id": file.id, "@type": "File", "name": file.path.rpartition("/")[2], "contentSize": str(file.size), "sha256": file.sha256}
    ending = "." + file.path.rpartition(".")[2]
    return about | ({"encodingFormat": _FORMATS[ending]} if ending in _FORMATS else {})


def _action(run: CrateRun, version: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "@id": f"#run-{quote(os.fsencode(run.name))}",
        "@type": "CreateAction",
        "name": run.what,
        "instrument": _to(_software(run.version or version)),
        "object": [_to(_input(one)["@id"]) for one in run.inputs],
        "result": [_to(file.id) for file in run.results],
    }
    about |= {"description": f"Command: {run.command}"} if run.command else {}
    return about | ({"endTime": run.created} if run.created else {})


def _input(given: CrateInput) -> dict[str, Any]:
    told = hashlib.sha256(repr((given.what, given.name, given.sha256)).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    about = {
        "@id": f"#input-{told}",
        "@type": "CreativeWork",
        "name": given.name,
        "description": f"{given.what}, which is not in this folder",
    }
    return about | ({"sha256": given.sha256} if given.sha256 else {})


def _paper(given: tuple[str, str]) -> dict[str, Any]:
    citation, address = given
    name = address or f"#paper-{hashlib.sha256(citation.encode()).hexdigest()[:12]}"
    return {"@id": name, "@type": "ScholarlyArticle", "name": citation}
