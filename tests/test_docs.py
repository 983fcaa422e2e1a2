"""The documentation does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def extended(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a copy of the package has one more method: one file and one line, as ``adding_a_method.md`` says."""
    source = tmp_path_factory.mktemp("extended")
    package = source / "napari_brain_uad"
    shutil.copytree(repository / "src" / package.name, package, ignore=shutil.ignore_patterns("sample_data", "__pycache__"))
    method, line = _blocks(repository / "docs" / "adding_a_method.md")
    (package / "detectors" / "rx.py").write_text(method, encoding="utf-8")
    registry = package / "detectors" / "registry.py"
    head, opening, rest = registry.read_text(encoding="utf-8").partition("METHODS: dict[str, str] = {\n")
    registry.write_text(head + opening + line + rest, encoding="utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(source), os.environ["PYTHONPATH"]))}


def _run(env: dict[str, str], cwd: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_method_keeps_the_contract(extended: dict[str, str], repository: Path) -> None:
    # Without the plugins that load Qt: the contract needs no window.
    plain = ("-p", "no:pytest-qt", "-p", "no:napari", "-p", "no:napari-plugin-engine", "-p", "no:npe2", "-p", "no:cacheprovider")
    out = _run(extended, repository, "-m", "pytest", "tests/detectors/test_contract.py", "-k", "rx", "-q", *plain)
    passed = re.search(r"(\d+) passed", out)
    assert passed is not None, out
    assert int(passed.group(1)) >= 15


def test_the_command_line_lists_the_example_method(extended: dict[str, str], tmp_path: Path) -> None:
    assert "rx" in _run(extended, tmp_path, "-m", "napari_brain_uad.cli", "methods").split()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/adding_a_method.md"])
def test_links_between_pages_lead_somewhere(repository: Path, page: str) -> None:
    text = (repository / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((repository / page).parent / target).exists(), target


def test_every_package_stands_in_the_architecture(repository: Path) -> None:
    text = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = repository / "src" / "napari_brain_uad"
    for module in [*package.glob("*/__init__.py")]:
        assert f"`{module.parent.name}/`" in text
