"""The table of costs: weights as the methods count them themselves, and time for all slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import embedding_cost
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import create, method_class, method_ids


@pytest.mark.parametrize("method", ["symmetry-ae", "cradl"])
def test_a_row_has_the_methods_weights_and_the_time_of_96_slices(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((10.0, 10.5, 10.7, 10.75))  # from the second to the third the map's record is made, once a scan
    monkeypatch.setattr(embedding_cost.time, "process_time", lambda: next(moments))
    found = [cell.strip() for cell in embedding_cost.cost(method, tmp_path, 2).row.strip("|").split("|")]
    count = create(method, method_class(method).Params.preset("paper")).parameter_count()  # type: ignore[attr-defined]
    assert found[:4] == [f"`{method}`", f"{count / 1e6:.2f}", "0.00", f"{4 * count / 2**20:.1f}"]
    assert found[5:] == ["26.6", "-", "-", "-"]  # 0.55 s for two slices, and 0.2 s


def test_parts_of_the_time_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(100))
    monkeypatch.setattr(embedding_cost.time, "process_time", lambda: float(next(moments)))
    detector = create("patchcore", method_class("patchcore").Params.preset("tiny"))
    volume = Volume(np.random.default_rng(0).random((16, 16, 4)).astype(np.float32), Grid((16, 16, 4), np.diag([3.0, 3.0, 2.0, 1.0])))
    detector.fit([volume])
    before = next(moments)
    with embedding_cost.watched() as spent:
        detector.score(volume, seed=0, progress=Progress())
    # Every call looks twice at the clock, which goes on by 1: the backbone once, around it the features, around them the scores of pixels.
    assert spent == {"backbone": 1.0, "features": 3.0, "pixels": 5.0, "record": 1.0}
    assert next(moments) == before + 9


def test_the_methods_are_compared_on_the_same_features() -> None:
    slow = embedding_cost.Cost("patchcore", 0, 0, 0, 60.0, (10.0, 2.0, 40.0))
    quick = embedding_cost.Cost("simple-slice-net", 0, 0, 0, 15.0, (10.0, 2.0, 2.0))
    assert embedding_cost.compared([slow]) == []
    words = embedding_cost.compared([slow, quick])[0]
    assert "4.0 times as long" in words
    assert "10.5 times without the backbone, 20.0 times from the same features on" in words
    half = embedding_cost.Cost("simple-slice-net@precision=bf16", 0, 0, 0, 14.0, (10.0, 2.0, 1.0))
    assert "and 4.3 times as long as SimpleSliceNet with its flow in bf16; 14.0 times" in embedding_cost.compared([slow, quick, half])[0]


def test_every_method_with_features_is_in_the_table() -> None:

    wanted = {method for method in method_ids() if method_class(method).INFO.family == "Embedding"}
    assert wanted <= set(embedding_cost.METHODS)
