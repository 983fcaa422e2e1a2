"""Training data: found by names, healthy only, one subject on one side, loaded when asked for."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_heads import head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.provenance import array_sha256
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.workflows.scans.lazy_volumes import LazyVolumes, OpenedData
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.train import training_data
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.training_data import TrainingData, describe, first_scan, open_data, open_scans, thumbnails


def data(folder: Path, **more: Any) -> TrainingData:
    return TrainingData("folder", str(folder), **more)


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Four healthy subjects, two visits each, two sequences; one more with a lesion."""
    root = tmp_path / "study"
    for number in range(1, 6):
        for visit in (1, 2):
            stem = f"sub-{number:02d}_ses-{visit}"
            folder = root / f"sub-{number:02d}" / f"ses-{visit}" / "anat"
            folder.mkdir(parents=True)
            for sequence in ("T1w", "FLAIR"):
                save(head(number * 10 + visit, False)[0], folder / f"{stem}_{sequence}.nii.gz")
            if number == 5:
                save(head(0, True)[1].astype(np.uint8), folder / f"{stem}_label-lesion_roi.nii.gz")
    return root


def test_json_round_trip() -> None:
    given = TrainingData("simulation", "maps", sequence="random", count=20, validation=0.25, seed=7)
    assert TrainingData.from_dict(json.loads(json.dumps(given.as_dict()))) == given


@pytest.mark.parametrize(
    "values",
    [
        {"source": "cloud", "path": ""},
        {"source": "folder", "path": "", "validation": 1.0},
        {"source": "folder", "path": "", "count": -1},
        {"source": "folder", "path": "", "seed": -1},
        {"source": "folder", "path": "", "subjects": 3},
        {"source": "folder", "path": 3},
        {"source": "simulation", "path": "", "sequence": "T3"},
        {"source": "simulation", "path": "", "preset": "clinical"},
    ],
)
def test_wrong_fields_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TrainingData.from_dict(values)


def test_folder(healthy_folder: Path) -> None:
    summary = describe(data(healthy_folder))
    assert (summary.count, summary.sequences, summary.problems) == (5, {"FLAIR": 5}, ())
    opened = open_data(data(healthy_folder, validation=0.2), "covariance")
    assert (len(opened.train), len(opened.validation)) == (4, 1)
    assert opened.sequences == ("FLAIR",)
    volume = opened.train[0]
    assert volume.mask is not None
    assert volume.mask.any()
    assert opened.train.seen() == [{"name": volume.name, "voxels_sha256": array_sha256(volume.data)}]


def test_masks_are_not_taken_for_scans(healthy_folder: Path) -> None:
    (healthy_folder / "sub-01_FLAIR_brainmask.nii.gz").write_bytes((healthy_folder / "sub-01_FLAIR.nii.gz").read_bytes())
    assert describe(data(healthy_folder)).count == 5


def test_who_has_lesions_is_left_out_and_said(bids: Path) -> None:
    summary = describe(data(bids, sequence="FLAIR"))
    assert summary.count == 8
    assert summary.problems == (
        "2 sessions with lesions (a mask of them lies beside the scan) left out: sub-05 session 1, sub-05 session 2",
    )
    opened = open_data(data(bids, sequence="FLAIR", validation=0.0), "covariance")
    assert not any("sub-05" in volume.name for volume in opened.train)
    assert all(volume.sequence == "FLAIR" for volume in opened.train)


def test_those_left_out_are_named_up_to_a_number(tmp_path: Path) -> None:
    for number in range(11):
        for ending in ("FLAIR", "lesions") if number < 9 else ("FLAIR",):
            (tmp_path / f"p{number:02d}_{ending}.nii.gz").touch()
    (problem,) = describe(data(tmp_path)).problems
    assert problem.startswith("9 subjects with lesions")
    assert problem.endswith("left out: p00, p01, p02, p03, p04, p05, p06, p07 and 1 more")
    (tmp_path / "p00_lesions.nii.gz").unlink()
    (problem,) = describe(data(tmp_path)).problems
    assert problem.endswith("p07, p08")


def test_visits_of_one_person_stay_together(bids: Path) -> None:
    for seed in range(4):
        opened = open_data(data(bids, sequence="T1", validation=0.5, seed=seed), "covariance")
        sides = [{volume.name.split("_")[0] for volume in side} for side in (opened.train, opened.validation)]
        assert [len(side) for side in sides] == [2, 2]
        assert not sides[0] & sides[1]


def test_the_seed_decides_who(bids: Path) -> None:
    def names(seed: int) -> list[str]:
        return [volume.name for volume in open_data(data(bids, sequence="T1", count=3, seed=seed), "covariance").train]

    assert names(1) == names(1)
    assert len({tuple(names(seed)) for seed in range(8)}) > 1


def test_several_sequences_need_a_choice(bids: Path) -> None:
    assert "several sequences" in describe(data(bids)).problems[-1]
    with pytest.raises(InputError, match="several sequences"):
        open_data(data(bids), "covariance")
    with pytest.raises(InputError, match="has the sequence PD"):
        open_data(data(bids, sequence="PD"), "covariance")


def test_a_dataset_by_its_layout(bids: Path) -> None:
    chosen = TrainingData("dataset", str(bids), dataset="bids", sequence="FLAIR")
    assert describe(chosen).count == 8
    assert "holds no scan" in describe(TrainingData("dataset", str(bids), dataset="ixi", sequence="T1")).problems[0]
    assert "no layout" in describe(TrainingData("dataset", str(bids), dataset="nothing")).problems[0]


def test_official_test_sets_are_not_trained_on(healthy_folder: Path) -> None:
    table = healthy_folder / "list.csv"
    rows = [f"{n},sub-{n:02d}_FLAIR.nii.gz,{'test' if n > 3 else 'train'}" for n in range(1, 6)]
    table.write_text("\n".join(["id,FLAIR,split", *rows]))
    summary = describe(data(table))
    assert summary.count == 3
    assert "test set" in summary.problems[0]


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    for source in ("folder", "dataset", "simulation"):
        chosen = TrainingData(source, str(tmp_path / name))
        summary = describe(chosen)
        assert summary.count == 0
        assert summary.problems
        with pytest.raises(InputError):
            open_data(chosen, "covariance")
        with pytest.raises(InputError):
            thumbnails(chosen)


def test_masks_beside_the_scans_are_used(healthy_folder: Path) -> None:
    mask = np.zeros((40, 44, 36), np.uint8)
    mask[10:20, 10:20, 10:20] = 1
    for number in range(1, 6):
        save(mask, healthy_folder / f"sub-{number:02d}_brainmask.nii.gz")
    volume = open_data(data(healthy_folder), "covariance").train[0]
    assert volume.mask is not None
    assert volume.mask.sum() == 1000


def test_nothing_is_loaded_before_it_is_asked_for(healthy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    original = training_data.load
    monkeypatch.setattr(training_data, "load", lambda path: (loaded.append(path), original(path))[1])
    opened = open_data(data(healthy_folder), "covariance")
    assert loaded == []
    opened.train[-1]
    assert len(loaded) == 1
    assert len(opened.train[1:3]) == 2
    assert len(loaded) == 1
    with pytest.raises(IndexError):
        opened.train[10]


def test_a_scan_that_cannot_be_read_is_left_out_and_named(healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = healthy_folder / "sub-02_FLAIR.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-300])
    opened = open_data(TrainingData("folder", str(healthy_folder), validation=0.0), "covariance")
    assert len(list(opened.train)) == 4
    assert list(opened.failures) == ["sub-02"]
    with pytest.raises(InputError):
        opened.train[1]
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(tmp_path / "m"), "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("brain-uad: left out sub-02_FLAIR.nii.gz: ")
    assert "Model written" in out
    straight = tmp_path / "straight"
    healthy_folder.joinpath("sub-02_FLAIR.nii.gz").unlink()
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(straight), "--quiet"]) == 0
    one, other = load_checkpoint(tmp_path / "m"), load_checkpoint(straight)
    assert all(np.array_equal(one.state[name], other.state[name]) for name in other.state)
    assert one.meta["left_out"] == ["sub-02"]


def test_a_brain_mask_that_is_none_is_told_and_used(healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As detect tells it, with the name of the scan; known anomalies and scans given one by one, too."""
    everything = np.ones(head(1, lesion=False)[0].shape, np.uint8)
    save(everything, healthy_folder / "sub-02_brainmask.nii.gz")
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(tmp_path / "m"), "--quiet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("brain-uad: warning: sub-02_FLAIR: the brain mask given covers 100% of the image")
    assert len(load_checkpoint(tmp_path / "m").meta["scans"]) == 5
    told: list[tuple[str, str]] = []
    scans = [load(path) for path in sorted(healthy_folder.glob("*_FLAIR*"))]
    scans[3] = scans[3].with_mask(everything > 0)
    train("covariance", scans, on_warning=lambda name, finding: told.append((name, finding.code)))
    assert told == [("sub-04_FLAIR", "mask-everything")]


def _on_another_grid(path: Path) -> None:
    image = nib.load(path)
    nib.Nifti1Image(np.asarray(image.dataobj)[1:], image.affine).to_filename(path)


def test_a_scan_that_the_method_cannot_use_is_left_out_and_named(
    healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unlike one that cannot be read, it fails within the method's own preparation."""
    for name in ("sub-03", "sub-04"):
        _on_another_grid(healthy_folder / f"{name}_FLAIR.nii.gz")
    (healthy_folder / "sub-02_FLAIR.nii.gz").write_bytes(b"damaged")
    save(head(9, lesion=False)[0], healthy_folder / "sub-09_FLAIR.nii.gz")
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(tmp_path / "m"), "--quiet"]) == 2
    out, err = capsys.readouterr()
    named = ["left out sub-02_FLAIR.nii.gz", "left out sub-03_FLAIR", "left out sub-04_FLAIR"]
    assert sorted(line.split(":")[1].strip() for line in err.splitlines()) == named
    assert "Model written" in out
    for name in ("sub-02", "sub-03", "sub-04"):
        (healthy_folder / f"{name}_FLAIR.nii.gz").unlink()
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(tmp_path / "straight"), "--quiet"]) == 0
    one, other = load_checkpoint(tmp_path / "m"), load_checkpoint(tmp_path / "straight")
    assert all(np.array_equal(one.state[name], other.state[name]) for name in other.state)
    assert sorted(one.meta["left_out"]) == ["sub-02", "sub-03", "sub-04"]
    assert one.meta["scans"] == other.meta["scans"]


def test_a_training_of_which_too_few_scans_remain_fails_and_names_them(
    healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sub-02", "sub-03", "sub-04"):
        _on_another_grid(healthy_folder / f"{name}_FLAIR.nii.gz")
    assert cli.main(["train", "covariance", str(healthy_folder), "--out", str(tmp_path / "m"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert [f"left out {name}" in said for name in ("sub-02", "sub-03", "sub-04")] == [True] * 3
    assert "at least 3" in said.splitlines()[-1]
    assert not list(tmp_path.glob("m.*"))


def test_a_scan_that_a_network_cannot_be_shown_is_left_out(healthy_folder: Path, tmp_path: Path) -> None:
    scans = [load(path) for path in sorted(healthy_folder.iterdir())]
    brain = scans[0].data != 0
    flat = scans[2].with_data(np.where(brain, scans[2].data, 0).astype(np.float32))
    inside = brain.copy()
    inside[:, :, ::2] = False
    flat.data[inside] = 100
    scans[2] = flat.with_mask(inside)
    failed: dict[str, Any] = {}
    small = {"height": 32, "width": 32}
    training = {"steps": 2, "batch_size": 4, "precision": "32"}
    out = tmp_path / "vae"
    train("vae", scans, params=small, training=training, out=out, device="cpu", on_failure=failed.__setitem__)
    assert list(failed) == ["Scan 3"]
    assert "constant" in str(failed["Scan 3"])
    assert load_checkpoint(out).meta["left_out"] == ["Scan 3"]


@pytest.mark.parametrize("given", ["folder", "scans"])
def test_a_validation_of_which_no_scan_can_be_read_is_left_out(given: str, healthy_folder: Path) -> None:
    data = TrainingData("folder", str(healthy_folder))
    paths = sorted(healthy_folder.iterdir())

    def opened() -> OpenedData:
        return open_data(data, "vae") if given == "folder" else open_scans(paths, "vae", validation=0.2, seed=0)

    (kept_apart,) = opened().validation
    next(path for path in paths if kept_apart.name in path.name).write_bytes(b"damaged")
    assert list(opened().validation[:]) == []
    failed: dict[str, Any] = {}
    training = {"steps": 2, "batch_size": 4, "precision": "32"}
    whole = data if given == "folder" else paths
    assert train("vae", whole, params={"height": 32, "width": 32}, training=training, device="cpu", on_failure=failed.__setitem__).state()
    assert len(failed) == 1


def test_scans_none_of_which_can_be_read_are_an_error(healthy_folder: Path) -> None:
    for file in healthy_folder.iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="sub-01"):
        list(open_data(TrainingData("folder", str(healthy_folder)), "vae").train)


def test_thumbnails(healthy_folder: Path) -> None:
    pictures = thumbnails(data(healthy_folder), 3)
    assert len(pictures) == 3
    assert all(picture.shape == (44, 40) and picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    marked = np.zeros((40, 44, 36), np.float32)
    marked[30:35, 30:40, :] = 1.0  # both axes are stored towards left and posterior: the mark lies there
    folder = healthy_folder.parent / "marked"
    folder.mkdir()
    save(marked, folder / "a_T1.nii.gz")
    picture = thumbnails(data(folder))[0]
    rows, columns = np.nonzero(picture > 0.5)
    assert rows.mean() > 22  # anterior is up
    assert columns.mean() < 20  # the patient's left is on the left


def test_scans_given_one_by_one(healthy_folder: Path) -> None:
    scans: list[Volume | Path] = sorted(healthy_folder.iterdir())
    opened = open_scans(scans, "covariance", validation=0.4, seed=0)
    assert (len(opened.train), len(opened.validation)) == (3, 2)
    assert isinstance(opened.train, LazyVolumes)


def test_one_scan_is_trained_on_and_none_kept_apart(healthy_folder: Path) -> None:
    opened = open_data(data(healthy_folder, count=1), "covariance")
    assert (len(opened.train), len(opened.validation)) == (1, 0)


def test_first_scan_says_whether_it_has_to_be_prepared(healthy_folder: Path, tmp_path: Path) -> None:
    volume, raw = first_scan(data(healthy_folder))
    assert not raw
    assert volume.data.shape == (40, 44, 36)
    assert first_scan(data(healthy_folder, preset="clinical"))[1]
    noise = np.random.default_rng(0).rayleigh(10, (20, 20, 20)).astype(np.float32)
    (tmp_path / "raw").mkdir()
    nib.Nifti1Image(noise, np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / "raw" / "a_T1.nii")
    assert first_scan(data(tmp_path / "raw"))[1]


@pytest.fixture
def label_maps(tmp_path: Path) -> Path:
    """Four subjects of nested balls: white matter, cortex, fluid around it."""
    folder = tmp_path / "maps"
    folder.mkdir()
    size = 48
    axis = np.arange(size) - (size - 1) / 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    for number in range(4):
        labels = np.zeros((size, size, size), np.int16)
        labels[radius < 19 + number] = 24
        labels[radius < 16 + number] = 3
        labels[radius < 11 + number] = 2
        nib.Nifti1Image(labels, np.diag([2.5, 2.5, 2.5, 1.0])).to_filename(folder / f"{number}.nii.gz")
    return folder


def test_simulated_people(label_maps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Balls have no structures to lay them as the template lies.
    monkeypatch.setattr(training_data, "SimulationParams", partial(SimulationParams, pose="scanner"))
    chosen = TrainingData("simulation", str(label_maps), sequence="T2", count=5, validation=0.25, seed=3)
    assert describe(chosen).count == 5
    assert describe(chosen).sequences == {"T2": 5}
    opened = open_data(chosen, "covariance")
    assert (len(opened.train), len(opened.validation)) == (4, 1)
    assert "from 3 label maps" in opened.words
    first = opened.train[0]
    assert first.sequence == "T2"
    assert first.mask is not None
    assert array_sha256(first.data) == array_sha256(open_data(chosen, "covariance").train[0].data)
    assert array_sha256(first.data) != array_sha256(opened.train[1].data)
    assert len(thumbnails(chosen, 2)) == 2
