"""Several sequences of one person: the mean of what each shows, where the first one lies; what does not belong together is refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.io.checkpoint import save_checkpoint
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.command import ASKED, SEVERAL, spec_of
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.detect.several import detect_several, sequences_in
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.ready import make_ready
from tests.gui.scans import head, write

METHOD = "robust-intensity"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """One head, a lesion bright on both; the second scan has other contrast and noise."""
    data, _ = head()
    noise = np.random.default_rng(3).normal(0, 6, data.shape)
    other = np.where(data > 0, 400 - 1.5 * data + 3 * np.maximum(data - 150, 0) * 2 + noise, 0).clip(0).astype(np.float32)
    (tmp_path / "pat").mkdir()
    return write(tmp_path / "pat" / "FLAIR.nii.gz", data), write(tmp_path / "pat" / "T2.nii.gz", other)


def test_on_one_grid_the_score_is_the_mean_and_the_threshold_too(files: tuple[Path, Path]) -> None:
    found = detect_several(files, METHOD, prepare_with="never")
    one, other = (detect(file, METHOD, prepare_with="never") for file in files)
    both = one.map.mask & other.map.mask
    assert np.allclose(found.map.score[both], (one.map.score[both] + other.map.score[both]) / 2, atol=1e-6)
    only = one.map.mask & ~other.map.mask
    assert np.allclose(found.map.score[only], one.map.score[only], atol=1e-6)
    thresholds = [single.result.threshold.value for single in (one, other)]
    assert found.result.threshold.value == pytest.approx(0.83 * np.mean(thresholds))
    assert found.result.threshold.origin.startswith("default: the mean of the sequences' thresholds ")
    assert "times 0.83, as false alarms of 2 sequences seldom meet (docs/sequences.md)" in found.result.threshold.origin
    assert not found.verdict.applies
    assert [part["sequence"] for part in found.map.provenance[SEVERAL]] == ["FLAIR", "T2"]
    assert found.map.provenance["input"]["sequence"] == "FLAIR+T2"


def test_a_scan_on_another_grid_is_aligned_with_the_first(files: tuple[Path, Path], tmp_path: Path) -> None:
    """The same head, moved by 9 mm and 8 degrees in the scanner between the two scans."""
    image = nib.load(files[1])
    angle = np.radians(8)
    moved = np.array([[np.cos(angle), -np.sin(angle), 0, 6], [np.sin(angle), np.cos(angle), 0, -5], [0, 0, 1, 4], [0, 0, 0, 1]])
    (tmp_path / "moved").mkdir()
    file = write(tmp_path / "moved" / "T2.nii.gz", np.asarray(image.dataobj), moved @ image.affine)
    found = detect_several([files[0], file], METHOD, prepare_with="never")
    straight = detect_several(files, METHOD, prepare_with="never")
    assert any(finding.code == "aligned" for finding in found.volume.findings)
    inside = found.map.mask & straight.map.mask
    assert np.corrcoef(found.map.score[inside], straight.map.score[inside])[0, 1] > 0.9
    apart = np.subtract(found.result.regions[0].centroid_mm, straight.result.regions[0].centroid_mm)
    assert np.linalg.norm(apart) < 2.0


def test_what_does_not_belong_together_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="both FLAIR"):
        detect_several([files[0], files[0]], METHOD)
    with pytest.raises(InputError, match="rank within the brain"):
        detect_several(files, "threshold")
    unnamed = write(tmp_path / "scan.nii.gz", head()[0])
    with pytest.raises(InputError, match=r"sequence of scan is not known.*--with T2=FILE"):
        detect_several([files[0], unnamed], METHOD)
    same = write(tmp_path / "copy_T2.nii.gz", head()[0])
    with pytest.raises(InputError, match="are one image"):
        detect_several([files[0], same], METHOD)
    elsewhere = np.zeros_like(head()[0])
    elsewhere[:12, :14, :10] = np.random.default_rng(1).normal(100, 10, (12, 14, 10))
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="does not lie on FLAIR"):
        detect_several([files[0], write(tmp_path / "other" / "T1.nii.gz", elsewhere)], METHOD, prepare_with="never")


def test_the_folder_of_a_subject_gives_its_sequences_and_one_of_several_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert [volume.sequence for volume in sequences_in(tmp_path / "pat")] == ["FLAIR", "T2"]
    for other in ("dwi", "ADC"):
        write(tmp_path / "pat" / f"{other}.nii.gz", head()[0])
    assert [volume.sequence for volume in sequences_in(tmp_path / "pat")] == ["FLAIR", "T2"]
    (tmp_path / "all" / "a").mkdir(parents=True)
    (tmp_path / "all" / "b").mkdir()
    for name in "ab":
        write(tmp_path / "all" / name / "FLAIR.nii.gz", head()[0])
    with pytest.raises(InputError, match=r"two FLAIR: a/FLAIR\.nii\.gz and b/FLAIR\.nii\.gz"):
        sequences_in(tmp_path / "all")


def test_python_takes_the_folder_of_a_subject_too(files: tuple[Path, Path], tmp_path: Path) -> None:
    together = detect_several(tmp_path / "pat", "robust-intensity")
    listed = detect_several(sequences_in(tmp_path / "pat"), "robust-intensity")
    np.testing.assert_array_equal(together.map.score, listed.map.score)
    given = (scan for scan in sequences_in(tmp_path / "pat"))
    np.testing.assert_array_equal(detect_several(given, "robust-intensity").map.score, listed.map.score)
    with pytest.raises(InputError, match=r"nowhere is no folder of scans: there is no such folder\."):
        detect_several(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"FLAIR\.nii\.gz is no folder of scans: it is a file"):
        detect_several(str(files[0]))
    with pytest.raises(InputError, match="no scan was given"):
        detect_several([])
    with pytest.raises(InputError, match=r"holds no DICOM image.*or detect_several"):
        detect(tmp_path / "pat")


def test_the_command_writes_a_result_of_its_own_that_its_record_makes_again(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--method", METHOD, "--prepare", "never", "--quiet", "--out", str(tmp_path / "out")]
    assert cli.main(["detect", str(files[0]), "--with", str(files[1]), *words]) == 0
    assert "Verdict: No verdict: there is no healthy reference for several sequences together (FLAIR+T2)" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "FLAIR+T2_robust-intensity_provenance.json").read_text())
    assert [part["name"] for part in record[SEVERAL]] == ["FLAIR", "T2"]
    monkeypatch.chdir(files[0].parent)
    again = [word if word != "OUT" else str(tmp_path / "again") for word in shlex.split(record["command"])][1:]
    assert cli.main([*again, "--quiet"]) == 0
    written = (next((tmp_path / place).glob("*_anomalymap.nii.gz")).read_bytes() for place in ("out", "again"))
    assert len(set(written)) == 1
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other" / "T2.nii.gz", np.asarray(nib.load(files[1]).dataobj) * np.float32(1.1))
    assert cli.main(["detect", str(files[0]), "--with", str(other), *words]) == 2
    assert "of another input" in capsys.readouterr().err
    assert cli.main(["detect", str(files[0]), "--with", str(files[1]), "--ro-crate", *words]) == 0
    crate = json.loads((tmp_path / "out" / "ro-crate-metadata.json").read_text())
    named = {one.get("name") for one in crate["@graph"]}
    assert {"FLAIR", "T2"} <= named
    capsys.readouterr()
    for age in ("40", "0"):
        assert cli.main(["detect", str(files[0].parent), "--age", age, *words]) == 2
    assert "--age and several sequences" in capsys.readouterr().err


def test_what_has_to_be_said_of_each_file(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A 4-D file and names that say nothing: the same result as files that say it themselves, and a record that makes it again."""
    first, second = (nib.load(file) for file in files)
    (tmp_path / "said").mkdir()
    nothing, series = tmp_path / "said" / "a.nii.gz", tmp_path / "said" / "b.nii.gz"
    for images, file in (((second, first), nothing), ((first, second), series)):
        nib.save(nib.Nifti1Image(np.stack([np.asarray(one.dataobj) for one in images], axis=3), first.affine), file)
    words = ["--method", METHOD, "--prepare", "never", "--quiet", "--out"]
    assert cli.main(["detect", str(nothing), "--volume", "1", "--with", str(series), *words, str(tmp_path / "out")]) == 2
    assert "4-D series of 2 volumes. Choose one volume: index 0 to 1 (--volume N on the command line, behind --with FILE:N)" in (
        capsys.readouterr().err
    )
    said = ["detect", str(nothing), "--volume", "1", "--sequence", "FLAIR", "--with", f"T2={series}:1"]
    assert cli.main([*said, *words, str(tmp_path / "out")]) == 0
    (record,) = (tmp_path / "out").glob("*_provenance.json")
    command = json.loads(record.read_text())["command"]
    assert "a.nii.gz --volume 1 --with T2=b.nii.gz:1" in command
    assert "--sequence FLAIR" in command
    straight = detect_several(files, METHOD, prepare_with="never")
    again = detect_several([load(nothing, index=1, sequence="FLAIR"), load(series, index=1, sequence="T2")], METHOD, prepare_with="never")
    assert np.array_equal(again.map.score, straight.map.score)
    (amap,) = (tmp_path / "out").glob("*_anomalymap.nii.gz")
    assert np.array_equal(read_map(amap).score, straight.map.score)
    assert cli.main(["detect", str(files[0].parent), "--volume", "1", *words, str(tmp_path / "out")]) == 2
    assert "--volume is for one scan: pat is a folder of several" in capsys.readouterr().err


def test_each_sequence_has_its_own_model_and_the_command_names_none(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    for name, file, smoothing in (("of-flair", files[0], 1.0), ("of-t2", files[1], 3.0)):
        like, seen = load(file), []
        for seed in range(3):
            noise = np.random.default_rng(seed).normal(0, 6, like.data.shape)
            other = like.with_data((like.data + noise * (like.data > 0)).astype(np.float32))
            seen.append(make_ready(other, preset_id="clinical", prepare_with="never").scan)
        detector = create("covariance", method_class("covariance").Params.from_dict({"smoothing_mm": smoothing, "components": 1}))
        detector.fit(seen, seed=0, progress=Progress())
        meta, params = {"sequences": [like.sequence]}, detector.params.as_dict()
        save_checkpoint(tmp_path / "models" / name, method="covariance", params=params, state=detector.state(), meta=meta)
    found = detect_several(files, "covariance", prepare_with="never")
    assert [model["name"] for model in found.map.provenance["models"]] == ["of-flair", "of-t2"]
    written = save_detection(found, tmp_path / "out")
    for amap in (found.map, read_map(written["map"])):
        assert str(spec_of(amap)) == "covariance"
    assert " --method covariance --prepare never " in found.command
    # The first model's setting, asked for, is another one for the second.
    asked = detect_several(files, "covariance@smoothing_mm=1", prepare_with="never")
    assert " --method covariance@smoothing_mm=1.0 " in asked.command
    assert not np.array_equal(asked.map.score, found.map.score)
    for model, said in (("of-flair", "of-flair"), (tmp_path / "models" / "of-flair.safetensors", "of-flair")):
        one = detect_several(files, f"covariance:{model}", prepare_with="never")
        assert f" --method covariance:{said} " in one.command
        assert str(spec_of(one.map)) == f"covariance:{said}"
    # A record of before says it less well: no model where there are several.
    before = replace(found.map, provenance={name: value for name, value in found.map.provenance.items() if name != ASKED})
    assert str(spec_of(before)) == "covariance"
    for said in (["nothing"], "vae", "covariance@@"):
        assert str(spec_of(replace(found.map, provenance={**found.map.provenance, ASKED: said}))) == "covariance"


def test_one_threshold_for_all_is_taken_as_given(files: tuple[Path, Path]) -> None:
    found = detect_several(files, METHOD, post=PostParams(threshold="2.5"), prepare_with="never")
    assert found.result.threshold.value == 2.5
