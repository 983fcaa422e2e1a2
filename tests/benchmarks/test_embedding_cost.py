"""The table of costs: weights as the methods count them themselves, and time for all slices."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import embedding_cost
from napari_brain_uad.detectors.registry import create, method_class, method_ids


@pytest.mark.parametrize("method", ["symmetry-ae", "cradl"])
def test_a_row_has_the_methods_weights_and_the_time_of_96_slices(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((10.0, 10.5))
    monkeypatch.setattr(embedding_cost.time, "process_time", lambda: next(moments))
    found = [cell.strip() for cell in embedding_cost.row(method, tmp_path, 2).strip("|").split("|")]
    count = create(method, method_class(method).Params.preset("paper")).parameter_count()  # type: ignore[attr-defined]
    assert found[:4] == [f"`{method}`", f"{count / 1e6:.2f}", "0.00", f"{4 * count / 2**20:.1f}"]
    assert found[5] == "24.0"  # half a second for two slices


def test_every_method_with_features_is_in_the_table() -> None:

    wanted = {method for method in method_ids() if method_class(method).INFO.family == "Embedding"}
    assert wanted <= set(embedding_cost.METHODS)
