from __future__ import annotations

from napari_brain_uad.workflows.models.model_card import card_lines, figure_lines


def _figure(metric: str, value: float, data: str, source: str = "the benchmark, 2026-11-27") -> dict[str, object]:
    return {"metric": metric, "value": value, "data": data, "source": source}


def test_figures_are_one_row_for_each_data_and_their_source_is_said_once() -> None:
    card = {
        "measured": [
            _figure("Dice (thresh-raw: 0.516)", 0.148, "MSLUB FLAIR"),
            _figure("AUPRC (thresh-raw: 0.365)", 0.078, "MSLUB FLAIR"),
            _figure("Dice", 0.2271, "MSLUB T1"),
            _figure("mean |x - r|", 0.05, "MSLUB T1", "another day"),
        ]
    }
    assert figure_lines(card) == [
        ("MSLUB FLAIR", "Dice 0.148 (thresh-raw: 0.516), AUPRC 0.078 (thresh-raw: 0.365)"),
        ("MSLUB T1", "Dice 0.227, mean |x - r| 0.05 [another day]"),
    ]
    assert card_lines(card)[-1] == ("Measured", "the benchmark, 2026-11-27")
    assert (figure_lines({}), card_lines({})[-1]) == ([], ("Measured", "no figures yet"))
