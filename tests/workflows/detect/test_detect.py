from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

import napari_brain_uad as brain_uad
from napari_brain_uad import cli
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.registry import create
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.age import with_age
from napari_brain_uad.workflows.detect.detect import detect, judged, read_healthy
from napari_brain_uad.workflows.detect.save import save_detection, without_folders
from napari_brain_uad.workflows.detect.score import score_with
from napari_brain_uad.workflows.models.recommend import recommend
from napari_brain_uad.workflows.models.references import Compared
from napari_brain_uad.workflows.train.train import train


def test_finds_the_lesion(case: Any) -> None:
    detection = detect(case.scan, truth=case.truth, post=PostParams(opening=0, threshold="percentile:99"))
    assert detection.result.regions[0].hit
    assert detection.evaluation is not None
    stored = detection.volume.to_native(detection.result.mask)[0]
    assert (stored & case.lesion).sum() / case.lesion.sum() > 0.95


def test_results_lie_where_the_scan_lies(case: Any) -> None:
    """Read back with nibabel and SimpleITK, which know nothing of our code: same grid, and the lesion at the same millimetres."""
    files = save_detection(detect(case.scan, mask=case.mask), case.folder / "out")
    for key in ("map", "mask", "brainmask"):
        image = nib.load(files[key])
        assert image.shape == case.lesion.shape
        assert np.abs(image.affine - case.affine).max() <= 1e-5
        other, scan = sitk.ReadImage(str(files[key])), sitk.ReadImage(str(case.scan))
        index = (12, 20, 10)
        ours, theirs = (np.array(i.TransformIndexToPhysicalPoint(index)) for i in (other, scan))
        assert np.abs(ours - theirs).max() < 1e-3
    score = nib.load(files["map"]).get_fdata()
    assert score[case.lesion].min() > np.median(score[score > 0])


def test_regions_are_in_the_scans_millimetres(case: Any) -> None:
    files = save_detection(detect(case.scan, mask=case.mask), case.folder / "out")
    record = json.loads(files["regions"].read_text())
    centre = nib.affines.apply_affine(case.affine, np.argwhere(case.lesion).mean(axis=0))
    assert np.linalg.norm(np.array([record["regions"][0][f"centroid_{axis}_mm"] for axis in "xyz"]) - centre) < 2.5
    lines = files["regions_tsv"].read_text().splitlines()
    assert len(lines) == len(record["regions"]) + 1
    assert record["notice"].startswith("Research use only")


def test_same_seed_same_files(case: Any) -> None:
    first = save_detection(detect(case.scan, truth=case.truth, seed=3), case.folder / "a")
    second = save_detection(detect(case.scan, truth=case.truth, seed=3), case.folder / "b")
    for key in first:
        if key == "provenance":
            one, two = (json.loads(files[key].read_text()) for files in (first, second))
            assert {k for k in one if one[k] != two[k]} <= {"created", "seconds"}
        elif key == "manifest":
            one, two = (json.loads(files[key].read_text())["files"] for files in (first, second))
            assert {k for k in one if one[k] != two[k]} <= {first["provenance"].name}
        else:
            assert first[key].read_bytes() == second[key].read_bytes(), key


def test_a_map_that_was_kept_is_taken_with_the_record_of_this_scan(case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    compare(case.scan, ["threshold"], mask=case.mask)
    same_voxels = tmp_path / "T2_other.nii.gz"
    image = nib.load(case.scan)
    nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header).to_filename(same_voxels)
    fresh, kept = (detect(same_voxels, "threshold", mask=case.mask, sequence="FLAIR", use_cache=use) for use in (False, True))
    assert (fresh.cached, kept.cached) == (False, True)
    assert kept.map.provenance == fresh.map.provenance
    assert kept.map.provenance["input"]["name"] == "T2_other"
    assert kept.command == fresh.command
    np.testing.assert_array_equal(kept.result.mask, fresh.result.mask)
    assert not detect(case.scan, "threshold", mask=case.mask, seed=5, use_cache=True).cached
    assert compare(case.scan, ["threshold"], mask=case.mask, seed=5).runs[0].cached


@pytest.mark.parametrize("method", ["vae", "rd++", "simple-slice-net@paper"])
def test_a_recorded_command_names_the_method_and_no_folder_of_its_model(method: str) -> None:
    assert without_folders(f"brain-uad detect x.nii --method {method}:Jane_Doe/mine.json").endswith(f" {method}:mine.json")


def test_the_recorded_command_gives_the_same_map(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    post = PostParams(threshold="percentile:97", median=3, min_ml=0.05, fill_holes=True)
    detection = detect(case.scan, "threshold", params={"bins": 128}, mask=case.mask, truth=case.truth, post=post, seed=5)
    first = save_detection(detection, case.folder / "api")
    words = shlex.split(detection.command)
    assert words[0] == "brain-uad"
    words[words.index("OUT")] = str(case.folder / "cli")
    assert cli.main([*words[1:], "--quiet"]) == 0
    for key, path in first.items():
        again = case.folder / "cli" / path.name
        if key not in ("provenance", "manifest"):
            assert again.read_bytes() == path.read_bytes(), key


def test_provenance_names_no_folder(case: Any) -> None:
    detection = detect(brain_uad.load(case.scan), "threshold", mask=case.mask)
    files = save_detection(detection, case.folder / "out")
    assert str(case.scan) in detection.command
    for path in files.values():
        assert case.folder.name.encode() not in path.read_bytes(), path.name
    record = json.loads(files["provenance"].read_text())
    assert record["method"]["id"] == "threshold"
    assert record["input"]["file_sha256"]
    assert record["input"]["name"] == "sub-01_FLAIR"


def test_mask_on_another_grid_is_refused(case: Any) -> None:
    other = case.folder / "other.nii.gz"
    nib.Nifti1Image(np.ones(case.lesion.shape, np.uint8), case.affine @ np.diag([1, 1, 1.1, 1])).to_filename(other)
    with pytest.raises(InputError, match="mm"):
        detect(case.scan, mask=other)


def test_cancel_writes_nothing(case: Any) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        detect(case.scan, progress=progress)


def test_train_then_detect_with_the_model(case: Any, healthy_folder: Path) -> None:
    model = case.folder / "model.safetensors"
    trained = train("covariance", healthy_folder, params={"smoothing_mm": 3.0}, out=model)
    with pytest.raises(ModelError, match="needs a trained model"):
        detect(case.scan, "covariance")
    detection = detect(case.scan, "covariance", model=model, truth=case.truth)
    assert detection.map.provenance["method"]["params"]["smoothing_mm"] == 3.0
    assert detection.result.regions[0].hit
    direct = trained.score(detection.volume, seed=0, progress=Progress()).score
    assert np.array_equal(direct, detection.map.score)


@pytest.mark.parametrize(("method", "model"), [("covariance", "nowhere.safetensors"), ("vae", "vea"), ("covariance", None)])
def test_a_model_that_is_not_there_is_said_before_the_scan_is_prepared(case: Any, method: str, model: str | None) -> None:
    """The preparation may take minutes."""
    told: list[str] = []
    progress = Progress(lambda _, message: told.append(message))
    with pytest.raises(ModelError):
        detect(case.scan, method, model=model, prepare_with="clinical", progress=progress)
    with pytest.raises(ModelError):
        compare(case.scan, [method], models={} if model is None else {method: model}, prepare_with="clinical", progress=progress)
    assert set(told) == {"Reading the scan"}


def test_model_of_another_method_is_refused(case: Any, healthy_folder: Path) -> None:
    model = case.folder / "model.safetensors"
    train("covariance", healthy_folder, out=model)
    with pytest.raises(InputError, match="takes no model"):
        detect(case.scan, "threshold", model=model)


def test_threshold_from_healthy_scans(case: Any, healthy_folder: Path) -> None:
    """By counting: the share of healthy brain that is flagged after the clean-up is the rate asked for."""
    maps = []
    for scan in sorted(healthy_folder.iterdir()):
        maps.append(save_detection(detect(scan, "thresh-raw"), case.folder / "healthy-maps")["map"])
    detection = detect(case.scan, "thresh-raw", post=PostParams(threshold="healthy-fpr:0.01"), healthy=maps)
    again = PostParams(threshold=repr(detection.result.threshold.value))
    found = [detect(scan, "thresh-raw", post=again) for scan in sorted(healthy_folder.iterdir())]
    flagged, brains = sum(int(one.result.mask.sum()) for one in found), sum(int(one.map.mask.sum()) for one in found)
    assert flagged / brains == pytest.approx(0.01, abs=0.002)
    assert "5 healthy brains" in detection.result.threshold.origin
    assert detection.result.regions[0].peak > detection.result.threshold.value
    with pytest.raises(InputError, match="made with thresh-raw"):
        detect(case.scan, "threshold", post=PostParams(threshold="healthy-fpr:0.01"), healthy=maps)


def test_healthy_maps_that_do_not_fit_are_refused_or_give_no_verdict(case: Any, healthy_folder: Path) -> None:
    method = "robust-intensity"
    maps = [detect(scan, method).map for scan in sorted(healthy_folder.iterdir())]

    def recorded(of: str, **other: object) -> list[AnomalyMap]:
        return [replace(one, provenance={**one.provenance, of: {**one.provenance[of], **other}}) for one in maps]

    assert detect(case.scan, method, healthy=maps).verdict.applies
    with pytest.raises(InputError, match="another model made their maps"):
        detect(case.scan, method, healthy=recorded("method", weights_sha256="0" * 64))
    for other, why in (
        (recorded("method", params={"smoothing_mm": 2.0}), "made with another"),
        (recorded("input", sequence="T2"), "is for T2"),
    ):
        found = detect(case.scan, method, healthy=other)
        assert why in found.verdict.why_not
        assert found.result.threshold.rule == found.map.default_threshold
        with pytest.raises(InputError, match=why):
            detect(case.scan, method, healthy=other, post=PostParams(threshold="healthy-ml:1"))
    with pytest.raises(InputError, match="healthy maps are of FLAIR and T2"):
        detect(case.scan, method, healthy=[*maps[1:], *recorded("input", sequence="T2")[:1]])


def test_healthy_maps_that_do_not_fit_are_told_before_anything_is_prepared_or_scored(
    case: Any, healthy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = sorted(healthy_folder.iterdir())
    models = [case.folder / name for name in ("one.safetensors", "other.safetensors")]
    for number, model in enumerate(models):
        train("covariance", scans[number:], out=model)
    maps = [detect(scan, "covariance", model=models[0]).map for scan in scans]
    there = [replace(one, provenance={**one.provenance, "input": {**one.provenance["input"], "sequence": "T2"}}) for one in maps]

    def not_yet(*_: object, **__: object) -> None:
        pytest.fail("the scan was prepared")

    monkeypatch.setattr("napari_brain_uad.workflows.detect.detect.make_ready", not_yet)
    with pytest.raises(InputError, match="another model made their maps"):
        detect(case.scan, "covariance", model=models[1], healthy=maps)
    with pytest.raises(InputError, match="made with covariance, not with threshold"):
        detect(case.scan, "threshold", healthy=maps)
    rule = PostParams(threshold="healthy-ml:1")
    with pytest.raises(InputError, match="is for T2, and this scan is FLAIR"):
        detect(case.scan, "covariance", model=models[0], healthy=there, post=rule)
    with pytest.raises(InputError, match="made with another"):
        detect(case.scan, "covariance@tail=dark", model=models[0], healthy=maps, post=rule)


def test_what_is_no_healthy_map_is_said_to_be_what_it_is(case: Any, healthy_folder: Path) -> None:
    method, scan = "thresh-raw", sorted(healthy_folder.iterdir())[0]
    ways = "calibrate thresh-raw --healthy FOLDER"
    with pytest.raises(InputError, match=f"^{scan.name} is no anomaly map: by its name it is a scan.*{ways}"):
        detect(case.scan, method, healthy=[scan])
    with pytest.raises(InputError, match=f"^healthy is a folder, and no map.*{ways}"):
        detect(case.scan, method, healthy=[healthy_folder])
    there = save_detection(detect(scan, method), case.folder / "maps")
    with pytest.raises(InputError, match=r"^maps is a folder: healthy maps are given as files. Give the \*_anomalymap.nii.gz in it"):
        detect(case.scan, method, healthy=[case.folder / "maps"])
    with pytest.raises(InputError, match=r"_brainmask\.nii\.gz is no anomaly map: by its name it is a brain mask"):
        detect(case.scan, method, healthy=[there["brainmask"]])
    bare = case.folder / there["map"].name
    bare.write_bytes(there["map"].read_bytes())
    with pytest.raises(InputError, match=r"what method made it is not known: .*_provenance.json is not beside it"):
        detect(case.scan, method, healthy=[bare])
    with pytest.raises(InputError, match="nothing in it says what method made it"):
        detect(case.scan, method, healthy=[read_map(bare)])
    assert judged(read_map(bare), PostParams()).verdict.why_not == "no record says what method made this map"


def test_no_discoveries_where_p_values_mean_nothing(case: Any, healthy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan may have a reference that sets thresholds and gives no verdict."""
    post = PostParams(threshold="fdr:0.5")
    maps = [detect(scan, "thresh-raw").map for scan in sorted(healthy_folder.iterdir())]
    assert {scan.age for scan in read_healthy([with_age(one, 44) for one in maps], "thresh-raw", post).scans} == {44.0}
    reference = read_healthy(maps, "thresh-raw", post)
    unlike = Compared(reference, "most of this brain is unlike them")
    monkeypatch.setattr("napari_brain_uad.workflows.detect.detect.reference_for", lambda *_: unlike)
    with pytest.raises(InputError, match=r"'fdr:0\.5': most of this brain is unlike them"):
        detect(case.scan, "thresh-raw", post=post)
    found = detect(case.scan, "thresh-raw", post=PostParams(threshold="healthy-ml:1"))
    assert (found.verdict.why_not, found.result.threshold.origin) == (unlike.why_none, reference.threshold(found.result.threshold.rule)[1])


def test_constant_scan_is_named_as_such(case: Any) -> None:
    path = case.folder / "flat.nii.gz"
    nib.Nifti1Image(np.full(case.lesion.shape, 7, np.int16), case.affine).to_filename(path)
    with pytest.raises(InputError, match="every voxel has the value 7"):
        detect(path)


def test_another_scan_of_the_same_name_is_not_replaced_silently(case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out, folder = case.folder / "out", case.folder / "other"
    folder.mkdir()
    image = nib.load(case.scan)
    nib.save(nib.Nifti1Image(image.get_fdata().astype(np.float32) + 1.0, image.affine), folder / case.scan.name)
    words = ["--mask", str(case.mask), "--quiet", "--out", str(out)]
    detect_it = ["detect", "--method", "threshold"]
    assert cli.main([*detect_it, str(case.scan), "--truth", str(case.truth), *words]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    for command in (detect_it, ["compare", "--methods", "threshold"]):
        assert cli.main([command[0], str(folder / case.scan.name), *command[1:], *words]) == 2
        said = capsys.readouterr().err
        assert "--overwrite" in said
        assert json.loads((out / f"{case.scan.name.split('.')[0]}_threshold_manifest.json").read_text())["input"]["sha256"][:12] in said
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert cli.main([*detect_it, str(folder / case.scan.name), *words, "--overwrite"]) == 0
    # Of the first run nothing is left, its metrics neither.
    assert len(list(out.iterdir())) == len(before) - 1
    assert cli.main([*detect_it, str(folder / case.scan.name), *words]) == 0


def test_without_a_method_the_recommended_one_is_taken_by_script_and_command_line(case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    detection = detect(case.scan, mask=case.mask)
    assert detection.map.method == recommend("FLAIR")[0] == "robust-intensity"
    assert cli.main(["detect", str(case.scan), "--mask", str(case.mask), "--quiet", "--out", str(case.folder / "out")]) == 0
    assert "Method: robust-intensity, recommended for FLAIR" in capsys.readouterr().out
    written = read_map(next((case.folder / "out").glob("*_anomalymap.nii.gz")))
    np.testing.assert_array_equal(written.score, detection.map.score)
    assert detect(case.scan, mask=case.mask, sequence="PD").map.method == recommend("PD")[0] == "threshold"
    with pytest.raises(InputError, match="without a method"):
        detect(case.scan, params={"bins": 3})


def test_a_map_beside_another_run_s_mask_is_refused(case: Any) -> None:
    first = save_detection(detect(case.scan, mask=case.mask), case.folder / "a")
    other = save_detection(detect(case.scan), case.folder / "b")
    brain_uad.evaluate(first["map"], case.truth)
    first["provenance"].write_bytes(other["provenance"].read_bytes())
    with pytest.raises(InputError, match=r"provenance\.json.*another run"):
        brain_uad.evaluate(first["map"], case.truth)


def test_the_folder_is_tried_before_anything_is_computed(
    case: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_brain_uad.workflows.detect import detect as module

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it was scored")

    monkeypatch.setattr(module, "scored_volume", never)
    file = case.folder / "file"
    file.write_text("x")
    for out in (file, file / "below", Path("/proc/nowhere")):
        assert cli.main(["detect", str(case.scan), "--out", str(out), "--quiet"]) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_a_scan_that_is_the_same_everywhere_is_no_result(case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A brain of one intensity but for a hot voxel, which counts as the largest of the others."""
    image = nib.load(case.scan)
    around = np.random.default_rng(0).uniform(0, 9, image.shape).astype(np.float32)  # without which it would be a label map
    data = np.where(np.asarray(nib.load(case.mask).dataobj) != 0, np.float32(100), around)
    data[20, 20, 18] = 3000
    nib.Nifti1Image(data, image.affine, image.header).to_filename(case.folder / "flat_FLAIR.nii.gz")
    out = case.folder / "out"
    words = [str(case.folder / "flat_FLAIR.nii.gz"), "--mask", str(case.mask), "--quiet", "--out", str(out)]
    for command in (["detect", "--method", "thresh-raw"], ["compare", "--methods", "threshold,thresh-raw"]):
        assert cli.main([command[0], *words, *command[1:]]) == 2
        assert "every voxel of the brain has the value 100" in capsys.readouterr().err
        assert not out.exists()


class Flat:
    """A method that sees nothing in any scan."""

    def __init__(self) -> None:
        self._detector = create("thresh-raw")
        self.INFO, self.device = self._detector.INFO, "cpu"

    def score(self, volume: Any, *, seed: int, progress: Progress) -> Any:
        amap = self._detector.score(volume, seed=seed, progress=progress)
        return replace(amap, score=np.where(amap.mask, np.float32(0.25), np.float32(amap.background)))


def test_a_map_that_is_the_same_everywhere_is_no_result(case: Any) -> None:
    scan = brain_uad.load(case.scan)
    with pytest.raises(InputError, match=r"map of sub-01_FLAIR by thresh-raw.*score 0\.25.*nothing can stand out"):
        score_with(Flat(), scan.with_mask(brain_uad.load_mask(case.mask, scan)))  # type: ignore[arg-type]
    flat = Flat().score(scan, seed=0, progress=Progress())
    with pytest.raises(InputError, match="nothing can stand out"):
        brain_uad.evaluate(flat, case.truth)


def test_no_region_is_told_by_every_command(case: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (case.folder / "study").mkdir()
    for given, name in ((case.scan, "sub-01_FLAIR.nii.gz"), (case.truth, "sub-01_truth.nii.gz")):
        (case.folder / "study" / name).write_bytes(given.read_bytes())
    folder = str(case.folder / "study")
    for number, words in enumerate(
        (
            ["detect", str(case.scan), "--method", "thresh-raw"],
            ["compare", str(case.scan), "--methods", "thresh-raw"],
            ["batch", folder, "--method", "thresh-raw"],
            ["evaluate", folder, "--methods", "thresh-raw"],
        )
    ):
        assert cli.main([*words, "--threshold", "1e6", "--quiet", "--out", str(case.folder / f"out{number}")]) == 0
        said = capsys.readouterr()
        assert "no voxel lies above the threshold" in said.err.lower(), words
        assert "FLAIR (" in said.out
        assert "Sequence" in said.out


def test_the_label_image_and_its_tables_name_the_same_regions(case: Any) -> None:
    """SimpleITK and nibabel see the numbers that both tables list, on the scan's grid; the manifest vouches for all three."""
    detection = detect(case.scan, mask=case.mask, post=PostParams(min_voxels=2, opening=0))
    files = save_detection(detection, case.folder / "out")
    image = nib.load(files["labels"])
    assert image.get_data_dtype() == np.uint16
    assert np.abs(image.affine - case.affine).max() <= 1e-5
    found = set(np.unique(np.asarray(image.dataobj)).tolist())
    assert found == set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(files["labels"])))).tolist())
    assert len(found) > 2, "more than one region"
    snap = [line.split(maxsplit=7) for line in files["labels_itk_snap"].read_text().splitlines() if line[0] != "#"]
    slicer = [line.split() for line in files["labels_slicer"].read_text().splitlines() if line[0] != "#"]
    assert {int(row[0]) for row in snap} == {int(row[0]) for row in slicer} == found
    first = detection.result.regions[0]
    assert snap[1][7] == f'"1: {first.volume_ml:.1f} ml, peak {first.peak:.3g}"'
    listed = json.loads(files["manifest"].read_text())["files"]
    assert {files[kind].name for kind in ("labels", "labels_itk_snap", "labels_slicer")} <= set(listed)
