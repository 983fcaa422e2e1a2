"""What anomalib makes of inputs that numpy draws from seeds.

``PYTHONPATH=. python tests/support/anomalib_oracle.py`` writes it to `KEPT`.

anomalib asks for torchvision, so it is no dependency of the tests: its numbers are kept, and are made anew where it can be imported. It
was imported with torchvision's Python code alone, see `benchmarks._anomalib`. Features come from here: no backbone is computed with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._anomalib import available, declare_operators

KEPT = Path(__file__).parent / "anomalib.json"
Numbers = NDArray[np.float32]

START = 54
"""Feature that the coreset search starts from: `greedy_coreset`'s with seed 1 among 300."""
CHOSEN = 40
BLOCKS, CLAMP, CHANNELS, SIDES = 3, 1.9, (12, 7), (4, 5)
"""Of the flows: two levels, with places of 4 rows and 5 columns each."""
LEVELS = ((6, 16, 12), (10, 8, 6), (14, 4, 3))
"""Features, rows and columns of a pyramid."""


def drawn(seed: int, *shape: int) -> Numbers:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bank_and_queries() -> tuple[Numbers, Numbers]:
    """Features to remember, (300, 24), and of two images of 30 places, (60, 24)."""
    return drawn(0, 300, 24), drawn(1, 60, 24) * 1.5


def flow_features() -> list[Numbers]:
    """Features (2, C, h, w) of two images on each level."""
    return [drawn(10 + number, 2, count, *SIDES) for number, count in enumerate(CHANNELS)]


def flow_weights(level: int) -> dict[str, Numbers]:
    """A state of the couplings of a level, by block and FrEIA's names; the rotations turn all features."""
    count, state = CHANNELS[level], {}
    into = count - count // 2 + 128
    shapes = {
        "global_scale": (1, count), "global_offset": (1, count), "subnet.0.weight": (2 * into, into), "subnet.0.bias": (2 * into,),
        "subnet.2.weight": (2 * (count // 2), 2 * into), "subnet.2.bias": (2 * (count // 2),),
    }  # fmt: skip
    for block in range(BLOCKS):
        rotation = np.linalg.qr(np.random.default_rng([level, block]).normal(size=(count, count)))[0].astype(np.float32)
        state |= {f"{block}.w_perm": rotation, f"{block}.w_perm_inv": np.ascontiguousarray(rotation.T)}
        for number, (name, shape) in enumerate(shapes.items()):
            wide = 2.0 if name == "global_scale" else 0.1
            offset = 10.0 if name == "global_scale" else 0.0
            state[f"{block}.{name}"] = (offset + wide * drawn(100 * level + 10 * block + number, *shape)).astype(np.float32)
    return state


def pyramids() -> tuple[list[Numbers], list[Numbers]]:
    """Features (2, C, h, w) of a teacher and of a student that is near it, on three levels."""
    taught = [drawn(50 + number, 2, *shape) for number, shape in enumerate(LEVELS)]
    return taught, [one + drawn(60 + number, *one.shape) for number, one in enumerate(taught)]


def regions() -> tuple[Numbers, NDArray[np.bool_]]:
    """Scores from 0 to 1 and truth, (3, 128, 128): nine lesions of different size and contrast, one pixel touching by a corner."""
    rows, columns = np.mgrid[:128, :128]
    scores, truth = np.random.default_rng(5).random((3, 128, 128)).astype(np.float32) ** 2, np.zeros((3, 128, 128), bool)
    for number in range(9):
        row, column, radius = 20 + 40 * (number // 3), 22 + 36 * (number % 3), 3 + number
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        truth[number % 3] |= inside
        scores[number % 3][inside] = 0.4 + 0.04 * number + 0.25 * scores[number % 3][inside]
    truth[0, 80, 110] = truth[0, 81, 111] = True
    return scores, truth


def answers() -> dict[str, Any]:
    """anomalib's numbers, as lists, and its version."""
    import anomalib

    found = {**_patchcore(), **_cflow(), **_reverse_distillation(), **_overlap()}
    return {"anomalib": anomalib.__version__, **{name: _rounded(value) for name, value in found.items()}}


def kept() -> dict[str, Any]:
    """The numbers of `KEPT`."""
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def _rounded(value: Any) -> Any:
    return np.vectorize(lambda one: float(f"{one:.7g}"), otypes=[np.float64])(np.asarray(value)).tolist()


def _patchcore() -> dict[str, Any]:
    from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    bank, queries = (torch.from_numpy(one) for one in bank_and_queries())
    model = PatchcoreModel(layers=["layer1", "layer2"], backbone="resnet18", pre_trained=False, num_neighbors=1).eval()
    model.memory_bank = bank
    distances, near = model.nearest_neighbors(queries, n_neighbors=1)
    images = model.compute_anomaly_score(distances.reshape(2, 30), near.reshape(2, 30), queries)
    # Features with a third axis are not projected; the search draws its start with torch.randint.
    with mock.patch("torch.randint", return_value=torch.tensor([START])):
        chosen = KCenterGreedy(bank[:, :, None], CHOSEN / len(bank)).select_coreset_idxs()
    taught = [torch.from_numpy(one) for one in pyramids()[0]]
    pooled = model.feature_pooler(taught[0])
    stacked = model.generate_embedding({"layer1": taught[0], "layer2": taught[1]})
    return {"distances": distances, "image_scores": images, "chosen": chosen, "pooled": pooled[0], "stacked": stacked[0, -1]}


def _cflow() -> dict[str, Any]:
    from anomalib.models.image.cflow.torch_model import CflowModel
    from anomalib.models.image.cflow.utils import cflow_head, get_logp, positional_encoding_2d

    class Known(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {f"layer{number + 1}": torch.from_numpy(one) for number, one in enumerate(flow_features())}

    model = CflowModel("resnet18", ["layer1", "layer2"], pre_trained=False, coupling_blocks=1)
    model.encoder, heads = Known(), []
    for level, count in enumerate(CHANNELS):
        heads.append(cflow_head(128, BLOCKS, CLAMP, count))
        heads[-1].load_state_dict({f"module_list.{name}": torch.from_numpy(one) for name, one in flow_weights(level).items()})
    model.decoders = torch.nn.ModuleList(heads)
    where = positional_encoding_2d(128, *SIDES)
    found: dict[str, Any] = {"position": where, "cflow_map": model(torch.zeros(2, 3, *SIDES)).anomaly_map}
    for level, (head, features) in enumerate(zip(heads, flow_features(), strict=True)):
        rows = torch.from_numpy(features).permute(0, 2, 3, 1).reshape(-1, CHANNELS[level])
        with torch.no_grad():
            latents, volume = head(rows, [where.flatten(1).T.repeat(2, 1)])
        found[f"likely{level}"] = get_logp(CHANNELS[level], latents, volume) / CHANNELS[level]
    return found


def _reverse_distillation() -> dict[str, Any]:
    from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode, AnomalyMapGenerator
    from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss

    taught, student = ([torch.from_numpy(one) for one in levels] for levels in pyramids())
    found = {"distillation": ReverseDistillationLoss()(taught, student)}
    for name, mode in (("sum", AnomalyMapGenerationMode.ADD), ("product", AnomalyMapGenerationMode.MULTIPLY)):
        # A Gaussian this narrow has one weight: the map as it is. Levels of one size are not resized, of which there are several ways.
        for number in range(len(LEVELS)):
            made = AnomalyMapGenerator(LEVELS[number][1:], sigma=0.1, mode=mode)
            found[f"{name}{number}"] = made([student[number]], [taught[number]])[:, 0]
        again = [taught[0], taught[0].flip(0)], [student[0], student[0].flip(1)]
        found[f"{name}_of_two"] = AnomalyMapGenerator(LEVELS[0][1:], sigma=0.1, mode=mode)(*again)[:, 0]
    return found


def _overlap() -> dict[str, Any]:
    from anomalib.metrics.aupro import _AUPRO

    scores, truth = regions()
    metric = _AUPRO(fpr_limit=0.3)
    metric.update(torch.from_numpy(scores), torch.from_numpy(truth.astype(np.int64)))
    return {"pro": metric.compute()}


if __name__ == "__main__":
    if not available():
        raise SystemExit("anomalib is not installed")
    declare_operators()
    rows = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in answers().items())
    KEPT.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
