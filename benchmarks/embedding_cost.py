"""What the embedding methods and their baselines cost, with the sizes of their papers: ``python -m benchmarks.embedding_cost``.

For each method's preset ``paper``: weights that are trained and that are fixed, what weights and other arrays take as float32, and the
seconds of CPU that 96 slices take on so many threads. It is table 3 of Zhang, Mohsenzadeh 2025 (doi:10.1371/journal.pdig.0000874) for this
package.

**All weights are random**: what a pass costs does not depend on them, and nothing is scored that anybody would look at. Of methods that see
slices by themselves ``--slices`` are timed and the time is multiplied, but for that of the record of the map; a volumetric one is timed as
a whole. Methods that score the places of a frozen or tuned backbone have the parts of the time, too: the backbone's, that of the features
of the places (neighbourhoods, averages), and what the method itself adds, from the features to smoothed scores of the pixels. PatchCore's
bank holds `BANK` features, those of 20 volumes of 96 slices at 10 %.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.detector import State
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.base.detector import BaseDetector
from napari_brain_uad.detectors.base.stages import GradientStage, prefixed
from napari_brain_uad.detectors.embedding.common import BackboneDetector, PlaceDetector
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.io.atomic import write_text
from napari_brain_uad.workflows.models.method_spec import MethodSpec

RESULTS = Path(__file__).with_name("results") / "embedding_cost.md"
_IN_BF16 = "simple-slice-net@precision=bf16"
METHODS = (
    "simple-slice-net", _IN_BF16, "patchcore", "oc-svm", "simplenet", "cflow", "bgad", "ae-flow", "edc", "stfpm", "rd++", "fae",
    "cutpaste", "cradl", "symmetry-ae", "ae-3d",
)  # fmt: skip
SLICES = 96
BANK = 20 * SLICES * 24 * 24 // 10
_VECTORS = 500
"""Support vectors: 5 % of 10,000 features."""


def _normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


_NOTES = (
    "A tuned backbone counts as trained, with the decoder or head it is tuned with (`simple-slice-net`, whose flow alone has 8.55 million "
    f"trained and 16.78 million fixed weights; `edc`, `cutpaste`). PatchCore's bank holds {BANK:,} features. The paper's own figures are "
    "from a GPU."
)

_TITLES = (
    "method", "trained, M", "fixed, M", "weights, MB", "other arrays, MB", f"CPU s for {SLICES} slices", "of which backbone",
    "features of places", "the method",
)  # fmt: skip

_ESTIMATED: Mapping[str, Callable[[Any], State]] = {
    "patchcore": lambda p: {"bank": _normal(BANK, p.dimension)},
    "oc-svm": lambda p: {
        "vectors": _normal(_VECTORS, p.dimension),
        "weights": np.full(_VECTORS, 1.0 / _VECTORS, np.float32),
        "machine": np.array([0.1, 1.0 / p.dimension], np.float32),
        "scale": np.stack([np.zeros(p.dimension, np.float32), np.ones(p.dimension, np.float32)]),
    },
    "cutpaste": lambda p: {"density.mean": _normal(p.dimension), "density.whitening": np.eye(p.dimension, dtype=np.float32)},
    "cradl": lambda p: {
        "mixture.weights": np.full(p.components, 1.0 / p.components, np.float32),
        "mixture.means": _normal(p.components, p.latent),
        "mixture.factors": np.repeat(np.eye(p.latent, dtype=np.float32)[None], p.components, axis=0),
    },
}
"""What methods estimate beside networks, by chance, from their settings."""


@dataclass(frozen=True)
class Cost:
    """What a method costs.

    Parameters
    ----------
    trained, fixed : int
        Weights.
    arrays : int
        Bytes of what is not weights.
    seconds : float
        For `SLICES` slices.
    parts : tuple of float
        Those of the backbone, of the features of places, and of the method itself; empty where there are none.
    """

    method: str
    trained: int
    fixed: int
    arrays: int
    seconds: float
    parts: tuple[float, ...]

    @property
    def row(self) -> str:
        """A line of the table."""
        weights = 4 * (self.trained + self.fixed) / 2**20
        counts = f"{self.trained / 1e6:.2f} | {self.fixed / 1e6:.2f} | {weights:.1f} | {self.arrays / 2**20:.1f}"
        parts = (f"{part:.1f}" for part in self.parts) if self.parts else "---"
        return f"| `{self.method}` | {counts} | {self.seconds:.1f} | {' | '.join(parts)} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", default=METHODS, help="ids of methods (default: all)")
    parser.add_argument("--slices", type=int, default=12, help="slices that are timed (default: 12)")
    parser.add_argument("--threads", type=int, default=1, help="of the computation (default: 1)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(argv)
    import torch

    torch.set_num_threads(given.threads)
    timed = f"{given.threads} thread(s), {given.slices} slices timed, torch {torch.__version__}"
    about = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {timed}"
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for method in given.methods:
            costs.append(cost(method, Path(folder), given.slices))
            print(costs[-1].row, flush=True)
    lines = [
        "# What the embedding methods cost", "",
        f"`python -m benchmarks.embedding_cost`: preset `paper` of each method, **random weights**; {about}.", "",
        _NOTES, "", *compared(costs),
        f"| {' | '.join(_TITLES)} |", "|---|---|---|---|---|---|---|---|---|", *(one.row for one in costs),
    ]  # fmt: skip
    write_text(given.out, "\n".join(lines) + "\n")


def compared(costs: Sequence[Cost]) -> list[str]:
    """How much longer PatchCore takes than SimpleSliceNet, in words; nothing unless both were measured."""
    known = {one.method: one for one in costs}
    if not {"patchcore", "simple-slice-net"} <= known.keys():
        return []
    slow, said = known["patchcore"], []
    for name, words in (("simple-slice-net", "SimpleSliceNet"), (_IN_BF16, "SimpleSliceNet with its flow in bf16")):
        if quick := known.get(name):
            ratios = [slow.seconds / quick.seconds, sum(slow.parts[1:]) / sum(quick.parts[1:]), slow.parts[2] / quick.parts[2]]
            times = "{:.1f} times as long as {}; {:.1f} times without the backbone, {:.1f} times from the same features on"
            said.append(times.format(ratios[0], words, *ratios[1:]))
    return [f"PatchCore takes {', and '.join(said)} (the paper, on a GPU: 19.7 times).", ""]


def cost(asked: str, folder: Path, slices: int) -> Cost:
    """Of one method, with the settings that `asked` names beside the preset, of so many slices."""
    spec = MethodSpec.parse(asked).over(preset="paper")
    method, kind = spec.method, method_class(spec.method)
    settings = kind.Params.from_dict(spec.params()).as_dict()
    whole = _is_volumetric(method)
    if "backbone" in settings:
        settings["backbone_file"] = str(random_file(str(settings["backbone"]), folder))
    if "depth" in settings and not whole:
        settings["depth"] = slices
    detector: Any = create(method, kind.Params.from_dict(settings))
    trained, fixed, state = _random_state(detector)
    detector.load_state(state)
    frozen = isinstance(detector, BackboneDetector) and not any(".encoder." in name for name in state)
    fixed += BACKBONES[str(settings["backbone"])].parameters if frozen else 0
    arrays = sum(array.nbytes for array in _ESTIMATED.get(method, lambda _: {})(detector.params).values())
    volume = volume_of_slices(SLICES if whole else slices, float(str(settings["step_mm"])))
    if isinstance(detector, BackboneDetector):
        detector.score(volume, seed=0, progress=Progress())  # the weights are read once
    with watched() as spent:
        begun = time.process_time()
        detector.score(volume, seed=0, progress=Progress())
        seconds = time.process_time() - begun
    times = 1.0 if whole else SLICES / slices
    of_places = spent.get("features", spent.get("backbone", 0.0))  # some have the backbone's as they are
    parts = (spent.get("backbone", 0.0), of_places - spent.get("backbone", 0.0), spent.get("pixels", 0.0) - of_places)
    return Cost(
        asked, trained, fixed, arrays, (seconds - spent["record"]) * times + spent["record"],
        tuple(part * times for part in parts) if isinstance(detector, PlaceDetector) else (),
    )  # fmt: skip


def _is_volumetric(method: str) -> bool:
    windows = create(method, method_class(method).Params.preset("paper"))._windows()  # type: ignore[attr-defined]  # all see samples
    return bool(windows.dimensions == 3)


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Seconds of CPU that scoring spends in a backbone, in features of places with it, up to scores of pixels, and in the map's record."""
    from napari_brain_uad.detectors.backbones.load import Backbone
    from napari_brain_uad.detectors.embedding.features import PatchFeatures

    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*given: Any, **named: Any) -> Any:
            begun = time.process_time()
            try:
                return work(*given, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + time.process_time() - begun

        return wrapped

    places = [(kind, "_pixel_scores", "pixels") for kind in _and_below(PlaceDetector) if "_pixel_scores" in vars(kind)]
    watched_ones = [(Backbone, "features", "backbone"), (PatchFeatures, "__call__", "features"), (BaseDetector, "_provenance", "record")]
    with ExitStack() as stack:
        for kind, attribute, name in (*watched_ones, *places):
            stack.enter_context(mock.patch.object(kind, attribute, timed(name, getattr(kind, attribute))))
        yield spent


def _and_below(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    below: list[type[Any]] = kind.__subclasses__()
    for one in below:
        yield from _and_below(one)


def _random_state(detector: Any) -> tuple[int, int, State]:
    """Weights that are trained and that are fixed, and a state by chance."""
    import torch

    torch.manual_seed(0)
    trained, fixed, state = 0, 0, dict(_ESTIMATED.get(detector.INFO.id, lambda _: {})(detector.params))
    if isinstance(detector, BackboneDetector):
        state["backbone"] = detector.backbone_hash()
    for stage in detector.stages():
        if isinstance(stage, GradientStage):
            network = stage.task({}).build()
            counts = [(weights.numel(), weights.requires_grad) for weights in network.parameters()]
            trained += sum(count for count, learns in counts if learns)
            fixed += sum(count for count, learns in counts if not learns)
            state |= prefixed(stage.name, {name: tensor.numpy() for name, tensor in network.state_dict().items()})
    return trained, fixed, state


def random_file(backbone: str, folder: Path) -> Path:
    """A file of random weights for a backbone, made once."""
    from safetensors.torch import save_file

    from napari_brain_uad.detectors.backbones.load import network_class

    path = folder / f"{backbone}.safetensors"
    if not path.exists():
        save_file({name: tensor.contiguous() for name, tensor in network_class(BACKBONES[backbone])().state_dict().items()}, path)
    return path


def volume_of_slices(slices: int, step_mm: float) -> Volume:
    """A "brain" that fills so many slices of 192 x 192 pixels of 1 mm."""
    shape = (192, 192, slices)
    i, j = np.meshgrid(*(np.linspace(-1, 1, count) for count in shape[:2]), indexing="ij")
    brain = np.repeat((i**2 / 0.5 + j**2 / 0.8 < 1)[:, :, None], slices, axis=2)
    data = np.where(brain, np.random.default_rng(0).uniform(50.0, 150.0, shape), 0.0).astype(np.float32)
    return Volume(data, Grid(shape, np.diag([1.0, 1.0, step_mm, 1.0])), "brain", brain)


if __name__ == "__main__":
    main()
