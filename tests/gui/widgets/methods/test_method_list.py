"""Choosing several methods."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_brain_uad.detectors.registry import cards, method_ids
from napari_brain_uad.gui.widgets.methods.method_box import NO_MODEL
from napari_brain_uad.gui.widgets.methods.method_list import MethodList
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.models.recommend import cannot_score


@pytest.fixture
def methods(qtbot: Any) -> MethodList:
    made = MethodList()
    qtbot.addWidget(made)
    made.set_sequence("T1c")
    return made


def _listed(methods: MethodList) -> dict[str, str]:
    """Each row's heading, in their order."""
    tree = methods.tree
    listed = {}
    for place in range(tree.topLevelItemCount()):
        heading = tree.topLevelItem(place)
        assert heading is not None
        for row in range(heading.childCount()):
            listed[str(heading.child(row).data(0, Qt.ItemDataRole.UserRole))] = heading.text(0)
    return listed


def test_every_registered_method_is_listed_under_its_family_or_last_without_a_model(methods: MethodList) -> None:
    wanted = {info.id: NO_MODEL if cannot_score(info.id, "T1c")[0] else info.family for info in cards()}
    assert _listed(methods) == wanted
    assert set(wanted.values()) > {NO_MODEL}
    headings = list(_listed(methods).values())
    assert headings[headings.index(NO_MODEL) :] == [NO_MODEL] * headings.count(NO_MODEL)


def test_a_method_moves_to_its_family_when_it_gets_a_model(methods: MethodList, monkeypatch: Any) -> None:
    methods.add_variant("threshold@bins=64")
    methods.choose(["threshold@bins=64", "vae"])
    monkeypatch.setattr("napari_brain_uad.gui.widgets.methods.method_list.cannot_score", lambda *_: ("", ""))
    methods.refresh()
    families = {info.id: info.family for info in cards()}
    assert _listed(methods) == families | {"threshold@bins=64": families["threshold"]}
    assert [str(spec) for spec in methods.chosen()] == ["threshold@bins=64", "vae"]


def test_what_cannot_score_is_disabled_and_says_why(methods: MethodList) -> None:
    for method in method_ids():
        item = methods._items[MethodSpec(method)]
        short, why = cannot_score(method, "T1c")
        assert item.isDisabled() == bool(short)
        assert short in item.text(0)
        if why:
            assert "needs a trained model" in item.toolTip(0) or "no model" in item.toolTip(0)
    assert methods._items[MethodSpec("covariance")].isDisabled()
    methods.choose(["covariance", "threshold"])
    assert methods.chosen() == (MethodSpec("threshold"),)


def test_another_sequence_another_answer(methods: MethodList) -> None:
    assert not methods._items[MethodSpec("tissue-ensemble")].isDisabled()
    methods.set_sequence("PD")
    assert methods._items[MethodSpec("tissue-ensemble")].isDisabled() == bool(cannot_score("tissue-ensemble", "PD")[0])


def test_variants_stand_below_their_method_and_are_ticked(methods: MethodList, qtbot: Any) -> None:
    methods.choose(["thresh-raw"])
    methods.variant.setEditText("threshold@bins=64")
    with qtbot.waitSignal(methods.changed):
        methods.add.click()
    assert [str(spec) for spec in methods.chosen()] == ["threshold@bins=64", "thresh-raw"]
    assert methods.variant.currentText() == ""
    methods.add_variant("threshold@bins=64")
    assert len(methods._items) == len(method_ids()) + 1


@pytest.mark.parametrize("text", ["nothing", "threshold@colour=blue", "vae@a@b"])
def test_what_is_no_variant_is_told(methods: MethodList, qtbot: Any, text: str) -> None:
    with qtbot.waitSignal(methods.failed) as told:
        methods.add_variant(text)
    assert str(told.args[0])
    assert len(methods._items) == len(method_ids())


def test_what_was_remembered_and_is_gone_is_passed_over(methods: MethodList) -> None:
    methods.choose(["gone", "threshold@gone=1", "thresh-raw"])
    assert methods.chosen() == (MethodSpec("thresh-raw"),)


def test_it_suggests_brightness_and_what_has_learned(methods: MethodList) -> None:
    methods.suggest()
    chosen = [spec.method for spec in methods.chosen()]
    assert chosen[0] == "threshold"
    assert "tissue-ensemble" in chosen
