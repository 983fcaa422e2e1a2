"""The Python API as its users meet it: typed, and with examples that run."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_brain_uad
from napari_brain_uad import detect, load
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.params import PostParams
from tests.gui.scans import head, write

SCRIPT = """
import napari_brain_uad
from napari_brain_uad import detect, evaluate, load, load_mask, save_detection, train
scan = load("flair.nii.gz")
reveal_type(scan)
found = detect(scan, "vae@latent=64", seed=3)
reveal_type(found)
reveal_type(found.result.regions[0].volume_ml)
reveal_type(evaluate(found.map, load_mask("t.nii.gz", scan))["auprc"].value)
reveal_type(save_detection(found, "out"))
reveal_type(train("vae", "healthy", out="model"))
reveal_type(napari_brain_uad.__version__)
detect(scan, metod="vae")
napari_brain_uad.dettect(scan)
"""

REVEALED = [
    "napari_brain_uad.core.volume.Volume",
    "napari_brain_uad.workflows.detect.detect.Detection",
    "float",
    "float | None",
    "dict[str, pathlib.Path]",
    "napari_brain_uad.core.detector.Detector",
    "str",
]

CONFIG = """
[mypy]
strict = True
warn_unused_ignores = False
warn_return_any = False
disable_error_code = import-untyped, no-untyped-call, no-any-return, import-not-found
[mypy-torch.*,lightning_fabric.*,matplotlib.*,SimpleITK.*,pydicom.*,napari.*,skimage.*,scipy.*,nibabel.*,safetensors.*,PIL.*]
follow_imports = skip
"""
"""What others say of their types is not looked at: it takes minutes, and ours do not hang on it."""


def test_a_type_checker_sees_names_arguments_and_results(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "mypy.ini").write_text(CONFIG)
    environment = os.environ | {"MYPYPATH": str(repository / "src")}
    words = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache", "script.py"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("script.py")]
    assert [re.sub(r'.*Revealed type is "(.*)"$', r"\1", line).replace("builtins.", "") for line in lines[: len(REVEALED)]] == REVEALED
    assert 'Unexpected keyword argument "metod"' in done.stdout
    assert 'has no attribute "dettect"' in done.stdout


def test_what_is_typed_is_what_is_there() -> None:
    for name in napari_brain_uad.__all__:
        assert getattr(napari_brain_uad, name) is not None
    assert set(napari_brain_uad.__all__) == {"__version__", *napari_brain_uad._API}
    with pytest.raises(AttributeError, match="dettect"):
        _ = napari_brain_uad.dettect
    assert set(napari_brain_uad.__all__) <= set(dir(napari_brain_uad))


def test_the_page_names_all_functions(repository: Path) -> None:
    page = (repository / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == sorted(napari_brain_uad._API, key=page.index)


def test_a_threshold_is_given_as_such_and_the_result_says_what_was_found(files: Path) -> None:
    found = detect("flair.nii.gz", "threshold", mask="brain.nii.gz", threshold="percentile:99")
    assert str(found.result.threshold.rule) == "percentile:99"
    assert "--threshold percentile:99" in found.command
    both = detect("flair.nii.gz", "threshold", mask="brain.nii.gz", threshold=0.98, post=PostParams(threshold="otsu", median=3))
    assert (both.post.threshold, both.post.median) == ("0.98", 3)
    assert repr(found).startswith("<Detection of flair by threshold: ")
    assert not re.search(r"\b(data|mask|score)=", repr(found.volume) + repr(found.map))


def test_an_array_alone_is_refused_with_what_to_do(files: Path) -> None:
    array = load("flair.nii.gz").data
    with pytest.raises(InputError, match=r"ndarray does not say how large its voxels are.*Volume\(array, Grid\(array.shape, affine\)"):
        detect(array, "threshold")  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that examples name."""
    monkeypatch.chdir(tmp_path)
    data, truth = head()
    write(tmp_path / "flair.nii.gz", data)
    write(tmp_path / "brain.nii.gz", (data > 0).astype(np.uint8))
    write(tmp_path / "lesions.nii.gz", truth)
    return tmp_path


def test_the_examples_of_the_docstrings_give_what_they_say(files: Path) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    objects = [napari_brain_uad, *(getattr(napari_brain_uad, name) for name in napari_brain_uad._API)]
    tests = [test for one in objects for test in finder.find(one, globs={}) if test.examples]
    assert tests
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0, test.name


def test_the_example_of_the_readme_runs(files: Path, repository: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (repository / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert list((files / "results").glob("flair_*_mask.nii.gz"))
