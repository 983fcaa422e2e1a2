"""Healthy scans beside a comparison: made ready as the scan is, and measured with the clean-ups that its maps go through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...calibration.build import HealthyMap, build_reference, clean_up_of
from ...calibration.reference import HealthyReference
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.text import counted
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...postprocessing.params import PostParams
from ..models.references import check_healthy
from ..scans.load import as_volume
from ..scans.ready import ReadyScan, make_ready


def healthy_volumes(healthy: Iterable[Volume | str | Path], scan: Volume) -> tuple[Volume, ...]:
    """The healthy scans, as the sequence of the scan: whatever model that one has scores them, too.

    Raises
    ------
    InputError
        If one cannot be read, or is known to be of another sequence.
    """
    volumes = tuple(map(_healthy_volume, healthy))
    other = next((one for one in volumes if one.sequence and scan.sequence and one.sequence != scan.sequence), None)
    if other is not None:
        why = f"{scan.name} is {scan.sequence}, and scores differ between sequences"
        raise InputError(f"The healthy scan {other.name} is {other.sequence_words}", why=why, fix=f"Give healthy {scan.sequence} scans")
    return tuple(one.with_sequence(scan.sequence, one.sequence_origin) for one in volumes)


def _healthy_volume(given: Volume | str | Path) -> Volume:
    """One scan; of a folder, of its DICOM series."""
    try:
        return as_volume(given)
    except InputError as error:
        if isinstance(given, Volume) or not Path(given).is_dir():
            raise
        fix = "Give the scans in it themselves, or have references made of them, which count from then on (brain-uad calibrate)"
        raise InputError(f"{Path(given).name} is no healthy scan", why=f"it is a folder: {error.why or error.what}", fix=fix) from error


def healthy_count(method: str, post: PostParams) -> bool:
    """Whether healthy scans that were given say something of a method's scores: else only a rule that asks for them takes them."""
    return post.rule.needs_healthy or not method_class(method).INFO.incomparable


def healthy_ready(
    volumes: Sequence[Volume], presets: Iterable[str], prepare_with: str, progress: Progress
) -> dict[str, tuple[ReadyScan, ...]]:
    """The healthy scans as methods with each of these presets are given them.

    Raises
    ------
    InputError
        If one cannot be made ready, or has a brain mask or a look with which healthy brains say nothing of a scan.
    """
    found = {}
    for preset_id in dict.fromkeys(presets):
        ready = tuple(make_ready(one, preset_id=preset_id, prepare_with=prepare_with, progress=progress) for one in volumes)
        for one in ready:
            check_healthy(f"The healthy scan {one.scan.name}", one.scored.findings)
        found[preset_id] = ready
    return found


def measured_healthy(maps: Sequence[HealthyMap], posts: Iterable[PostParams]) -> tuple[HealthyReference, ...]:
    """How a method scores healthy scans: one reference for each clean-up that differs."""
    title = f"{counted(len(maps), 'healthy scan')} given"
    sequence = str(maps[0].map.provenance.get("input", {}).get("sequence") or "")
    found: list[HealthyReference] = []
    for post in posts:
        if reference_with(found, post) is None:
            found.append(build_reference(maps, post, title=title, sequence=sequence))
    return tuple(found)


def reference_with(references: Iterable[HealthyReference], post: PostParams) -> HealthyReference | None:
    """The one that was made with this clean-up; None when there is none."""
    wanted = clean_up_of(post)
    return next((one for one in references if one.post == wanted), None)
