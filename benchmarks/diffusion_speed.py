"""Time of patched diffusion on one volume of 96 x 96 x 50 voxels of 2 mm: ``python -m benchmarks.diffusion_speed [--slices N]``.

The full network of the `code` preset (37.5 million parameters) with random weights, which take as long as trained ones, on a simulated
ellipsoid of a brain. Plain: every patch of every slice by itself, float32, no slice left out, convolutions as PyTorch chooses them. Then
the method as it is used. Only some slices, spread over the volume, are scored, and the time is scaled to all 50; CPU time of all threads,
which says the same on a machine that has other work, and wall time. The reduced network of the recipe is measured on the whole volume.
What multiplications cost on this machine is measured beside it, for a bound. With ``--maps``, what ``precision=bf16`` does to the maps and
figures of the model that comes with the package, on the shared T2 scans.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from benchmarks._cases import real_cases
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.diffusion.noise import noise_fields
from napari_brain_uad.detectors.diffusion.pddpm import PatchedDDPM, PatchedDDPMParams
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.inference.reconstruction import Inference
from napari_brain_uad.inference.winograd import NAME, uses_winograd, winograd_where_it_pays
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import SampleDraw
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.train.recipe import recipe

SHAPE, SPACING_MM = (96, 96, 50), 2.0
_AXES_MM = (70.0, 87.0, 62.0)


def volume() -> Volume:
    """An ellipsoid as large as a brain, which begins and ends with empty slices no more than a cropped scan does."""
    at = np.meshgrid(*((np.arange(count) - (count - 1) / 2) * SPACING_MM for count in SHAPE), indexing="ij")
    mask = sum((axis / half) ** 2 for axis, half in zip(at, _AXES_MM, strict=True)) < 1
    data = np.where(mask, np.random.default_rng(0).random(SHAPE) + 1, 0).astype(np.float32)
    return Volume(data, Grid(SHAPE, np.diag([SPACING_MM] * 3 + [1.0])), mask=mask)


def detector(settings: PatchedDDPMParams) -> PatchedDDPM:
    """With random weights, none of them 0."""
    made = PatchedDDPM(settings)
    torch.manual_seed(0)
    network = made._task().build()
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights), alpha=0.02)
    made.load_state({name: value.numpy() for name, value in network.state_dict().items()})
    return made


def plain(made: PatchedDDPM, batch: Batch) -> torch.Tensor:
    """One patch after the other, in the layout that PyTorch has by itself."""
    network, (member,) = made.network(), made._members()
    winograd_where_it_pays(network, "")
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's own stubs lack it for modules
    corners, draw = member.grid.corners(), SampleDraw(0, batch.index.tolist())
    seeds = draw.integers((len(batch), 1, len(corners), 1), 0, 2**31)
    patches = member.grid.cut(batch.images)
    for row, image in enumerate(batch.images):
        clean = 2 * image[None].contiguous() - 1
        for cell, corner in enumerate(corners):
            where = member.grid.where(torch.tensor([corner]))
            noise = noise_fields(member.kind, [int(seeds[row, 0, cell, 0])], *image.shape[1:])
            with torch.no_grad():
                found = member.process.denoised(network, clean, where, partial(_same, noise), start=member.start, count=1)
            patches[row, cell] = member.grid.cut((found + 1) / 2, cell)[0, 0]
    return member.grid.stitched(patches)


def _same(noise: torch.Tensor, _step: object) -> torch.Tensor:
    return noise


def ours(made: PatchedDDPM, batch: Batch) -> torch.Tensor:
    """As the method does it."""
    infer: Inference = made._inference()
    return infer(made.network(), batch, SampleDraw(0, batch.index.tolist()), Progress()).reconstruction


def timed(what: str, scale: float, work: Callable[[], torch.Tensor], *, trials: int = 1) -> torch.Tensor:
    """Say how long some work takes: the least of some trials, as other work on a machine only adds to it."""
    wall = cpu = float("inf")
    for _ in range(trials):
        begun, own = time.perf_counter(), time.process_time()
        found = work()
        wall, cpu = min(wall, time.perf_counter() - begun), min(cpu, time.process_time() - own)
    print(f"{what:45s} CPU {cpu * scale:7.1f} s   wall {wall * scale:7.1f} s a volume", flush=True)
    return found


def multiplications() -> float:
    """GFLOP of a second of CPU time, in products of matrices that lie in the cache: the most of three trials."""
    left, right = torch.rand(1024, 512), torch.rand(512, 1024)
    times = []
    for _ in range(3):
        cpu = time.process_time()
        for _ in range(40):
            left @ right
        times.append(time.process_time() - cpu)
    return 40 * 2 * 1024 * 512 * 1024 / min(times) / 1e9


def on_real_scans() -> None:
    """What bf16 does to the maps of the shipped model, and to their figures."""
    for case in (case for case in real_cases() if case.sequence == "T2"):
        scan, truth = case.load(None)
        whole, half = (scored_volume(scan, ScoringRequest.of(spec, use_cache=False)).map for spec in ("pddpm", "pddpm@precision=bf16"))
        exact, rounded = whole.score[whole.mask], half.score[whole.mask]
        error, curves = np.abs(rounded - exact), [Curves(one.score * one.mask, truth) for one in (whole, half)]
        precision = " and ".join(f"{one.average_precision:.4f}" for one in curves)
        dice = " and ".join(f"{one.highest_dice:.4f}" for one in curves)
        most, mean = error.max() / exact.max(), error.mean() / exact.mean()
        print(f"{case.name}: {most:.2%} at most, {mean:.2%} on average; AUPRC {precision}; best Dice {dice}", flush=True)


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--slices", type=int, default=4, metavar="N", help="slices that the full network is measured on")
    parser.add_argument("--trials", type=int, default=3, metavar="N", help="of which the fastest counts; one patch by patch")
    parser.add_argument("--maps", action="store_true", help="compare maps of the shipped model, too, on the shared T2 scans")
    given = parser.parse_args()
    wanted = given.slices
    cores = f"{os.cpu_count()} cores ({torch.backends.cpu.get_cpu_capability()}, {multiplications():.0f} GFLOP/s)"
    print(f"{cores}, load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    scan = volume()
    full = detector(PatchedDDPMParams.preset("code"))
    cut = full.cut(scan)
    rows = np.linspace(2, len(cut) - 3, wanted).astype(int)
    batch = Batch(*map(torch.from_numpy, (cut.images(rows), cut.brain(rows), rows))).to("cpu")
    ours(full, batch[:1])  # the first pass prepares what later ones use
    scale = len(cut) / wanted
    print(f"convolutions: {NAME if uses_winograd(full.network()) else 'as PyTorch chooses them'}")
    found = timed(f"full network, as it is used ({len(cut)} slices)", scale, lambda: ours(full, batch), trials=given.trials)
    half = detector(replace(PatchedDDPMParams.preset("code"), precision="bf16"))
    ours(half, batch[:1])
    rounded = timed("full network, precision=bf16", scale, lambda: ours(half, batch), trials=given.trials)
    expected = timed("full network, patch by patch", scale, lambda: plain(full, batch))
    exact = (expected - batch.images).abs()
    for what, made in (("as it is used", found), ("precision=bf16", rounded)):
        error = ((made - batch.images).abs() - exact).abs()
        most, mean = float(error.max()), float(error.mean() / exact.mean())
        print(f"{what}: the map differs by {most:.1e} at most, of {float(exact.max()):.2f}, and by {mean:.2%} of the mean")
    small = detector(PatchedDDPMParams.from_dict(recipe("pddpm")["params"]))
    timed("reduced network of the recipe, whole volume", 1.0, lambda: torch.from_numpy(small.score(scan).score))
    if given.maps:
        on_real_scans()


if __name__ == "__main__":
    main()
