"""Rules of the house that no linter checks."""

from __future__ import annotations

import ast
from pathlib import Path

LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def _sources(repository: Path) -> list[Path]:
    return sorted((repository / "src").rglob("*.py"))


def test_files_stay_short(repository: Path) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in _sources(repository)}
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
