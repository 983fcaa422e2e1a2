"""The command line as a new user meets it, with wrong input too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.detectors.registry import METHODS


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, 24),) * 3, indexing="ij")
    brain = i**2 + j**2 + k**2 < 0.7
    data = np.where(brain, rng.normal(100, 10, brain.shape), 0)
    data[10:14, 10:14, 10:14] += 90
    truth = np.zeros(brain.shape, np.uint8)
    truth[10:14, 10:14, 10:14] = 1
    nib.Nifti1Image(data.astype(np.float32), np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / "flair.nii.gz")
    nib.Nifti1Image(truth, np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / "truth.nii.gz")
    return tmp_path / "flair.nii.gz"


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_help_is_quick_and_imports_no_torch_qt_or_napari() -> None:
    program = (
        "import sys\nfrom napari_brain_uad import cli\n"
        "try:\n    cli.main(['detect', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'napari', 'qtpy', 'skimage', 'matplotlib', 'scipy', 'nibabel'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout
    assert "--min-size-ml" in done.stdout


def test_what_is_missing_is_said_before_anything_long_is_imported() -> None:
    """And figures alone bring matplotlib: processes that score scans do not pay for it."""
    program = (
        "import sys\nfrom napari_brain_uad.cli import main\n"
        "out = ['--out', 'o']\n"
        "for words in (['detect', 'nowhere.nii', *out], ['detect', sys.executable, '--mask', 'nowhere.nii', *out],\n"
        "              ['detect', sys.executable, '--method', 'nowhere', *out], ['demo', '--sample', 'nowhere'],\n"
        "              ['prepare', 'nowhere.nii', *out], ['compare', 'nowhere.nii', '--methods', 'vae', *out],\n"
        "              ['evaluate', 'nowhere.nii', sys.executable], ['evaluate', sys.executable, 'nowhere.nii'],\n"
        "              ['batch', 'nowhere', *out], ['datasets', 'nowhere'], ['train', 'vae', 'nowhere'],\n"
        "              ['calibrate', 'vae', '--healthy', 'nowhere'], ['simulate', 'nowhere', '--count', '1', *out]):\n"
        "    assert main(words) == 2\n"
        "heavy = {'torch', 'napari', 'skimage', 'matplotlib', 'scipy', 'nibabel', 'pydicom', 'SimpleITK'} & set(sys.modules)\n"
        "import napari_brain_uad.workflows.compare.compare_save, napari_brain_uad.workflows.cohort.cohort_report\n"
        "import napari_brain_uad.workflows.train.train, napari_brain_uad.workflows.simulate.simulate\n"
        "heavy |= {'matplotlib', 'torch', 'napari', 'scipy.optimize'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all("nowhere" in line for line in done.stderr.splitlines())
    assert len(done.stderr.splitlines()) == 13


def test_methods_lists_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("methods", capsys=capsys)
    assert code == 0
    assert all(method in out for method in METHODS)
    cards_told = dict(zip(METHODS, out.split("\n\n"), strict=False))
    assert "A model is there" in cards_told["tissue-ensemble"]
    assert "Training or a model needed" in cards_told["ae-dense"]
    assert "model" not in cards_told["threshold"]
    code, out, _ = run("methods", "--json", capsys=capsys)
    cards = json.loads(out)
    assert [card["id"] for card in cards] == list(METHODS)
    assert all(setting["help"] for card in cards for setting in card["settings"])
    # Of a preset, without its weights: 812 million of them are not made to be counted.
    assert next(card for card in cards if card["id"] == "strega")["parameters"]["code"] == 812_295_576
    assert {setting["role"] for card in cards for setting in card["settings"]} == {"network", "training", "inference"}


def test_a_method_not_made_for_the_sequence_is_told(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only where it is not: brightness means little on T1."""
    code, _, err = run("detect", scan, "--method", "threshold", "--sequence", "T1", "--quiet", "--out", scan.parent / "t1", capsys=capsys)
    assert code == 0
    assert "this scan is T1. Recommended is the method 'tissue-ensemble'" in err
    _, _, err = run(
        "detect", scan, "--method", "threshold", "--sequence", "FLAIR", "--quiet", "--out", scan.parent / "flair", capsys=capsys
    )
    assert "this scan is" not in err


def test_filters_count_alike_in_detect_and_evaluate(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One road to a metric: what `detect` measures after a median is what `evaluate` measures of its map after the same."""
    out = scan.parent / "filtered"
    truth = scan.with_name("truth.nii.gz")
    assert run("detect", scan, "--truth", truth, "--median", "3", "--quiet", "--out", out, capsys=capsys)[0] == 0
    written = json.loads(next(out.glob("*_metrics.json")).read_text())["metrics"]["auprc"]
    amap = next(out.glob("*_anomalymap.nii.gz"))
    plain, filtered = (
        json.loads(run("evaluate", amap, truth, "--json", *more, capsys=capsys)[1])["metrics"]["auprc"] for more in ((), ("--median", "3"))
    )
    assert written == filtered
    assert written != plain


def test_detect_then_evaluate(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_dir = scan.parent / "out"
    truth = scan.with_name("truth.nii.gz")
    words = ("--method", "threshold", "--truth", truth, "--threshold", "best-dice", "--opening", 0, "--out", out_dir)
    code, out, err = run("detect", scan, *words, capsys=capsys)
    assert code == 0, err
    assert "uses the truth" in out
    assert "Research use only" in out
    images = ("anomalymap.nii.gz", "mask.nii.gz", "brainmask.nii.gz", "figure.png")
    labels = ("labels.nii.gz", "labels.txt", "labels.ctbl")
    endings = (*images, *labels, "regions.json", "regions.tsv", "provenance.json", "metrics.json", "manifest.json")
    assert sorted(path.name for path in out_dir.iterdir()) == sorted(f"flair_threshold_{ending}" for ending in endings)
    code, out, err = run("evaluate", out_dir / "flair_threshold_anomalymap.nii.gz", truth, "--json", capsys=capsys)
    assert code == 0, err
    assert out.count("NaN") == 0
    written = json.loads((out_dir / "flair_threshold_metrics.json").read_text())
    evaluated = json.loads(out)
    for name in ("auprc", "auroc", "pro", "best_dice", "best_dice_voxels"):
        assert evaluated["metrics"][name] == written["metrics"][name]
    assert written["metrics"]["dice"]["value"] == pytest.approx(written["metrics"]["best_dice_voxels"]["value"], abs=0.02)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["detect", "nowhere.nii.gz", "--out", "out"], 2, "nowhere.nii.gz"),
        (["detect", "SCAN", "--method", "treshold", "--out", "out"], 2, "Did you mean threshold"),
        (["detect", "SCAN", "--method", "threshold", "--set", "bins", "--out", "out"], 2, "NAME=VALUE"),
        (["detect", "SCAN", "--method", "threshold", "--set", "bins=many", "--out", "out"], 2, "whole number"),
        (["detect", "SCAN", "--method", "threshold", "--set", "bin=3", "--out", "out"], 2, "bins"),
        (["detect", "SCAN", "--set", "bins=3", "--out", "out"], 2, "--set without --method"),
        (
            ["detect", "SCAN", "--method", "threshold@bins=64", "--set", "bins=32", "--out", "out"],
            2,
            "bins is given twice, as 64 and as 32",
        ),
        (["detect", "SCAN", "--method", "threshold@bins=64:mine", "--model", "other", "--out", "out"], 2, "as mine and as other"),
        (["detect", "SCAN", "--method", "threshold:mine", "--out", "out"], 2, "takes no model"),
        (["calibrate", "covariance@tail=up", "--healthy", "."], 2, "bright"),
        (["train", "vae@tiny:mine", ".", "--out", "m"], 2, "begins without a model"),
        (["train", "vae@tiny", ".", "--preset", "paper", "--out", "m"], 2, "the preset is given twice"),
        (["detect", "SCAN", "--threshold", "high", "--out", "out"], 2, "percentile:P"),
        (["detect", "SCAN", "--threshold", "best-dice", "--out", "out"], 2, "truth"),
        (["detect", "SCAN", "--threshold", "percentile:101", "--out", "out"], 2, "100"),
        (["detect", "SCAN", "--threshold", "percentile:0.98", "--out", "out"], 2, "write percentile:98."),
        (["detect", "SCAN", "--median", "4", "--out", "out"], 2, "median"),
        (["detect", "SCAN", "--min-size-ml", "-1", "--out", "out"], 2, "range"),
        (["detect", "SCAN", "--device", "cuda", "--out", "out"], 2, "CPU only"),
        (["detect", "SCAN", "--method", "covariance", "--out", "out"], 3, "trained model"),
        (["detect", "SCAN", "--method", "covariance", "--model", "SCAN", "--out", "out"], 3, "flair"),
        (["evaluate", "SCAN", "nowhere.nii", "--quiet"], 2, "nowhere.nii"),
        (["evaluate", "SCAN", "SCAN", "--opening", "2", "--quiet"], 2, "opening would change nothing"),
        (["train", "threshold", ".", "--out", "m.safetensors"], 2, "learns nothing"),
        (["train", "covariance", ".", "--out", "m.safetensors"], 2, "with lesions"),
        (["demo", "--sample", "tumor"], 2, "Did you mean tumour-t1c? Samples:"),
        (["window", "SCAN", "nowhere.nii"], 2, "nowhere.nii"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(
    words: list[str], code: int, message: str, scan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scan.parent)
    got, _, err = run(*(scan if word == "SCAN" else word for word in words), capsys=capsys)
    assert got == code, err
    assert message in err
    assert err.startswith("brain-uad: ")
    assert "Traceback" not in err
    assert not (scan.parent / "out").exists()
    assert not (scan.parent / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["detect", "SCAN", "--method", "vea", "--out", "out"], "Did you mean vae or svae? `brain-uad methods` lists all."),
        (["detect", "SCAN", "--method", "vae@tyni", "--out", "out"], "Did you mean tiny?"),
        (["detect", "SCAN", "--method", "vae@score=brigter", "--out", "out"], "Did you mean brighter?"),
        (["detect", "SCAN", "--method", "strega:strga", "--out", "out"], "Did you mean strega?"),
        (["detect", "SCAN", "--method", "threshold", "--sequence", "FLARE", "--out", "out"], "Did you mean FLAIR?"),
        (["detect", "SCAN", "--method", "vae", "--device", "cdua", "--out", "out"], "Did you mean cuda?"),
        (["train", "vae", ".", "--recipe", "vea", "--out", "m"], "Did you mean vae or svae?"),
        (["train", "vae", ".", "--layout", "brast", "--out", "m"], "There is no layout 'brast'. Did you mean brats?"),
        (["train", "vae", ".", "--prepare", "strga", "--out", "m"], "There is no preparation 'strga'. Did you mean strega?"),
        (["train", "vae", ".", "--train", "step=5", "--out", "m"], "Did you mean steps?"),
        (["datasets", ".", "--layout", "brast"], "Did you mean brats?"),
        (["reproduce", "strga", "--out", "out"], "Did you mean strega?"),
    ],
)
def test_names_that_there_are_not_name_the_close_ones_alone(
    words: list[str], meant: str, scan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scan.parent)
    code, _, err = run(*(scan if word == "SCAN" else word for word in words), capsys=capsys)
    assert code in (2, 3), err
    assert meant in err
    assert err.count("\n") == 1
    assert len(err) < 300


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["detect", "a.nii", "--out", "b", "--treshold", "otsu"], "There is no --treshold. Did you mean --threshold?"),
        (["detect", "a.nii", "--out", "b", "--treshold=otsu"], "There is no --treshold. Did you mean --threshold?"),
        (["detect", "a.nii", "--uot", "b"], "There is no --uot. Did you mean --out?"),
        (["detect", "a.nii", "-out", "b"], "There is no -out. Did you mean --out?"),
        (["detect", "a.nii", "--out", "b", "--xyzzy"], "There is no --xyzzy."),
        (["detect", "a.nii", "b.nii", "--out", "b"], "unrecognized arguments: b.nii\n"),
        (["--verson"], "There is no --verson. Did you mean --version?"),
        (["detec", "a.nii"], "Did you mean detect?\n"),
        (["models", "shwo", "vae"], "Did you mean show?"),
        (["prepare", "a.nii", "--out", "b", "--preset", "strga"], "Did you mean strega?"),
        (["bids", "a", "b", "participnt"], "Did you mean participant?"),
    ],
)
def test_mistyped_options_and_commands_name_the_close_ones(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert meant in capsys.readouterr().err


def test_output_folder_that_is_a_file(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run("detect", scan, "--out", scan, "--quiet", capsys=capsys)
    assert code == 2
    assert "Choose another --out" in err


def test_head_scored_as_it_is_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    nib.Nifti1Image(rng.rayleigh(10, (20, 20, 20)).astype(np.float32), np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / "head.nii")
    code, _, err = run("detect", tmp_path / "head.nii", "--prepare", "never", "--out", tmp_path / "out", "--quiet", capsys=capsys)
    assert code == 0
    assert "whole head" in err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = subprocess.run(
        f"{sys.executable} -m napari_brain_uad.cli methods --json | head -c 1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize("seed", ["-1", "1.5", "9" * 19, "9" * 400, "9" * 5000])
@pytest.mark.parametrize("command", [["detect", "a.nii"], ["compare", "a.nii", "--methods", "threshold"], ["simulate", "a"]])
def test_a_seed_that_no_record_could_hold_is_refused(command: list[str], seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--out", "b", f"--seed={seed}"])
    assert ended.value.code == 2
    assert "argument --seed: it is not a whole number from 0 to 9223372036854775807" in capsys.readouterr().err
