"""Embedding methods on 2-D slices with and without tumour, told apart as whole images: ``python -m benchmarks.br35h [options]``.

Br35H (Hamada 2020): trained on 1,200 slices without tumour, tested on the 300 others and on those with a tumour. The score of an image is
the highest of its map. Many slices "without" are copies of others, mirrored or with another contrast: see `near_copies`. With
``--split groups`` (the default) all copies of a slice lie on one side of the split; with ``--split random``, as usual in papers, nearly
every slice of the test has a copy among those that were trained on.

What the settings are stands with each result in ``benchmarks/results/br35h.json``; runs with other settings are kept side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse.csgraph import connected_components

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.backbones.catalogue import NAMES
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.evaluation.image_level import image_level, image_score
from napari_brain_uad.io.pictures import LONGER_SIDE_MM, slice_volume
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask

RESULTS = Path(__file__).with_name("results")
BACKBONE = "efficientnet-lite0"
"""Where the settings name none."""
HELD_OUT = 300
THUMBNAIL = 32
ALIKE = 0.95
"""Slices whose thumbnails correlate more are taken for copies; between 0.95 and 0.97 the number of groups hardly changes."""

_SHAPE: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "edc": lambda _: {},
    "patchcore": lambda given: {"dimension": given.dimension, "most_features": given.features},
    "simplenet": lambda given: {"dimension": given.dimension},
    "simple-slice-net": lambda given: {"dimension": given.dimension, "aggregation": 1},
    "simple-slice-net-edc": lambda given: {"dimension": given.dimension, "aggregation": 1, "edc": True},
}
"""Settings of each method, beside the size of the slices."""

_TRAINING: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "edc": lambda given: {"steps": given.edc_steps, "batch_size": given.edc_batch},
    "patchcore": lambda _: {},
    "simplenet": lambda given: {"steps": given.flow_steps, "batch_size": given.flow_batch},
    "simple-slice-net": lambda given: {"steps": given.flow_steps, "batch_size": given.flow_batch},
    "simple-slice-net-edc": lambda given: {
        "steps": given.flow_steps,
        "batch_size": given.flow_batch,
        "encoder_steps": given.edc_steps,
        "encoder_batch": given.edc_batch,
    },
}


class Slices(Sequence[Volume]):
    """Pictures that are read when they are asked for, each with the head as its mask; colours become grey."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, number: int) -> Volume: ...
    @overload
    def __getitem__(self, number: slice) -> Slices: ...
    def __getitem__(self, number: int | slice) -> Volume | Slices:
        """One as a volume, as the methods see it."""
        if isinstance(number, slice):
            return Slices(self.paths[number])
        with Image.open(self.paths[number]) as image:
            volume = slice_volume(np.asarray(image.convert("L")), self.paths[number].name)
        return volume.with_mask(estimate_brain_mask(volume).mask)


@dataclass(frozen=True, eq=False)
class Split:
    """Which slices are trained on and which are scored.

    Parameters
    ----------
    train, healthy, ill : list of Path
        Without tumour, for training and for the test; with one.
    healthy_groups, ill_groups : array of int, shapes (n,)
        Slices with one number are copies of each other.
    about : dict
        How many slices and originals there are, for the record.
    """

    train: list[Path]
    healthy: list[Path]
    ill: list[Path]
    healthy_groups: NDArray[np.int64]
    ill_groups: NDArray[np.int64]
    about: dict[str, Any]


def thumbnail(path: Path) -> NDArray[np.float32]:
    """A picture's mean grey values over a grid, shape (32, 32)."""
    with Image.open(path) as image:
        small = image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def near_copies(thumbnails: NDArray[np.float32], least: float = ALIKE) -> NDArray[np.int64]:
    """The group of each picture, shape (n,): those that are copies of each other, and copies of copies.

    Two are copies when the correlation of their thumbnails (n, 32, 32), one of them mirrored along either axis or not, is above `least`.
    Brightness and contrast change nothing in that, and turns by a few degrees little.
    """
    found = np.full((len(thumbnails), len(thumbnails)), -1.0, np.float32)
    for rows in (1, -1):
        for columns in (1, -1):
            np.maximum(found, _standard(thumbnails) @ _standard(thumbnails[:, ::rows, ::columns]).T, out=found)
    return np.asarray(connected_components(found > least, directed=False)[1], np.int64)


def _standard(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def held_out(groups: NDArray[np.int64], count: int, seed: int, *, whole: bool) -> NDArray[np.bool_]:
    """Which pictures are kept for the test, shape (n,): `count` of them, of groups that are kept `whole` or anyhow.

    Raises
    ------
    ValueError
        If no set of whole groups was met that has so many.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(groups), np.bool_)
    if not whole:
        chosen[rng.permutation(len(groups))[:count]] = True
        return chosen
    for group in rng.permutation(groups.max() + 1):
        own = groups == group
        if np.count_nonzero(chosen) + np.count_nonzero(own) <= count:
            chosen |= own
    if np.count_nonzero(chosen) != count:
        raise ValueError(f"no whole groups of {count} pictures were met with the seed {seed}")
    return chosen


def make_split(root: Path, given: argparse.Namespace) -> Split:
    """Slices of Br35H for training and test."""
    without, ill = (sorted((root / name).iterdir()) for name in ("no", "yes"))
    if given.limit:
        without, ill = without[: given.limit], ill[: given.limit // 5]
    count = HELD_OUT if not given.limit else given.limit // 5
    groups, ill_groups = (near_copies(np.stack([thumbnail(path) for path in some])) for some in (without, ill))
    test = held_out(groups, count, given.seed, whole=given.split == "groups")
    trained, tested = set(groups[~test].tolist()), set(groups[test].tolist())
    about = {
        "train": int(np.count_nonzero(~test)),
        "train_originals": len(trained),
        "healthy": count,
        "healthy_originals": len(tested),
        "healthy_with_a_copy_in_training": int(np.isin(groups[test], list(trained)).sum()),
        "ill": len(ill),
        "ill_originals": int(ill_groups.max()) + 1,
    }
    healthy = [path for path, kept in zip(without, test, strict=True) if kept]
    train = [path for path, kept in zip(without, test, strict=True) if not kept]
    return Split(train, healthy, ill, groups[test], ill_groups, about)


def interval(scores: tuple[NDArray[np.float64], NDArray[np.float64]], split: Split, *, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the AUROC: originals are drawn anew, each with all its copies, which are no evidence of their own."""
    healthy, ill = scores
    wins = (ill[:, None] > healthy[None]) + 0.5 * (ill[:, None] == healthy[None])
    rng, weights = np.random.default_rng(0), []
    for groups in (split.ill_groups, split.healthy_groups):
        _, own = np.unique(groups, return_inverse=True)
        originals = int(own.max()) + 1
        weights.append(rng.multinomial(originals, np.full(originals, 1.0 / originals), size=draws)[:, own].astype(np.float64))
    areas = np.einsum("di,ij,dj->d", weights[0], wins, weights[1], optimize=True) / (weights[0].sum(axis=1) * weights[1].sum(axis=1))
    low, high = (float(bound) for bound in np.percentile(areas, (2.5, 97.5)))
    return low, high


def figures(healthy: Sequence[float], ill: Sequence[float], split: Split) -> dict[str, float]:
    """AUROC with its interval over originals, and AUPRC."""
    found = image_level([*((score, False) for score in healthy), *((score, True) for score in ill)])
    assert found is not None
    low, high = interval((np.array(healthy), np.array(ill)), split)
    return {"auroc": found.auroc.area, "auroc_low": low, "auroc_high": high, "auprc": found.auprc}


def controls(split: Split) -> dict[str, dict[str, float]]:
    """What tells the images apart that has nothing to do with a tumour: their size, how grey they are, how much of them is head."""

    def seen(volume: Volume) -> tuple[float, float, float]:
        mask = volume.brain
        return float(volume.data.size), float(volume.data[mask].mean()), float(mask.mean())

    healthy, ill = ([seen(volume) for volume in Slices(paths)] for paths in (split.healthy, split.ill))
    names = ("pixels of the picture", "mean grey of the head", "share of head")
    return {name: figures([one[number] for one in healthy], [one[number] for one in ill], split) for number, name in enumerate(names)}


def run(name: str, split: Split, given: argparse.Namespace) -> dict[str, Any]:
    """Train one method and score the test."""
    kind = method_class(name.removesuffix("-edc") if name != "edc" else name)
    size = {"height": given.size, "width": given.size, "pixel_mm": LONGER_SIDE_MM / given.size}
    settings = size | _SHAPE[name](given) | ({} if given.backbone == BACKBONE else {"backbone": given.backbone})
    training = _TRAINING[name](given)
    detector = kind(kind.Params.from_dict(settings))
    detector.device = given.device
    start = time.perf_counter()
    own = None if kind.Training is None else kind.Training.from_dict(training)
    detector.fit(Slices(split.train), seed=given.seed, training=own, progress=_told(name))
    trained = time.perf_counter() - start
    healthy, ill = ([image_score(detector.score(volume)) for volume in Slices(paths)] for paths in (split.healthy, split.ill))
    per_image = (time.perf_counter() - start - trained) / (len(healthy) + len(ill))
    print(f"{name}: trained in {trained:.0f} s, {per_image:.2f} s an image", flush=True)
    return {
        "method": name,
        "split": given.split,
        "device": given.device,
        "seed": given.seed,
        "settings": settings,
        "training": training,
        **figures(healthy, ill, split),
        "seconds_training": round(trained, 1),
        "seconds_per_image": round(per_image, 3),
        "data": split.about,
    }


def _told(name: str) -> Progress:
    last = [time.monotonic()]

    def tell(fraction: float, message: str) -> None:
        if time.monotonic() - last[0] > 30:
            last[0] = time.monotonic()
            print(f"{name}: {100 * fraction:.0f} % {message}", flush=True)

    return Progress(tell)


def merged(before: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Earlier runs and new ones, which take the place of those with the same settings."""

    def key(one: dict[str, Any]) -> str:
        return json.dumps([one[name] for name in ("method", "split", "device", "seed", "settings", "training")], sort_keys=True)

    return list({key(one): one for one in (*before, *runs)}.values())


def table(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Whole slices told apart: Br35H",
        "",
        "Made by `python -m benchmarks.br35h`. Trained on slices without tumour; tested on others without and on those with one. The score",
        f"of an image is the highest of its map. The backbone is `{BACKBONE}` where none is named. Brackets: 95 % bootstrap over",
        "originals, see the copies below.",
        "",
        "| Method | Split | Pixels | Training | AUROC | AUPRC | Train s | s an image | Device |",
        "|---|---|---:|---|---:|---:|---:|---:|---|",
    ]
    for one in record["runs"]:
        steps = ", ".join(f"{name} {value:,}" for name, value in one["training"].items()) or "a memory bank"
        area = f"{one['auroc']:.3f} [{one['auroc_low']:.2f}, {one['auroc_high']:.2f}]"
        times = [f"{one['seconds_training']:.0f}", f"{one['seconds_per_image']:.2f}", one["device"]]
        backbone = one["settings"].get("backbone")
        cells = [
            one["method"] + (f", `{backbone}`" if backbone else ""),
            one["split"],
            str(one["settings"]["height"]),
            steps,
            area,
            f"{one['auprc']:.3f}",
            *times,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "What has nothing to do with a tumour tells the images apart, too (higher or lower than 0.5):", ""]
    lines += ["| Split | Control | AUROC |", "|---|---|---:|"]
    for split, found in record["controls"].items():
        lines += [f"| {split} | {name} | {one['auroc']:.3f} |" for name, one in found.items()]
    lines += ["", "## Copies", ""]
    for split, about in record["splits"].items():
        copied = about["healthy_with_a_copy_in_training"]
        lines += [
            f"- `{split}`: trained on {about['train']:,} slices of {about['train_originals']} originals; in the test {about['healthy']} of",
            f"  {about['healthy_originals']} originals without tumour, of which {copied} have a copy among those trained on, and",
            f"  {about['ill']} of {about['ill_originals']} originals with one.",
        ]
    lines += ["", f"Copies are slices whose thumbnails of {THUMBNAIL} x {THUMBNAIL} pixels, mirrored or not, correlate above {ALIKE}."]
    return "\n".join(lines) + "\n"


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; the defaults are those of the paper on EDC where it has some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = os.environ.get("BRAIN_UAD_DATA")
    root = Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=root / "br35h", help="folder with no/ and yes/")
    parser.add_argument("--methods", default=",".join(_SHAPE), help="default: all")
    parser.add_argument("--split", choices=("groups", "random"), default="groups")
    parser.add_argument("--backbone", choices=NAMES, default=BACKBONE)
    parser.add_argument("--size", type=int, default=256, help="pixels along each side")
    parser.add_argument("--edc-steps", type=int, default=4000)
    parser.add_argument("--edc-batch", type=int, default=32)
    parser.add_argument("--flow-steps", type=int, default=2000)
    parser.add_argument("--flow-batch", type=int, default=4096)
    parser.add_argument("--dimension", type=int, default=256, help="features of a place")
    parser.add_argument("--features", type=int, default=100_000, help="features that PatchCore's bank is chosen from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0, help="so many slices without tumour only, to try it out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Run what is asked for, and write all results so far after each method."""
    given = options(words)
    path = given.out / "br35h.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"runs": [], "splits": {}, "controls": {}}
    split = make_split(given.data, given)
    print(json.dumps(split.about), flush=True)
    record["splits"][given.split] = split.about
    record["controls"][given.split] = controls(split)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.methods.split(","):
        found = run(name, split, given) | {"date": datetime.now(UTC).date().isoformat()}
        record["runs"] = merged(record["runs"], [found])
        path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (given.out / "br35h.md").write_text(table(record), encoding="utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
