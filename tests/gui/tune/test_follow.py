"""Tune shows the map of the subject at hand, or says whose it shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QLabel, QWidget

from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import is_map
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.tune.follow import SubjectFollower
from napari_brain_uad.gui.widgets.layer_box import LayerBox
from napari_brain_uad.workflows.detect.detect import Detection, detect


class _Bench:
    """Two subjects: one with two maps, one without any."""

    def __init__(self, qtbot: Any, detection: Detection) -> None:
        self.qtbot, self.viewer, self.words = qtbot, ViewerModel(), QLabel()
        self.around = QWidget()
        qtbot.addWidget(self.around)
        self.one = add_volume(self.viewer, detection.volume)
        self.raw, *_ = add_detection(self.viewer, detection)
        self.equalised, *_ = add_detection(self.viewer, detect(detection.volume, "threshold"))
        self.volume = replace(detection.volume, name="sub-02", data=detection.volume.data[::-1].copy(), mask=None)
        self.two = add_volume(self.viewer, self.volume)
        self.maps = LayerBox(self.viewer, is_map, parent=self.around)
        self.words.setParent(self.around)
        self.came: list[int] = []
        self.follower = SubjectFollower(self.viewer, self.maps, self.words, self.around, lambda: self.came.append(len(self.viewer.layers)))

    def act(self, layer: Any) -> str:
        self.viewer.layers.selection.active = layer
        self.qtbot.wait(5)
        return "" if self.words.isHidden() else self.words.text()


@pytest.fixture
def bench(qtbot: Any, detection: Detection) -> Any:
    made = _Bench(qtbot, detection)
    yield made
    made.follower.disconnect_viewer()
    made.maps.disconnect_viewer()


def test_a_subject_without_a_map_is_named(bench: _Bench) -> None:
    assert bench.act(bench.one) == ""
    shown = bench.maps.layer
    assert bench.act(bench.two) == "Shows sub-01_FLAIR: sub-02 has no anomaly map yet."
    assert bench.maps.layer is shown
    assert bench.act(bench.one) == ""


def test_it_follows_the_subject_and_the_map_within_it(bench: _Bench) -> None:
    found = detect(bench.volume, "thresh-raw")
    heat, regions, _ = add_detection(bench.viewer, found)
    assert bench.act(heat) == ""
    assert bench.maps.layer is heat
    bench.act(bench.one)
    assert bench.maps.layer is bench.equalised  # the one that is seen
    bench.act(regions)
    assert bench.maps.layer is heat
    bench.act(bench.raw)
    assert bench.maps.layer is bench.raw
    # Another layer of the same subject changes nothing.
    bench.act(bench.one)
    assert bench.maps.layer is bench.raw


def test_a_scan_that_went_is_told(bench: _Bench) -> None:
    bench.act(bench.raw)
    bench.viewer.layers.remove(bench.one)
    bench.qtbot.wait(5)
    bench.maps.choose(bench.raw)
    assert "whose scan is not open any more" in bench.act(None)
    bench.viewer.layers.remove(bench.two)
    assert bench.act(None)


def test_a_map_chosen_by_hand_is_shown(bench: _Bench) -> None:
    heat, *_ = add_detection(bench.viewer, detect(bench.volume, "thresh-raw"))
    bench.maps.choose(bench.raw)
    bench.maps.activated.emit(0)
    assert bench.raw.visible
    assert not heat.visible
    assert not bench.equalised.visible
    assert bench.viewer.layers.selection.active is bench.raw
    assert bench.viewer.layers.index(bench.one) > bench.viewer.layers.index(bench.two)
    assert np.isfinite(bench.viewer.dims.point).all()


def test_it_tells_of_scans_that_come_and_of_no_other_layers(bench: _Bench) -> None:
    add_detection(bench.viewer, detect(bench.volume, "threshold"))
    bench.qtbot.wait(20)
    assert bench.came == []
    add_volume(bench.viewer, replace(bench.volume, name="sub-03"))
    bench.qtbot.waitUntil(lambda: len(bench.came) == 1)
    assert bench.came == [len(bench.viewer.layers)]
