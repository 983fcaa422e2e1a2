"""What is installed: the same files and the same plugin from a checkout, a wheel and an sdist, and nothing heavy on opening it."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "napari_brain_uad"
HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6")


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _build(source: Path, out: Path, kind: str) -> Path:
    """Build without fetching anything: hatchling comes from this environment."""
    _run(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, source)
    (made,) = out.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def sdist(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(repository, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2 of Debian 12 has none yet
        archive.extractall(folder)
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip makes it from the sdist."""
    return _build(unpacked, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds the wheel, and this environment's packages but for our own."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    others = folder / "others"
    others.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if PACKAGE not in entry.name:
            (others / entry.name).symlink_to(entry)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(f"{others}\n")
    return python


@pytest.fixture(scope="module")
def plain(wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds what ``pip install .`` brings, and nothing else: no extra."""
    folder = tmp_path_factory.mktemp("plain")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    for name in _with_what_they_need(tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]):
        for entry in {file.parts[0] for file in importlib.metadata.files(name) or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / entry).exists():
                (site / entry).symlink_to(importlib.metadata.distribution(name).locate_file(entry))
    return python


def _with_what_they_need(requirements: list[str]) -> set[str]:
    """Distributions that pip installs for requirements, by the metadata of those installed here."""
    found: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    return found


def test_a_plain_install_has_what_the_command_line_needs(plain: Path, tmp_path: Path, repository: Path) -> None:
    asking = f"import json; from napari_brain_uad.core.optional import missing; print(json.dumps(missing(*{HEAVY!r})))"
    missing = _in_fresh(plain, asking, tmp_path)
    assert set(missing) >= {"torch", "napari"}
    script, samples = plain.parent / "brain-uad", repository / "sample_data"
    scan, truth = samples / "ms-flair-simulated.nii.gz", samples / "ms-flair-simulated_truth.nii.gz"
    _run(script, "detect", scan, "--truth", truth, "--out", "out", "--quiet", cwd=tmp_path)
    assert (tmp_path / "out" / "ms-flair-simulated_robust-intensity_figure.png").stat().st_size > 10_000
    done = subprocess.run(
        [script, "detect", scan, "--method", "tissue-ensemble", "--out", "out"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    command = 'Install it: pip install "napari-brain-uad[learn]".'
    assert done.stderr == f"brain-uad: tissue-ensemble cannot be used here: torch is not installed. {command}\n"
    assert command.rstrip(".") in _run(script, "methods", cwd=tmp_path)


def _in_fresh(python: Path, code: str, cwd: Path) -> object:
    """Run `code` in the fresh environment, away from the checkout; what it prints is JSON."""
    return json.loads(_run(python, "-c", code, cwd=cwd))


def test_the_citation_is_that_of_the_package(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]  # the schema requires it, title and authors
    for ours, theirs in (
        ("title", "name"),
        ("version", "version"),
        ("license", "license"),
        ("authors", "authors"),
        ("keywords", "keywords"),
    ):
        assert citation[ours] == project[theirs], ours
    assert citation["abstract"] == project["description"]


# -- the archives ------------------------------------------------------------------------------------------------------------


def test_a_checkout_links_to_the_top_level(repository: Path) -> None:
    for name in ("napari.yaml", "sample_data"):
        assert (repository / "src" / PACKAGE / name).resolve() == repository / name


def test_this_environment_finds_the_manifest(repository: Path) -> None:
    """The tests run in an editable install."""
    found = PluginManifest.from_distribution("napari-brain-uad")
    assert found == PluginManifest.from_file(repository / "napari.yaml").model_copy(update={"package_metadata": found.package_metadata})


def test_checkout_and_sdist_give_the_same_wheel(wheel: Path, repository: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(_build(repository, tmp_path, "wheel")) as other:
        assert {name: one.read(name) for name in one.namelist()} == {name: other.read(name) for name in other.namelist()}


def test_wheel_holds_the_top_level_files_byte_for_byte(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        prefix = f"{PACKAGE}/sample_data/"
        samples = {name.removeprefix(prefix): archive.read(name) for name in archive.namelist() if name.startswith(prefix)}
        assert archive.read(f"{PACKAGE}/napari.yaml") == (repository / "napari.yaml").read_bytes()
    assert samples == _files(repository / "sample_data")


def test_wheel_holds_the_package_and_nothing_else(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    twice = [name for name, times in Counter(entry.filename for entry in entries).items() if times > 1]
    assert twice == []
    assert {entry.filename.split("/")[0] for entry in entries} == {PACKAGE, f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}.dist-info"}
    links = [entry.filename for entry in entries if (entry.external_attr >> 16) & 0o170000 == 0o120000]
    assert links == []
    modules = {entry.filename for entry in entries if entry.filename.endswith(".py")}
    source = repository / "src"
    assert modules == {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert f"{PACKAGE}/py.typed" in {entry.filename for entry in entries}


def test_sdist_holds_the_top_level_files_once_and_no_links(sdist: Path, repository: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = ["/".join(member.name.split("/")[1:]) for member in members]
    assert [member.name for member in members if not member.isfile()] == []
    assert len(names) == len(set(names))
    samples = {f"sample_data/{name}" for name in _files(repository / "sample_data")}
    assert {name for name in names if "sample_data/" in name} == samples
    assert {"napari.yaml", "LICENSE", "README.md", "tools/hatch_build.py"} <= set(names)


def test_editable_install_from_an_unpacked_sdist_gets_its_links(unpacked: Path) -> None:
    package = unpacked / "src" / PACKAGE
    code = (
        "import sys; sys.path.insert(0, 'tools'); from hatch_build import TopLevelFiles; "
        "TopLevelFiles('.', {}, None, None, '', 'wheel').initialize('editable', {})"
    )
    _run(sys.executable, "-c", code, cwd=unpacked)
    try:
        assert (package / "napari.yaml").read_bytes() == (unpacked / "napari.yaml").read_bytes()
        assert _files(package / "sample_data") == _files(unpacked / "sample_data")
    finally:
        for name in ("napari.yaml", "sample_data"):
            (package / name).unlink()


# -- the installed wheel -----------------------------------------------------------------------------------------------------

_MANIFEST = f"""
import json, sys
from npe2 import PluginManager
import {PACKAGE}
manager = PluginManager()
manager.discover()
manifest = manager.get_manifest("napari-brain-uad")
contributions = manifest.contributions
print(json.dumps({{
    "file": {PACKAGE}.__file__,
    "commands": [command.id for command in contributions.commands or []],
    "samples": [sample.key for sample in contributions.sample_data or []],
    "heavy": [name for name in {HEAVY!r} if name in sys.modules],
}}))
"""


def test_npe2_finds_the_plugin_and_opening_it_imports_nothing_heavy(installed: Path, tmp_path: Path, repository: Path) -> None:
    found = _in_fresh(installed, _MANIFEST, tmp_path)
    own = PluginManifest.from_file(repository / "napari.yaml").contributions
    assert installed.parent.parent in Path(found["file"]).parents
    assert found["commands"] == [command.id for command in own.commands]
    assert found["samples"] == [sample.key for sample in own.sample_data]
    assert found["samples"]
    assert found["heavy"] == []


_OPEN_SAMPLES = """
import json
from npe2 import PluginManager
manager = PluginManager.instance()
manager.discover()
opened = {}
for sample in manager.get_manifest("napari-brain-uad").contributions.sample_data:
    layers = sample.open()
    opened[sample.key] = [list(layer[0].shape) for layer in layers]
print(json.dumps(opened))
"""


def test_open_sample_reads_every_sample(installed: Path, tmp_path: Path) -> None:
    """What File > Open Sample runs, from the wheel's own files."""
    opened = _in_fresh(installed, _OPEN_SAMPLES, tmp_path)
    assert opened
    for key, shapes in opened.items():
        assert shapes, key
        assert all(len(shape) == 3 for shape in shapes), key


def test_manifest_is_valid_and_everything_it_names_can_be_imported(installed: Path, tmp_path: Path) -> None:
    assert "valid" in _run(installed, "-m", "npe2", "validate", "--imports", "napari-brain-uad", cwd=tmp_path)


def test_command_line_starts_without_torch_and_qt(installed: Path, tmp_path: Path) -> None:
    script = installed.parent / "brain-uad"
    assert "detect" in _run(script, "--help", cwd=tmp_path)
    code = (
        "import contextlib, io, json, sys\n"
        "from napari_brain_uad.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main(['--help'])\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert _in_fresh(installed, code, tmp_path) == []


# -- imports -----------------------------------------------------------------------------------------------------------------


def test_no_package_imports_torch_when_it_is_imported(repository: Path) -> None:
    """Every module but the methods, inference and the training loop, which import torch when they are asked for."""
    source, later = repository / "src", {"detectors", "inference", "training"}
    modules = [
        path.relative_to(source).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in sorted(source.rglob("*.py"))
        if path.name == "__init__.py" or (path.name != "__main__.py" and later.isdisjoint(path.relative_to(source).parts))
    ]
    modules += ["napari_brain_uad.training.params", "napari_brain_uad.training.session"]
    code = (
        f"import importlib, json, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "from napari_brain_uad.detectors.registry import method_ids\nmethod_ids()\n"
        "print(json.dumps([name for name in ('torch',) if name in sys.modules]))"
    )
    assert json.loads(_run(sys.executable, "-c", code)) == []
