"""Figures of the cards come from the table, for the weights that are shipped and nothing else."""

from __future__ import annotations

from benchmarks.cards import figures

RECORD = {"best_dice": 0.25, "auprc": 0.125, "model": "abc", "data": "MSLUB", "sequence": "T1", "volume": "patient07", "method": "vae"}
FLOOR = RECORD | {"best_dice": 0.05, "auprc": 0.01, "model": "", "method": "thresh-raw"}
TABLE = {
    "settings": "All methods see the same scan with the same brain mask, resampled to 2 mm; no filter. Means are over volumes.",
    "date": "2026-11-26",
    "means": [RECORD, FLOOR],
    "volumes": [RECORD, FLOOR],
}


def test_each_figure_stands_beside_raw_intensitys():
    dice, precision = figures(TABLE, "vae", "abcdef", ["T1"])
    assert dice == {
        "metric": "⌈Dice⌉ (thresh-raw: 0.050)",
        "value": 0.25,
        "data": "MSLUB T1: patient07",
        "source": "python -m benchmarks.methods, resampled to 2 mm, 2026-11-26",
    }
    assert precision["metric"] == "AUPRC (thresh-raw: 0.010)"
    assert precision["value"] == 0.125


def test_other_weights_methods_and_sequences_are_left_out():
    assert figures(TABLE, "vae", "other", ["T1"]) == []
    assert figures(TABLE, "ce-vae", "abcdef", ["T1"]) == []
    assert figures(TABLE, "vae", "abcdef", ["T2"]) == []
