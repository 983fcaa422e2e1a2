"""The split of Br35H: no copy of a slice on both sides, and intervals that copies do not make narrower."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks import br35h


def _scenes(count: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 32, 32))
    return np.stack([gaussian_filter(one, 2.0) for one in noise]).astype(np.float32)


def test_copies_are_found_mirrored_and_in_another_contrast_and_others_are_not() -> None:
    first, second, third = _scenes(3)
    pictures = np.stack([first, second, 40.0 + 3.0 * first, third, second[::-1, ::-1], first[:, ::-1] * 0.5])
    groups = br35h.near_copies(pictures)
    assert groups[0] == groups[2] == groups[5]
    assert groups[1] == groups[4]
    assert len(set(groups.tolist())) == 3


def test_whole_groups_are_held_out() -> None:
    groups = np.repeat(np.arange(40), 5)
    kept = br35h.held_out(groups, 50, 3, whole=True)
    assert np.count_nonzero(kept) == 50
    assert not set(groups[kept].tolist()) & set(groups[~kept].tolist())
    at_random = br35h.held_out(groups, 50, 3, whole=False)
    assert np.count_nonzero(at_random) == 50
    assert set(groups[at_random].tolist()) & set(groups[~at_random].tolist())


def _split(groups: np.ndarray) -> br35h.Split:
    return br35h.Split([], [], [], groups, groups, {})


def test_ten_copies_of_each_image_are_no_more_evidence_than_one() -> None:
    rng = np.random.default_rng(1)
    healthy, ill = rng.normal(0, 1, 30), rng.normal(0.8, 1, 30)
    alone = br35h.interval((healthy, ill), _split(np.arange(30)))
    copied = br35h.interval((np.repeat(healthy, 10), np.repeat(ill, 10)), _split(np.repeat(np.arange(30), 10)))
    assert copied == pytest.approx(alone)
    apart = br35h.interval((np.repeat(healthy, 10), np.repeat(ill, 10)), _split(np.arange(300)))
    assert apart[1] - apart[0] < 0.5 * (alone[1] - alone[0])


def test_a_run_is_written_and_replaced_by_its_like(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder, count in (("no", 20), ("yes", 4)):
        (tmp_path / folder).mkdir()
        for number, scene in enumerate(_scenes(count, seed=len(folder))):
            picture = 120 + 300 * np.kron(scene, np.ones((2, 2))) + rng.normal(0, 2, (64, 64))
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / folder / f"{folder}{number}.png")
    words = f"--data {tmp_path} --out {tmp_path} --methods patchcore --size 64 --dimension 16 --features 500 --limit 20".split()
    for _ in range(2):
        br35h.main(words)
    record = json.loads((tmp_path / "br35h.json").read_text(encoding="utf-8"))
    (run,) = record["runs"]
    assert (run["data"]["train"], run["data"]["healthy"], run["data"]["ill"]) == (16, 4, 4)
    assert 0.0 <= run["auroc_low"] <= run["auroc"] <= run["auroc_high"] <= 1.0
    assert "| patchcore | groups | 64 | a memory bank |" in (tmp_path / "br35h.md").read_text(encoding="utf-8")
