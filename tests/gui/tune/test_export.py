"""What leaves the Tune dock is of the scan that the map was made from, prepared and masked as it was; or it says that it cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.shell import split
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.layers.detection_layers import add_detection, adding_detection
from napari_brain_uad.gui.layers.layers import add_map, record, volume_of
from napari_brain_uad.gui.layers.mask_layer import finished_mask
from napari_brain_uad.gui.layers.tuning import Tuning
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.gui.tune.export import command_of, scans_for
from napari_brain_uad.io.json_files import read_json
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.preprocessing.steps import brain_extraction
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.detect.several import detect_several
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import head, write


class _Two:
    """Scans of two persons on one grid, that of the first above, with a map that the second one's layer was noted for."""

    def __init__(self, folder: Path) -> None:
        data, _ = head()
        for person, more in (("a", 0), ("b", 1)):
            (folder / person).mkdir()
            write(folder / person / "FLAIR.nii.gz", np.where(data > 0, data + more, 0).astype(np.float32))
        self.viewer = ViewerModel()
        first, self.volume = (load(folder / person / "FLAIR.nii.gz") for person in "ab")
        self.first = add_volume(self.viewer, first)
        self.second = add_volume(self.viewer, self.volume)
        self.detection = detect(self.volume, "thresh-raw")
        self.heat, *_ = add_detection(self.viewer, self.detection, scan=self.second)

    def found(self, heat: Image | None = None) -> Path | None:
        source = scans_for(self.viewer, heat or self.heat)[0].source
        return None if source is None or source.path is None else source.path.parent


@pytest.fixture
def two(tmp_path: Path) -> _Two:
    return _Two(tmp_path)


def test_a_scan_that_was_renamed_is_the_map_s_own_still(two: _Two, tmp_path: Path) -> None:
    assert two.found() == tmp_path / "b"
    two.second.name = "another"
    assert two.found() == tmp_path / "b"
    two.first.name = two.detection.map.name
    assert two.found() == tmp_path / "b"


def test_without_its_scan_no_other_takes_its_place_until_the_file_is_opened_again(two: _Two, tmp_path: Path) -> None:
    two.viewer.layers.remove(two.second)
    assert two.first.name == two.detection.map.name
    with pytest.raises(InputError, match="not open"):
        two.found()
    add_volume(two.viewer, two.volume).name = "once more"
    assert two.found() == tmp_path / "b"


def test_a_scan_from_no_file_is_never_told_by_its_name_where_a_layer_was_noted(two: _Two) -> None:
    array = replace(two.volume, source=None, name="array")
    shown = add_volume(two.viewer, array)
    heat, *_ = add_detection(two.viewer, detect(array, "thresh-raw"), scan=shown)
    two.viewer.layers.remove(shown)
    two.first.name = "array"
    with pytest.raises(InputError, match="not open"):
        two.found(heat)


def test_an_opened_map_takes_the_scan_of_its_file_whatever_another_is_called(two: _Two, tmp_path: Path) -> None:
    files = save_detection(two.detection, tmp_path / "out")
    heat = add_map(two.viewer, read_map(files["map"]))
    # Another person's scan has the map's name.
    two.second.name, two.first.name = "renamed", two.detection.map.name
    assert two.found(heat) == tmp_path / "b"
    two.viewer.layers.remove(two.second)
    with pytest.raises(InputError, match="not open"):
        two.found(heat)


def test_a_map_that_says_nothing_takes_the_only_scan_on_its_grid_and_of_several_none(two: _Two, tmp_path: Path) -> None:
    heat = add_map(two.viewer, replace(two.detection.map, name="map", provenance={}))
    with pytest.raises(InputError, match="not open"):
        two.found(heat)
    two.viewer.layers.remove(two.first)
    assert two.found(heat) == tmp_path / "b"


def _together(viewer: Any, folder: Path) -> tuple[Detection, Image, Image]:
    """FLAIR and T2 of one person scored together; the T2 is opened first, and lies lowest."""
    data, _ = head()
    for name, scan in (("T2", 300 - data * (data < 150)), ("FLAIR", data)):
        write(folder / f"{name}.nii.gz", np.where(data > 0, scan, 0).astype(np.float32))
    t2, flair = (add_volume(viewer, load(folder / f"{name}.nii.gz")) for name in ("T2", "FLAIR"))
    found = detect_several([volume_of(flair), volume_of(t2)], "robust-intensity")
    live = finished_mask(found.map, found.result)
    for _ in adding_detection(viewer, found, live, flair, [t2]):
        pass
    return found, flair, t2


def test_sequences_scored_together_are_exported_as_the_command_line_writes_them(
    make_napari_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    _, flair, t2 = _together(viewer, tmp_path)
    flair.name, t2.name = "one", "other"
    dock = TuneDock(viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: dock.settled is not None)
    dock.export_to(tmp_path / "out")
    qtbot.waitUntil(lambda: "Saved" in dock.messages.text, timeout=30_000)
    record = read_json(tmp_path / "out" / "FLAIR+T2_robust-intensity_provenance.json")
    words = split(record["command"])
    assert (words[2], words[words.index("--with") + 1]) == ("FLAIR.nii.gz", "T2.nii.gz")
    again = [str(tmp_path / word) if word.endswith((".nii.gz", "OUT")) else word for word in words[1:]]
    assert main([*again, "--quiet"]) == 0
    manifest = "FLAIR+T2_robust-intensity_manifest.json"
    assert read_json(tmp_path / "out" / manifest)["input"] == read_json(tmp_path / "OUT" / manifest)["input"]
    maps = [next((tmp_path / place).glob("*_anomalymap.nii.gz")).read_bytes() for place in ("out", "OUT")]
    assert maps[0] == maps[1]
    dock._end()


def test_a_further_sequence_that_is_gone_is_left_open_in_the_command(tmp_path: Path) -> None:
    viewer = ViewerModel()
    found, _, t2 = _together(viewer, tmp_path)
    heat = next(layer for layer in viewer.layers if record(layer).get("kind") == "map")

    def named() -> str:
        words = split(command_of(Tuning(found.map), scans_for(viewer, heat), ()))
        assert words[2] == str(tmp_path / "FLAIR.nii.gz")
        return words[words.index("--with") + 1]

    assert named() == str(tmp_path / "T2.nii.gz")
    viewer.layers.remove(t2)
    assert named() == "SCAN"
    add_volume(viewer, volume_of(t2))
    assert named() == str(tmp_path / "T2.nii.gz")


def _raw_head(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Volume, Any]:
    """A whole head in a file, and the brain that is extracted from it."""
    shape = (24, 28, 20)
    rng = np.random.default_rng(1)
    data = (rng.random(shape) * 20 + 5).astype(np.float32)
    brain = np.zeros(shape, bool)
    brain[4:20, 4:24, 3:17] = True
    data[brain] += 100
    data[8:11, 9:12, 8:11] += 300
    file = write(folder / "FLAIR.nii.gz", data, np.diag([6.0, 6.0, 6.0, 1.0]))
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(folder / "cache"))
    monkeypatch.setattr(brain_extraction, "extract", lambda *_: brain)
    return load(file), brain


def _command(viewer: ViewerModel, detection: Detection, scan: Volume) -> list[str]:
    heat, *_ = add_detection(viewer, detection, scan=add_volume(viewer, scan))
    return split(command_of(Tuning(detection.map), scans_for(viewer, heat), ()))


def test_the_command_prepares_with_the_mask_that_was_painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, brain = _raw_head(tmp_path, monkeypatch)
    painted = brain.copy()
    painted[:8] = False
    words = _command(ViewerModel(), detect(scan, "robust-intensity", mask=painted, prepare_with="native"), scan)
    assert words[words.index("--mask") + 1] == "MASK"
    assert words[words.index("--prepare") + 1] == "native"


def test_the_command_leaves_to_the_method_what_it_did_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, _ = _raw_head(tmp_path, monkeypatch)
    words = _command(ViewerModel(), detect(scan, "robust-intensity"), scan)
    assert not {"--mask", "--prepare"} & set(words)


@pytest.mark.parametrize("asked", ["native+slices=3:16", "auto+spacing_mm=7.0+slices=2:-2"])
def test_the_command_names_what_was_done_behind_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    scan, brain = _raw_head(tmp_path, monkeypatch)
    if asked.startswith("native"):  # it would not be prepared by itself
        scan = scan.with_data(np.where(brain, scan.data, np.float32(0.0)))
    words = _command(ViewerModel(), detect(scan, "robust-intensity", prepare_with=asked), scan)
    assert words[words.index("--prepare") + 1] == asked
    assert "--mask" not in words
