"""What the plugin tells napari, and what it costs to be there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from npe2 import PluginManifest

from napari_brain_uad.workflows.scans.samples import samples


@pytest.fixture(scope="module")
def manifest(repository_root):
    return PluginManifest.from_file(repository_root / "napari.yaml")


@pytest.fixture(scope="module")
def repository_root(request):
    return request.config.rootpath


def test_every_command_can_be_imported(manifest):
    manifest.validate_imports()


def test_every_contribution_has_a_title_and_a_command(repository_root):
    declared = yaml.safe_load((repository_root / "napari.yaml").read_text())["contributions"]
    commands = {command["id"]: command for command in declared["commands"]}
    assert all(command["title"] for command in commands.values())
    used = [entry["command"] for kind in ("readers", "writers", "sample_data", "widgets") for entry in declared[kind]]
    used += [item["command"] for items in declared["menus"].values() for item in items]
    assert set(used) == set(commands)
    for group in declared["configurations"].values():
        assert group["title"]
        assert all(setting["title"] and "default" in setting for setting in group["properties"].values())


def test_the_samples_are_those_of_the_package_and_simulated_ones_say_so(manifest):
    told = {sample.key: sample.display_name for sample in manifest.contributions.sample_data}
    assert set(told) == {sample.id for sample in samples()}
    for sample in samples():
        assert sample.kind in told[sample.id]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.mgh", "a.hdr"])
def test_napari_finds_the_reader(make_napari_viewer, name):
    from npe2 import PluginManager

    make_napari_viewer()
    assert "napari-brain-uad" in {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers([name])}


def test_the_menus_and_the_command_palette_have_the_docks(make_napari_viewer):
    from napari._app_model import get_app_model

    make_napari_viewer()
    app = get_app_model()
    menu = "napari/layers/segment"
    for command in ("napari-brain-uad.detect", "napari-brain-uad.tune", "napari-brain-uad.ortho"):
        assert command in app.commands
        assert command in {item.command.id for item in app.menus.get_menu(menu) if hasattr(item, "command")}


_OPEN = """
import json, sys
import napari
viewer = napari.Viewer(show=False)
from napari_brain_uad.gui.app.docks import open_dock
for title in ("Prepare", "Detect anomalies", "Tune", "Compare", "Ortho view", "Train", "Models"):
    open_dock(viewer, title)
heavy = [name for name in ("torch", "tensorflow", "numba", "matplotlib.pyplot") if name in sys.modules]
viewer.close()
print(json.dumps(heavy))
"""


def test_opening_the_docks_imports_no_torch(tmp_path):
    done = subprocess.run([sys.executable, "-c", _OPEN], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    heavy = json.loads(done.stdout.splitlines()[-1])
    assert "torch" not in heavy
    assert "tensorflow" not in heavy
