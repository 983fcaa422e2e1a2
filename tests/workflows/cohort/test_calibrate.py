"""Healthy references of small heads, and what window, command line and scripts then say of a scan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_heads import head, save

from napari_brain_uad import cli
from napari_brain_uad.calibration.files import load_reference, save_reference
from napari_brain_uad.calibration.names import borrowed, reference_file
from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.threshold import DEFAULT_ML
from napari_brain_uad.gui.detect.job import DetectRequest, MapCache, run_request
from napari_brain_uad.gui.layers.tuning import Tuning, settle
from napari_brain_uad.io.checkpoint import read_record
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.mni_way import MniWay
from napari_brain_uad.workflows.cohort.calibrate import calibrate
from napari_brain_uad.workflows.cohort.case import Case
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.command import detect_command
from napari_brain_uad.workflows.detect.detect import detect, judged
from napari_brain_uad.workflows.detect.mni import with_mni
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.models.models import list_models
from napari_brain_uad.workflows.models.transfer import export_model, import_model, remove_model
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.train.train import train

METHOD = "robust-intensity"


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(folder))
    # The references that come with the package have their own tests.
    monkeypatch.setattr("napari_brain_uad.workflows.models.references.shipped_dir", lambda: tmp_path / "nothing")
    return folder


def test_one_verdict_in_window_command_line_and_scripts(
    case: Any, healthy_folder: Path, own_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,), left_out = calibrate(METHOD, healthy_folder, jobs=2)
    assert left_out == ()
    assert made.reference.real == 5
    assert made.left_out is not None
    assert {path.parent for path in made.files} == {own_models}

    found = detect(case.scan, METHOD, truth=case.truth)
    assert found.result.threshold.rule == made.reference.default
    assert found.result.threshold.value == made.reference.threshold(made.reference.default)[0]
    assert f"shows {DEFAULT_ML:g} ml in an average brain of 5 healthy brains" in found.result.threshold.origin
    assert found.verdict.beyond >= 1
    assert "beyond all 5 healthy brains" in found.verdict.line
    assert found.result.regions[0].p_value == found.verdict.region_p[0] == pytest.approx(1 / 6)

    out = case.folder / "out"
    assert cli.main(["detect", str(case.scan), "--method", METHOD, "--out", str(out), "--quiet"]) == 0
    record = json.loads(next(out.glob("*_regions.json")).read_text())
    assert record["verdict"] == found.verdict.as_dict() == json.loads(next(out.glob("*_provenance.json")).read_text())["verdict"]
    assert record["regions"][0]["p_value"] == found.result.regions[0].p_value

    volume = load(case.scan)
    request = DetectRequest(volume, None, None, None, None, METHOD, found_params(), None, "auto", 0)
    in_window = run_request(request, MapCache(), Progress())
    assert in_window.verdict == found.verdict
    tuning = Tuning(found.map)
    settled = settle(found.map, None, PostParams(), tuning.key(), None, Progress())
    assert settled.judged.verdict == found.verdict
    assert settled.judged.reference is not None

    row = compare(case.scan, [METHOD, "threshold"]).table()
    assert (row[0].scan_p, row[0].regions_beyond) == (found.verdict.p, found.verdict.beyond)
    assert row[1].scan_p is None
    capsys.readouterr()
    command = ["compare", str(case.scan), "--methods", METHOD, "threshold", "--age", "44", "--out", str(case.folder / "both"), "--quiet"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out.splitlines()
    (line,) = [line for line in said if line.startswith(f"{METHOD}: ")]
    assert line.startswith(f"{METHOD}: {found.verdict.line}. ")
    assert "Not compared by age: their ages are not known" in line
    assert not any(line.startswith("threshold: ") for line in said)


def found_params() -> Any:
    from napari_brain_uad.detectors.intensity.robust_intensity import RobustIntensityParams

    return RobustIntensityParams()


def test_the_command_line_calibrates_and_prints_the_check(
    case: Any, healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (healthy_folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t31\nsub-02\tn/a\nsub-03\t90+\n")
    command = ["calibrate", METHOD, "--healthy", str(healthy_folder), "--title", "five toys", "--out", str(tmp_path / "o"), "--quiet"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "Left out one at a time, 5 brains show" in said
    assert "Smallest p-value that 5 brains allow: 0.17" in said
    reference = load_reference(reference_file(tmp_path / "o", METHOD, "FLAIR"), model_sha256="")
    assert reference.title == "five toys"
    assert sorted(scan.age or 0 for scan in reference.scans) == [0, 0, 0, 31, 90]
    # Written elsewhere, it is not found.
    assert "no healthy reference" in detect(case.scan, METHOD).verdict.why_not


def test_nothing_beyond_is_said_not_to_be_healthy(healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrate(METHOD, healthy_folder)
    scan = sorted(healthy_folder.iterdir())[0]
    assert cli.main(["detect", str(scan), "--method", METHOD, "--out", str(tmp_path / "o"), "--quiet"]) == 0
    verdict, advice = capsys.readouterr().out.splitlines()[1:3]
    assert verdict.startswith("Verdict: Nothing beyond healthy variation")
    assert advice == "This does not mean that there is no lesion: lower the threshold to look at weaker regions."


def test_two_visits_of_a_person_are_one_brain_and_ages_are_those_of_the_data_set(tmp_path: Path) -> None:
    root = tmp_path / "visits"
    for person, seeds in (("01", (1, 2)), ("02", (3,)), ("03", (4, 5))):
        for visit, seed in enumerate(seeds, start=1):
            folder = root / f"sub-{person}" / f"ses-{visit}" / "anat"
            folder.mkdir(parents=True)
            save(head(seed, lesion=False)[0], folder / f"sub-{person}_ses-{visit}_FLAIR.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t31\nsub-02\t1.5\nsub-03\t89+\n")
    (root / "dataset_description.json").write_text('{"Name": "toys", "BIDSVersion": "1.9.0"}')
    (made,), left_out = calibrate(METHOD, root)
    assert left_out == ()
    assert len(made.reference.scans) == 5
    assert made.reference.real == 3
    assert made.reference.smallest_p == pytest.approx(1 / 4)
    assert made.reference.words == "3 healthy brains"
    assert sorted(scan.age for scan in made.reference.scans if scan.age is not None) == [1.5, 31, 31, 89, 89]
    judged_by = made.reference.like(made.reference.scans[0].voxel_mm3)
    assert judged_by is not None
    assert sorted(scan.person for scan in judged_by.scans) == [1, 2, 3]


def test_without_a_reference_methods_keep_their_rule_and_say_so(case: Any) -> None:
    found = detect(case.scan, METHOD)
    assert str(found.result.threshold.rule) == "percentile:95"
    assert "no healthy reference" in found.verdict.line
    assert found.result.regions[0].p_value is None
    with pytest.raises(InputError, match="there is no healthy reference for the method"):
        detect(case.scan, METHOD, post=PostParams(threshold="healthy-ml:1"))


def test_another_sequence_is_outside(case: Any, healthy_folder: Path) -> None:
    calibrate(METHOD, healthy_folder)
    found = detect(case.scan, METHOD, sequence="T2")
    assert "is for FLAIR, and this scan is T2" in found.verdict.why_not
    assert str(found.result.threshold.rule) == "percentile:95"


def test_another_models_reference_is_refused(case: Any, healthy_folder: Path, own_models: Path) -> None:
    (made,), _ = calibrate(METHOD, healthy_folder)
    save_reference(reference_file(own_models, METHOD, "FLAIR"), replace(made.reference, model_sha256="0" * 64))
    found = detect(case.scan, METHOD)
    assert "another model" in found.verdict.why_not
    assert str(found.result.threshold.rule) == "percentile:95"
    with pytest.raises(ModelError, match="refused"):
        detect(case.scan, METHOD, post=PostParams(threshold="healthy-ml:1"))


def test_a_reference_for_other_settings_hides_none_that_fits(
    case: Any, healthy_folder: Path, tmp_path: Path, own_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(METHOD, healthy_folder, title="those of the package", out=tmp_path / "nothing")
    before = detect(case.scan, METHOD)
    assert "those of the package" in before.verdict.details
    command = ["calibrate", f"{METHOD}@smoothing_mm=2", "--healthy", str(healthy_folder), "--title", "mine", "--quiet"]
    assert cli.main(command) == 0
    assert "replaced" not in capsys.readouterr().out
    found = detect(case.scan, METHOD)
    assert found.verdict.line == before.verdict.line
    assert found.result.threshold.value == before.result.threshold.value
    assert "those of the package. Your own reference is not used: the healthy reference was made with another" in found.verdict.details
    other = detect(case.scan, f"{METHOD}@smoothing_mm=2")
    assert other.verdict.details.startswith("Compared with mine")
    # Where none fits, the first says why.
    neither = detect(case.scan, f"{METHOD}@smoothing_mm=3")
    assert neither.verdict.why_not == "the healthy reference was made with another smoothing_mm (2.0)"
    # One that is another model's is passed over, too, and said where there is no other.
    file = reference_file(own_models, METHOD, "FLAIR")
    save_reference(file, replace(load_reference(file, model_sha256=""), model_sha256="0" * 64))
    stale = detect(case.scan, METHOD, post=PostParams(threshold="healthy-ml:3"))
    assert (stale.verdict.applies, "is refused: it was made for another model" in stale.verdict.details) == (True, True)
    with pytest.raises(ModelError, match="refused"):
        detect(case.scan, f"{METHOD}@smoothing_mm=3", post=PostParams(threshold="healthy-ml:3"))

    capsys.readouterr()
    assert cli.main(["calibrate", METHOD, "--healthy", str(healthy_folder), "--quiet"]) == 0
    assert "An earlier reference of yours was replaced: mine (smoothing_mm=2.0)." in capsys.readouterr().out
    assert "5 healthy FLAIR scans of your own" in detect(case.scan, METHOD).verdict.details


def test_maps_of_healthy_scans_take_the_place_of_the_reference(case: Any, healthy_folder: Path) -> None:
    maps = [detect(scan, METHOD).map for scan in sorted(healthy_folder.iterdir())]
    found = detect(case.scan, METHOD, healthy=maps)
    assert found.verdict.reference == "5 healthy maps given"
    calibrate(METHOD, healthy_folder)
    assert detect(case.scan, METHOD).result.threshold.value == found.result.threshold.value


@pytest.mark.parametrize("method", ["threshold", "thresh-raw"])
def test_scores_that_mean_something_else_in_every_brain_are_refused(method: str, healthy_folder: Path) -> None:
    with pytest.raises(InputError, match="can have no healthy reference"):
        calibrate(method, healthy_folder)


def test_ill_scans_and_single_ones_are_left_out(case: Any, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for seed in (1, 2):
        save(head(seed, lesion=False)[0], folder / f"sub-{seed:02d}_FLAIR.nii.gz")
    data, lesion = head(3, lesion=True)
    save(data, folder / "sub-03_FLAIR.nii.gz")
    save(lesion.astype(np.uint8), folder / "sub-03_truth.nii.gz")
    (made,), left_out = calibrate(METHOD, folder)
    assert made.reference.real == 2
    assert any("it is not healthy" in line for line in left_out)
    for path in folder.glob("sub-0[23]*"):
        path.unlink()
    with pytest.raises(InputError, match="one person only"):
        calibrate(METHOD, folder)


def test_those_the_data_set_calls_ill_are_left_out_and_damaged_ones_are_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = other_people(tmp_path / "mixed")
    scans = sorted(folder.iterdir())
    cases = [Case(f"p{number}", scan, None, ill=[None, False, False, True][number]) for number, scan in enumerate(scans)]
    (made,), left_out = calibrate(METHOD, cases)
    assert made.reference.real == 3
    assert left_out == ("p3: the data set says that it is ill: it is not healthy",)
    # A truth with a lesion is no failure; a file that cannot be read is.
    save(np.ones(head(11, lesion=False)[0].shape, np.uint8), folder / "sub-11_truth.nii.gz")
    words = ["calibrate", METHOD, "--healthy", str(folder), "--out", str(tmp_path / "o"), "--quiet"]
    assert cli.main(words) == 0
    assert "Left out: sub-11" in capsys.readouterr().out
    scans[1].write_bytes(scans[1].read_bytes()[:-300])
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "sub-12" in said.err
    assert "sub-12" not in said.out
    assert "Left out: sub-11" in said.out
    assert "sub-11" not in said.err


@pytest.mark.parametrize(
    ("words", "why", "code"),
    [
        (["covariance"], "needs a trained model", ModelError.exit_code),
        (["covariance:nowhere"], "There is no model 'nowhere'", ModelError.exit_code),
        ([f"{METHOD}:vae"], "takes no model", InputError.exit_code),
        ([METHOD, "--prepare", "nothing"], "There is no preparation 'nothing'", InputError.exit_code),
        ([METHOD, "--device", "abacus"], "There is no device 'abacus'", InputError.exit_code),
    ],
)
def test_what_no_scan_could_be_scored_with_is_said_once(
    words: list[str], why: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not of every scan, and not as if more scans would help."""
    assert cli.main(["calibrate", *words, "--healthy", str(other_people(tmp_path / "h")), "--quiet"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.count(why) == 1
    assert "sub-11" not in line
    assert "2 healthy people" not in line


def test_scans_left_out_are_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error of a file begins with its name."""
    folder = other_people(tmp_path / "mixed")
    for number, old in enumerate(sorted(folder.iterdir())[:2]):
        old.rename(folder / f"anna{number}.nii.gz")
    (folder / "anna0.nii.gz").write_bytes(b"damaged")
    (_,), left_out = calibrate(METHOD, folder)
    assert [line.split(":")[0] for line in left_out] == ["anna0.nii.gz", "anna1"]
    assert cli.main(["calibrate", METHOD, "--healthy", str(folder), "--out", str(tmp_path / "o"), "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("brain-uad: anna0.nii.gz: its name says gzip")
    assert "Left out: anna1: its sequence is not known" in said.out


def test_a_scan_whose_brain_mask_is_none_is_in_no_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Detect gives no verdict with such a mask: healthy brains say nothing of it, nor it of them."""
    folder = other_people(tmp_path / "healthy")
    everything = save(np.ones(head(12, lesion=False)[0].shape, np.uint8), folder / "sub-12_brainmask.nii.gz")
    words = ["calibrate", METHOD, "--healthy", str(folder), "--out", str(tmp_path / "o"), "--quiet"]
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("brain-uad: sub-12_FLAIR: the brain mask given covers 100% of the image")
    assert "3 healthy brains" in said.out
    failed: list[str] = []
    masks = {"sub-13": everything}
    scans = [Case(path.name[:6], path, None, mask=masks.get(path.name[:6])) for path in sorted(folder.glob("*FLAIR*"))]
    (made,), left_out = calibrate(METHOD, scans, out=tmp_path / "own", on_failure=lambda name, error: failed.append(name))
    assert made.reference.real == 3
    assert failed == ["sub-13"]
    assert "the brain mask given covers 100%" in left_out[0]


def test_healthy_scans_and_maps_with_a_mask_that_is_no_brains_are_refused(case: Any, healthy_folder: Path) -> None:
    whole = load(sorted(healthy_folder.glob("*FLAIR*"))[0])
    whole = whole.with_mask(np.ones(whole.data.shape, bool))
    amap = detect(whole, METHOD).map
    with pytest.raises(InputError, match="covers 100% of the image"):
        detect(case.scan, METHOD, healthy=[amap])
    with pytest.raises(InputError, match="covers 100% of the image"):
        compare(case.scan, [METHOD], healthy=[whole], post=PostParams(threshold="healthy-ml:3"))


def other_people(folder: Path) -> Path:
    folder.mkdir()
    for seed in range(11, 15):
        save(head(seed, lesion=False)[0], folder / f"sub-{seed:02d}_FLAIR.nii.gz")
    return folder


def test_references_travel_with_their_model(healthy_folder: Path, tmp_path: Path, own_models: Path) -> None:
    own_models.mkdir()
    train("covariance", healthy_folder, out=own_models / "mine.safetensors")
    others = other_people(tmp_path / "others")
    (made,), _ = calibrate("covariance:mine", others)
    scan = save(head(0, lesion=False)[0], tmp_path / "sub-99_FLAIR.nii.gz")
    assert detect(scan, "covariance", model="mine").verdict.applies
    models = {model.id: model for model in list_models()}
    assert "mine.FLAIR.reference" not in models  # a reference is no model
    files = export_model(models["mine"], tmp_path / "given")
    assert {path.name for path in made.files} <= {path.name for path in files}
    remove_model(models["mine"])
    assert not any(path.exists() for path in made.files)
    import_model(tmp_path / "given" / "mine.safetensors", name="again")
    assert detect(scan, "covariance", model="again").verdict.applies


def test_a_copy_of_a_model_under_another_name_has_its_reference(
    healthy_folder: Path, tmp_path: Path, own_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are the same; those of another training never are."""
    own_models.mkdir()
    train("covariance", healthy_folder, out=own_models / "mine.safetensors")
    calibrate("covariance:mine", other_people(tmp_path / "others"), title="these people")
    for suffix in (".safetensors", ".json"):
        shutil.copy(own_models / f"mine{suffix}", own_models / f"copy{suffix}")
        shutil.copy(own_models / f"mine{suffix}", tmp_path / f"elsewhere{suffix}")
    train("covariance", healthy_folder, params={"smoothing_mm": 5.0}, out=own_models / "other.safetensors")
    scan = save(head(0, lesion=False)[0], tmp_path / "sub-99_FLAIR.nii.gz")
    first = detect(scan, "covariance", model="mine").verdict
    assert first.notes == ()
    for model in ("copy", str(tmp_path / "elsewhere.safetensors")):
        found = detect(scan, "covariance", model=model).verdict
        assert (found.line, found.sha256) == (first.line, first.sha256)
        assert found.notes == ("the healthy reference is that of the model 'mine', which has the same weights",)
    assert "with the model 'other'" in detect(scan, "covariance", model="other").verdict.why_not
    assert cli.main(["models", "show", "copy"]) == 0
    assert "Healthy FLAIR these people" in capsys.readouterr().out
    # What is called by the model comes first; where that is of other weights, it is passed over.
    sealed = load_reference(reference_file(own_models, "mine", "FLAIR"), model_sha256=read_record(own_models / "mine").sha256)
    save_reference(reference_file(own_models, "copy", "FLAIR"), replace(sealed, title="stale", model_sha256="0" * 64))
    found = detect(scan, "covariance", model="copy").verdict
    assert found.reference == "these people"
    assert any("copy.FLAIR.reference is refused" in note for note in found.notes)
    for name in ("mine", "copy"):
        for path in own_models.glob(f"{name}.FLAIR*"):
            path.unlink()
    assert "no healthy reference" in detect(scan, "covariance", model="copy").verdict.why_not


def test_the_reference_in_force_travels_with_a_model_of_the_package(
    healthy_folder: Path, tmp_path: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, given = tmp_path / "nothing", tmp_path / "given"
    monkeypatch.setattr("napari_brain_uad.workflows.models.models.shipped_dir", lambda: package)
    package.mkdir()
    train("covariance", healthy_folder, out=package / "theirs.safetensors")
    others = other_people(tmp_path / "others")
    calibrate("covariance:theirs", others, title="of the package", out=package)
    (model,) = list_models()

    def titles(folder: Path) -> set[str]:
        return {read_record(file).meta["title"] for file in folder.glob("*.reference.json")}

    export_model(model, tmp_path / "first")
    assert titles(tmp_path / "first") == {"of the package"}
    calibrate("covariance:theirs", others, title="mine")
    # Of a method that borrows the model, and of another model of this name.
    mine = load_reference(reference_file(own_models, "theirs", "FLAIR"), model_sha256=model.sha256)
    save_reference(reference_file(own_models, borrowed("theirs", "other"), "FLAIR"), replace(mine, title="borrowed"))
    save_reference(reference_file(own_models, "theirs", "T2"), replace(mine, title="not this model's", model_sha256="0" * 64))
    export_model(model, given)
    assert titles(given) == {"mine", "borrowed"}

    there = tmp_path / "there"
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(there))
    for _ in range(2):  # the second time changes nothing
        assert import_model(given / "theirs.safetensors") == model
        assert titles(there) == {"mine", "borrowed"}
    scan = save(head(0, lesion=False)[0], tmp_path / "sub-99_FLAIR.nii.gz")
    assert detect(scan, "covariance").verdict.details.startswith("Compared with mine")
    calibrate("covariance:theirs", others, title="another")
    with pytest.raises(InputError, match=r"another healthy reference theirs\.FLAIR"):
        import_model(given / "theirs.safetensors")
    assert titles(there) == {"another", "borrowed"}
    assert not list(there.glob(".incoming*"))
    # What the package has already is not brought.
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "elsewhere"))
    import_model(tmp_path / "first" / "theirs.safetensors")
    assert not titles(tmp_path / "elsewhere")
    # As a model of another name, with all its references.
    assert import_model(given / "theirs.safetensors", name="renamed").id == "renamed"
    assert titles(tmp_path / "elsewhere") == {"mine", "borrowed"}
    assert (tmp_path / "elsewhere" / "renamed+other.FLAIR.reference.json").is_file()


def test_the_verdict_is_on_the_figure_and_in_the_saved_files(case: Any, healthy_folder: Path) -> None:
    calibrate(METHOD, healthy_folder)
    detection = detect(case.scan, METHOD, age=44.0)
    assert "--age 44" in detection.command
    told = "Not compared by age: their ages are not known"
    assert told in detection.verdict.details
    files = save_detection(detection, case.folder / "saved")
    # Whoever opens the map judges it with the same age.
    saved = read_map(files["map"])
    assert told in judged(saved, PostParams()).verdict.details
    assert "--age 44 " in detect_command(saved, PostParams(), scan=case.scan)
    request = DetectRequest(load(case.scan), None, None, None, None, METHOD, found_params(), None, "auto", 0, age=44.0)
    cache = MapCache()
    clicked, again = run_request(request, cache, Progress()), run_request(replace(request, age=None), cache, Progress())
    assert "--age 44" in clicked.command
    assert clicked.verdict == detection.verdict
    assert (again.cached, told in again.verdict.details) == (True, False)
    assert "p_value" in files["regions_tsv"].read_text().splitlines()[0]


def test_the_mean_map_in_mni_says_of_regions_what_healthy_brains_score_there(
    case: Any, healthy_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    middle = np.eye(4)
    middle[:3, 3] = load(case.scan).grid.to_world(np.array(load(case.scan).data.shape) / 2) - np.array([0.0, -18.0, 18.0])  # MNI152's own
    monkeypatch.setattr("napari_brain_uad.workflows.detect.mni._registered", lambda *_: MniWay(middle, None, {"dice": 0.95}))
    (plain,), _ = calibrate(METHOD, healthy_folder)
    assert plain.reference.places is None
    assert cli.main(["calibrate", METHOD, "--healthy", str(healthy_folder), "--mni", "--quiet"]) == 0
    assert "Mean map in MNI152: of 5 brains" in capsys.readouterr().out

    found = detect(case.scan, METHOD)
    assert [region.healthy_mean for region in found.result.regions] == [None] * len(found.result.regions)  # its own way is not known
    told = with_mni(found)
    means = [region.healthy_mean for region in told.result.regions]
    assert means[0] is not None
    assert means[0] < told.result.threshold.value < told.result.regions[0].peak  # healthy brains have nothing there
    files = save_detection(told, case.folder / "out")
    assert json.loads(files["regions"].read_text())["regions"][0]["healthy_mean"] == means[0]
    assert "healthy_mean" in files["regions_tsv"].read_text().splitlines()[0]
    given = replace(told, reference=plain.reference)  # as of healthy maps of the user's own: nobody knows their way
    assert [region.healthy_mean for region in with_mni(replace(given, mni=None, result=found.result)).result.regions] == [None] * len(means)


def test_copies_of_one_scan_count_once(case: Any, healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, *others = sorted(healthy_folder.iterdir())[:3]
    folder = tmp_path / "copied"
    folder.mkdir()
    for number, path in enumerate((one, one, *others)):
        (folder / f"p{number}_FLAIR.nii.gz").write_bytes(path.read_bytes())
    (made,), left_out = calibrate(METHOD, folder)
    assert made.reference.real == 3
    assert left_out == ("p1: it is the same scan as p0, which counts once",)

    maps = [detect(path, METHOD).map for path in (one, *others)]
    with pytest.raises(InputError, match="Two healthy maps are of one scan"):
        detect(case.scan, METHOD, healthy=[*maps, maps[0]])
    with pytest.raises(InputError, match="is one of the healthy brains given"):
        detect(one, METHOD, healthy=maps)


def test_forgetting_takes_no_folder_that_it_would_not_look_into(healthy_folder: Path, own_models: Path, tmp_path: Path) -> None:
    calibrate(METHOD, healthy_folder)
    kept = sorted(path.name for path in own_models.iterdir())
    assert cli.main(["calibrate", METHOD, "--forget", "--out", str(tmp_path / "elsewhere")]) == InputError.exit_code
    assert cli.main(["calibrate", METHOD, "--forget", "--median", "3"]) == InputError.exit_code
    assert sorted(path.name for path in own_models.iterdir()) == kept


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_scored(
    healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_brain_uad.workflows.cohort.calibrate._all_scored", lambda *_: pytest.fail("scored"))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written"):
        calibrate(METHOD, healthy_folder, out=tmp_path / "file")
