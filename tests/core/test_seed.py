from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.seed import LARGEST_SEED, check_seed
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.workflows.cohort.batch import BatchRun
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.simulate.simulate import simulate
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.training_data import TrainingData

NO_SEEDS = [-1, LARGEST_SEED + 1, 10**60, 1.5, 2.0, "3", None, True, float("nan")]


@pytest.mark.parametrize("seed", NO_SEEDS)
def test_what_is_no_seed(seed: object) -> None:
    with pytest.raises(InputError, match="whole number from 0 to 9223372036854775807"):
        check_seed(seed)  # type: ignore[arg-type]


def test_every_kind_of_whole_number_is_one() -> None:
    assert [check_seed(seed) for seed in (0, np.int64(7), np.uint8(255), LARGEST_SEED)] == [0, 7, 255, LARGEST_SEED]
    assert type(check_seed(np.int64(7))) is int


@pytest.mark.parametrize("seed", [-3, LARGEST_SEED + 1])
def test_every_entrance_asks(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = Volume(np.random.default_rng(0).normal(100, 9, (8, 8, 8)).astype(np.float32), Grid((8, 8, 8), np.eye(4)), "scan")
    (tmp_path / "map.nii.gz").touch()
    for work in (
        lambda: detect(scan, seed=seed),
        lambda: compare(scan, ["threshold"], seed=seed),
        lambda: scored_volume(scan, ScoringRequest.of("threshold", seed=seed)),
        lambda: simulate([tmp_path], tmp_path / "out", seed=seed),
        lambda: train("covariance", [scan], seed=seed),
        lambda: TrainingData("folder", "x", seed=seed),
        lambda: BatchRun(seed=seed),
    ):
        with pytest.raises(InputError, match=f"The seed {seed}: .*whole number from 0"):
            work()
    with pytest.raises(SystemExit) as ended:
        cli.main(["detect", "scan.nii.gz", "--out", "out", f"--seed={seed}"])
    assert ended.value.code == 2
    assert "whole number from 0" in capsys.readouterr().err
