"""Rules of the house that no linter checks."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
LARGEST_PACKAGE = 25


def _sources(repository: Path) -> list[Path]:
    return sorted((repository / "src").rglob("*.py"))


def test_files_stay_short(repository: Path) -> None:
    lengths = {path.relative_to(repository).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in _sources(repository)}
    assert {name: lines for name, lines in lengths.items() if lines >= LONGEST_FILE} == {}


def test_functions_stay_short(repository: Path) -> None:
    long = {}
    for path in _sources(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines >= LONGEST_FUNCTION:
                    long[f"{path.name}:{node.name}"] = lines
    assert long == {}


def test_packages_stay_small(repository: Path) -> None:
    counts = Counter(path.parent.relative_to(repository).as_posix() for path in _sources(repository))
    assert {name: files for name, files in counts.items() if files > LARGEST_PACKAGE} == {}


OWN_PIPES = {"json_files.py", "train_process.py", "scoring_process.py", "devices.py", "entries.py"}
"""The reader itself; and what our own processes said to each other, or sealed."""


def test_json_files_are_read_in_one_place(repository: Path) -> None:
    """Anywhere else hostile content (depth, long numbers, half characters, names twice) would be met unprepared."""
    found = set()
    for path in _sources(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and getattr(node.value, "id", "") == "json":
                found.add(path.name)
    assert found == OWN_PIPES


def test_texts_are_read_and_written_in_a_stated_encoding(repository: Path) -> None:
    """Without one, a file's bytes depend on the system's locale."""
    unstated = []
    for path in _sources(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or {"encoding", "errors", "plugin"} & {keyword.arg for keyword in node.keywords}:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            modes = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            texts = (
                name in ("read_text", "write_text") and isinstance(node.func, ast.Attribute) and len(node.args) == (name == "write_text")
            )
            opened = (
                name == "open" and getattr(getattr(node.func, "value", None), "id", "") != "os" and not any("b" in mode for mode in modes)
            )
            if texts or opened:
                unstated.append(f"{path.name}:{node.lineno}")
    assert unstated == []


def test_a_class_name_means_one_thing(repository: Path) -> None:
    places: dict[str, list[str]] = {}
    for path in _sources(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.relative_to(repository).as_posix())
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
