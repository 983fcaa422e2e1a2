"""Every subset of the extras: each command works, or says in one sentence what is missing and which one command installs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless
from small_heads import head, save
from written_dicom import truth, write

from napari_brain_uad.core.optional import install_command, missing, require
from napari_brain_uad.detectors.registry import METHODS, method_class

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

SUPPORT = Path(__file__).parent.parent / "support"

MODULES = {
    "learn": {"torch", "lightning_fabric"},
    "prepare": {"deepbet", "torch"},
    "greedy": {"picsl_greedy"},
    "dicom": {"pylibjpeg", "libjpeg", "openjpeg"},
    "all": {"torch", "lightning_fabric", "deepbet", "napari", "PyQt6"},
}
"""What each extra brings, with what that needs in turn."""

EVERYTHING = frozenset(chain(*MODULES.values()))

OTHERS = frozenset({"highdicom", "jpeg_ls", "pyarrow"})
"""Hidden throughout: the extras dicom-results and parquet, and a decoder that comes with the former."""

SUBSETS = {
    EVERYTHING.difference(*(MODULES[extra] for extra in chosen)): chosen
    for size in range(len(MODULES) + 1)
    for chosen in combinations(MODULES, size)
}
"""Hidden modules, and extras that leave just those missing."""


@dataclass
class Command:
    """Words, the modules it cannot do without, and the extra that brings them; whether it takes long even when they are missing."""

    words: list[str]
    needs: set[str] = field(default_factory=set)
    extra: str = ""
    code: int = 0
    """Its exit code when all is there."""
    costly: bool = False
    tried_elsewhere: bool = False
    """When all is there."""

    def tried(self, hidden: frozenset[str]) -> bool:
        """Without what it needs everywhere, at small cost; and once where only that is there: what else there is makes no difference."""
        if (hidden | OTHERS) & self.needs:
            return hidden == EVERYTHING or not self.costly
        return not self.tried_elsewhere and SUBSETS[hidden] == ((self.extra,) if self.extra else ())


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Command]:
    folder = tmp_path_factory.mktemp("extras")
    cohort, empty = folder / "cohort", folder / "empty"
    cohort.mkdir()
    empty.mkdir()
    data, lesion = head(0, lesion=True)
    scan, truth_file = str(save(data, cohort / "sub-1_T1.nii.gz")), save(lesion.astype(np.uint8), cohort / "sub-1_truth.nii.gz")
    air = np.random.default_rng(0).uniform(5, 15, data.shape).astype(np.float32)
    raw = str(save(np.where(data > 0, data, air), folder / "raw_T1.nii.gz"))
    series = folder / "dicom"
    write(truth(0), series, _as_jpeg_ls)
    write(truth(0), folder / "plain")
    out = ["--out", str(folder / "out"), "--quiet"]
    both = ["--methods", "threshold,vae", "--no-cache", "--out", str(folder / "compared"), "--quiet"]
    greedy = ["--preset", "clinical", "--no-figures", "--no-cache", "--set", "register_mni.backend=greedy"]
    networks = {"torch", "lightning_fabric"}
    return {
        "methods": Command(["methods"]),
        "methods as JSON": Command(["methods", "--json"]),
        "models": Command(["models"]),
        "datasets": Command(["datasets", str(cohort)]),
        "detect": Command(["detect", scan, "--truth", str(truth_file), *out]),
        "detect with a network": Command(["detect", scan, "--method", "vae", *out], {"torch"}, "learn"),
        "train": Command(["train", "vae", str(empty), *out], networks, "learn", code=2),
        "estimate": Command(["train", "vae", str(empty), "--estimate"], networks, "learn", code=2),
        "raw head": Command(["detect", raw, *out], {"deepbet"}, "prepare", tried_elsewhere=True),
        "greedy": Command(["prepare", scan, *greedy, *out], {"picsl_greedy"}, "greedy", costly=True, tried_elsewhere=True),
        "compressed DICOM": Command(["detect", str(series), "--prepare", "never", *out], {"libjpeg"}, "dicom"),
        "DICOM objects": Command(["detect", str(folder / "plain"), "--dicom", *out], {"highdicom"}, "dicom-results", costly=True),
        "compare": Command(["compare", scan, *both], {"torch"}, "learn", costly=True),
        "evaluate": Command(["evaluate", str(cohort), "--sequence", "T1", *both], {"torch"}, "learn", costly=True),
        "Parquet": Command(["evaluate", str(cohort), *both, "--parquet"], {"pyarrow"}, "parquet", costly=True),
        "demo": Command(["demo", "--sample", "ms-flair-simulated", *out]),
        "window": Command(["demo", "--window"], {"napari", "PyQt6"}, "all", tried_elsewhere=True),
        "picture": Command(["demo", "--screenshot", *out], {"napari", "PyQt6"}, "all", tried_elsewhere=True),
    }


def _as_jpeg_ls(one: Dataset, _number: int) -> Dataset:
    """It says so: whether there is a decoder is looked at before the pixels are."""
    one.file_meta.TransferSyntaxUID = JPEGLSLossless
    one.PixelData = encapsulate([bytes(one.PixelData)])
    one["PixelData"].is_undefined_length = True
    return one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join([str(SUPPORT), os.environ["PYTHONPATH"]])
    program = subprocess.Popen(
        [sys.executable, SUPPORT / "without_packages.py", *EVERYTHING, *OTHERS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "BRAIN_UAD_CACHE": str(tmp_path_factory.mktemp("cache"))},
    )
    with program:
        yield program


@pytest.mark.parametrize("hidden", SUBSETS, ids=lambda hidden: "+".join(SUBSETS[hidden]) or "none")
def test_every_command_works_or_says_what_to_install(
    hidden: frozenset[str], commands: dict[str, Command], server: subprocess.Popen[str]
) -> None:
    run = {name: one.words for name, one in commands.items() if one.tried(hidden)}
    line = json.dumps({"without": sorted(hidden | OTHERS), "commands": run})
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(line + "\n")
    server.stdin.flush()
    for name, (code, out, err) in json.loads(server.stdout.readline()).items():
        said = f"{name}: {code}\n{out}\n{err}"
        wanted = commands[name]
        assert "Traceback" not in err, said
        assert "Internal error" not in err, said
        if missing(*(wanted.needs - hidden - OTHERS)):  # the decoders are under the GPL: no test asks for them to be there
            assert code == 2, said
        elif (hidden | OTHERS) & wanted.needs:
            assert code == 2, said
            assert f'pip install "napari-brain-uad[{wanted.extra}]"' in err, said
            assert len(err.splitlines()) == 1, said
        else:
            assert code == wanted.code, said
            assert "pip install" not in err, said
        if name == "methods":
            learned = sum("torch" in method_class(method).REQUIRES for method in METHODS)
            assert out.count("Cannot run here: torch is not installed") == (learned if "torch" in hidden else 0), said
        if name in ("compare", "evaluate"):
            assert "Histogram" in out or "threshold" in out, said


def test_the_command_is_that_of_the_smallest_extra_that_has_all(repository: Path) -> None:
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in ("learn", "greedy", "prepare", "dicom"):
        assert any(module.replace("_", "-") in " ".join(extras[name]) for module in MODULES[name])
        assert install_command(*sorted(MODULES[name] - {"torch"})) == f'pip install "napari-brain-uad[{name}]"'
    assert install_command("torch", "napari") == 'pip install "napari-brain-uad[all]"'
    assert install_command("of_nobody") == "pip install of-nobody"


def test_what_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    require("json", "numpy", what_for="Nothing")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert missing("json", "torch", "of_nobody") == ("torch", "of_nobody")
