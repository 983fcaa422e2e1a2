from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.provenance import _ABOVE, code_of_others_sha256
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.workflows.detect import map_cache
from napari_brain_uad.workflows.detect.map_cache import map_key, scored_map


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path))


@pytest.fixture
def volume() -> Volume:
    rng = np.random.default_rng(0)
    data = np.asfortranarray(rng.random((12, 10, 8), dtype=np.float32))
    return Volume(data, Grid(data.shape, np.eye(4)), "first", data > 0.3, "FLAIR")


def test_the_second_map_is_the_first_one(volume: Volume, tmp_path: Path) -> None:
    first = scored_map(create("threshold"), volume)
    second = scored_map(create("threshold"), replace(volume, name="second"))
    assert (first.cached, second.cached) == (False, True)
    assert (second.seconds, second.peak_bytes) == (first.seconds, first.peak_bytes)
    np.testing.assert_array_equal(second.map.score, first.map.score)
    np.testing.assert_array_equal(second.map.mask, first.map.mask)
    for name in ("unit", "method", "default_threshold", "background", "grid"):
        assert getattr(second.map, name) == getattr(first.map, name)
    assert second.map.name == second.map.provenance["input"]["name"] == "second"
    assert {**second.map.provenance, "input": 0} == {**first.map.provenance, "input": 0}
    assert [path.parent.name for path in tmp_path.rglob("*.entry")] == ["maps"]


def test_everything_that_decides_a_map_changes_its_key(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def key(given: Volume = volume, method: str = "threshold", seed: int = 0, **settings: object) -> str:
        return map_key(create(method, method_class(method).Params.from_dict(settings)), given, seed=seed)

    data = volume.data.copy()
    data[0, 0, 0] += 1
    keys = [
        key(),
        key(volume.with_data(data)),
        key(volume.with_mask(volume.data > 0.5)),
        key(replace(volume, grid=Grid(volume.grid.shape, np.diag([1.0, 1, 2, 1])))),
        key(replace(volume, sequence="T2")),
        key(method="thresh-raw"),
        key(seed=1),
        key(bins=16),
    ]
    fitted = create("covariance")
    fitted.fit([volume, replace(volume, data=data), replace(volume, data=data * data)], seed=0, progress=Progress())
    keys += [map_key(create("covariance"), volume), map_key(fitted, volume)]
    monkeypatch.setattr(map_cache, "code_sha256", lambda: "another version of the code")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    assert key(replace(volume, name="other name")) == keys[0]


def test_code_of_a_method_from_elsewhere_counts(volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "methods_of_others"
    package.mkdir()
    (package / "__init__.py").write_text("from napari_brain_uad.detectors.intensity.threshold import *\nfrom .own import Own\n")
    (package / "own.py").write_text(
        "from napari_brain_uad.detectors.registry import method_class\nclass Own(method_class('threshold')): ...\n"
    )
    helper = package / "helper.py"
    helper.write_text("FACTOR = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("methods_of_others").Own()
    keys = []
    for text in ("FACTOR = 1\n", "FACTOR = 2\n", "FACTOR = 1\n"):
        helper.write_text(text)
        code_of_others_sha256.cache_clear()
        keys.append(map_key(own, volume))
    code_of_others_sha256.cache_clear()
    assert keys[0] == keys[2] != keys[1]
    assert map_key(create("threshold"), volume) not in keys


def test_no_code_that_is_not_in_the_key_takes_part_in_scoring() -> None:
    """What shows results is left out of the hash; nothing of it may be loaded where maps are made."""
    code = (
        "import sys\nimport numpy as np\n"
        "from napari_brain_uad.core.volume import Grid, Volume\n"
        "from napari_brain_uad.detectors.registry import cards\n"
        "from napari_brain_uad.workflows.detect.score import ScoringRequest\n"
        "from napari_brain_uad.workflows.detect.map_cache import scored_here\n"
        "data = np.asfortranarray(np.random.default_rng(0).random((32, 32, 8), dtype=np.float32))\n"
        "volume = Volume(data, Grid(data.shape, np.eye(4)), 'x', data > 0.1, 'T1')\n"
        "[card.id for card in cards()]\n"
        "for method in ('threshold', 'vae'):\n"
        "    scored_here(volume, ScoringRequest.of(method, use_cache=False))\n"
        "print(*(name for name in sys.modules if name.startswith('napari_brain_uad.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in done.stdout.split()}
    assert {"core", "detectors", "inference", "preprocessing", "sampling", "scoring", "workflows"} <= loaded
    assert not loaded & set(_ABOVE)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_a_damaged_entry_is_made_anew(volume: Volume, tmp_path: Path, damage: str) -> None:
    first = scored_map(create("threshold"), volume)
    (entry,) = tmp_path.rglob("*.entry")
    content = entry.read_bytes()
    entry.write_bytes({"truncated": content[: len(content) // 2], "garbage": b"x" * 999, "empty": b""}[damage])
    again = scored_map(create("threshold"), volume)
    assert not again.cached
    np.testing.assert_array_equal(again.map.score, first.map.score)
    assert scored_map(create("threshold"), volume).cached


def test_without_the_cache_nothing_is_kept(volume: Volume, tmp_path: Path) -> None:
    assert not scored_map(create("threshold"), volume, use_cache=False).cached
    assert not list(tmp_path.rglob("*.entry"))


def test_time_and_memory_are_measured() -> None:
    """In a process of its own: in this one, what other tests leave may be given back meanwhile."""
    code = (
        "import numpy as np\nfrom napari_brain_uad.workflows.detect.measure import Measured\n"
        "with Measured() as measured:\n    block = np.ones(40_000_000, np.uint8)\n    block[::4096] += 1\n"
        "print(measured.seconds, measured.peak_bytes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()
    assert float(seconds) > 0
    if peak != "None":
        assert 35e6 < int(peak) < 80e6
