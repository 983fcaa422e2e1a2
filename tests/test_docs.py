"""The documentation does what it says."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_brain_uad.cli.commands import build_parser
from napari_brain_uad.detectors.autoencoder.vae import VAE
from napari_brain_uad.detectors.registry import cards, method_class
from napari_brain_uad.workflows.models.models import shipped_models
from tools.docs_pages import write_pages


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def extended(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a copy of the package has one more method: one file and one line, as ``adding_a_method.md`` says."""
    source = tmp_path_factory.mktemp("extended")
    package = source / "napari_brain_uad"
    shutil.copytree(repository / "src" / package.name, package, ignore=shutil.ignore_patterns("sample_data", "__pycache__"))
    method, line = _blocks(repository / "docs" / "adding_a_method.md")
    (package / "detectors" / "statistical" / "rx.py").write_text(method, encoding="utf-8")
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


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages that are made from the code, where a method that is no more had one."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "methods").mkdir()
    (folder / "methods" / "gone.md").write_text("# Gone\n", encoding="utf-8")
    write_pages(folder)
    return folder


def test_every_method_has_a_page_with_all_its_settings_and_presets(generated: Path) -> None:
    assert {page.stem for page in (generated / "methods").iterdir()} == {card.id for card in cards()}
    overview = (generated / "methods.md").read_text(encoding="utf-8")
    for card in cards():
        assert f"(methods/{card.id}.md)" in overview
        page = (generated / "methods" / f"{card.id}.md").read_text(encoding="utf-8")
        found = method_class(card.id)
        for kind in (found.Params, *([found.Training] if found.Training else [])):
            rows = [line for line in page.splitlines() if line.startswith("| `")]
            for name, _, info in kind.describe():
                assert any(f"`{name}`" in row and f" {info.label} " in row and " ".join(info.help.split())[:30] in row for row in rows), (
                    name
                )
            assert all(f"| `{preset}` |" in page for preset in kind.PRESETS)


def test_a_setting_stands_under_its_role_with_default_unit_and_range(generated: Path) -> None:
    page = (generated / "methods" / "vae.md").read_text(encoding="utf-8")
    scoring, _, rest = page.partition("## Settings of the network")
    network, _, rest = rest.partition("## Settings of the training")
    training, _, rest = rest.partition("## Settings of the optimization")
    optimization, _, presets = rest.partition("## Presets")
    assert "| `score` | Anomaly score | `l1` | `l1`, `l2`," in scoring
    assert "| `pixel_mm` | Pixel size | `1.6` | mm | from 0.2 to 10 |" in network
    assert "| `dropout` | Bottleneck dropout | `0.2` | from 0 to 0.9 |" in training
    assert "| `steps` | Training steps | `20000` |  | from 1 to 10,000,000 |" in optimization
    weights = VAE(VAE.Params.preset("pddpm")).parameter_count()
    assert f"| `pddpm` | {weights:,} | `height=96`, `width=96`" in presets


def test_every_model_that_is_shipped_is_on_the_page_of_models_and_its_methods(generated: Path) -> None:
    text = (generated / "models.md").read_text(encoding="utf-8")
    assert shipped_models()
    for model in shipped_models():
        assert model.sha256 in text
        assert f"[{model.id}](../models.md" in (generated / "methods" / f"{model.method}.md").read_text(encoding="utf-8")
    assert "[vae](../models.md#vae)" in (generated / "methods" / "vae-restoration.md").read_text(encoding="utf-8")


def test_every_command_has_a_section_with_its_options(generated: Path) -> None:
    sections = (generated / "command_line.md").read_text(encoding="utf-8").split("\n## brain-uad ")[1:]
    (commands,) = (action.choices for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert [section.split("\n")[0] for section in sections] == list(commands)
    for section, command in zip(sections, commands.values(), strict=True):
        for option in (option for action in command._actions for option in action.option_strings):
            assert option in section
    assert "### brain-uad models import" in sections[list(commands).index("models")]
