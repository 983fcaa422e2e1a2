"""A scan made ready for a method: with its brain mask, and prepared first when it shows the whole head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding, check_not_constant, raise_errors
from ...core.errors import InputError
from ...core.extremes import without_extremes
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.volume import Volume
from ...io.labels import check_no_labels
from ...preprocessing.brain_mask import estimate_brain_mask
from ...preprocessing.brain_size import GIVEN_MASK, with_mask_findings
from ...preprocessing.pipeline import Pipeline, run_pipeline
from ...preprocessing.prepared import Prepared
from ...preprocessing.presets import preset
from ...preprocessing.sequence_check import SEQUENCE_IMAGE, check_against_image
from .further import AUTO as AUTO
from .further import NEVER as NEVER
from .further import split_prepare
from .load import MaskInput, as_mask, as_volume
from .prepare import prepare

UNLIKE_HEALTHY = (SEQUENCE_IMAGE, *GIVEN_MASK)
"""Findings about a scan with which healthy brains cannot be compared: it does not look like its sequence, or the mask is of no brain."""


@dataclass(frozen=True, eq=False)
class ReadyScan:
    """A scan and what the method is given of it.

    Parameters
    ----------
    scan : Volume
        On its own grid, with the brain mask that was used; its findings say how it was found.
    scored : Volume
        What the method sees: the scan itself, or the prepared one on the preset's grid.
    prepared : Prepared or None
        The way back from `scored` to `scan`.
    """

    scan: Volume
    scored: Volume
    prepared: Prepared | None = None

    def bring_back(self, amap: AnomalyMap) -> AnomalyMap:
        """The map of `scored`, on the scan's own grid, with the scan."""
        return replace(amap if self.prepared is None else self.prepared.map_to_native(amap), scan=self.scan.data)


@told_as_error()
def make_ready(
    scan: Volume | str | Path,
    mask: MaskInput | None = None,
    *,
    preset_id: str,
    prepare_with: str = AUTO,
    progress: Progress | None = None,
) -> ReadyScan:
    """Give a scan its brain mask, and prepare it where that is needed.

    Parameters
    ----------
    scan : Volume, str or Path
        The scan.
    mask : array of bool, str or Path, optional
        Its brain. A scan with a mask counts as ready.
    preset_id : str
        The method's own preset, for "auto".
    prepare_with : str
        "auto": run `preset_id` when the scan shows the whole head, unless it is a single slice. "never": score it as it is, skull and
        all. Or a preset's id: run that one whatever the scan is. Behind it, voxel size and axial slices of what the method is given may
        stand, see `further`.

    Returns
    -------
    ReadyScan
        The scan on its own grid, what the method is given, and the way back.

    Raises
    ------
    InputError
        If the scan, its mask or the preset cannot be used, or brain extraction is needed and not installed.
    """
    progress = progress or Progress()
    prepare_with, then = split_prepare(prepare_with)
    ready = _made_ready(as_volume(scan), mask, preset_id, prepare_with, progress)
    return _further(ready, then, progress) if then else ready


def _made_ready(volume: Volume, mask: MaskInput | None, preset_id: str, prepare_with: str, progress: Progress) -> ReadyScan:
    raise_errors(volume.name, (check_not_constant(volume.data),))
    volume = without_extremes(volume)
    raise_errors(volume.name, (check_no_labels(volume.data),))  # beside one enormous value any scan holds two values
    if mask is not None:
        volume = volume.with_mask(as_mask(mask, volume, label="brain mask"))
    volume = with_mask_findings(volume)
    if prepare_with not in (AUTO, NEVER):
        if volume.is_slice:
            why = "it is a single slice, and preparation works on whole scans"
            raise InputError(f"{volume.name} cannot be prepared", why=why, fix="Leave the preset out, or give the whole scan")
        return _prepared(volume, prepare_with, progress)
    if volume.mask is not None:
        return _looked_at(ReadyScan(volume, volume))
    found = estimate_brain_mask(volume)
    if found.stripped or prepare_with == NEVER or volume.is_slice:
        masked = replace(volume, mask=found.mask, findings=(*volume.findings, *found.findings))
        return _looked_at(ReadyScan(masked, masked), head=not found.stripped)
    return _prepared(volume, preset_id, progress, found.why)


def _prepared(volume: Volume, preset_id: str, progress: Progress, why: str = "") -> ReadyScan:
    chosen = preset(preset_id)
    prepared = prepare(volume, preset_id, progress=progress)
    because = f", since it shows the whole head ({why})" if why else ""
    said = Finding("prepared", "info", f"the scan was prepared first, with the preset {chosen.id} ({chosen.title}){because}")
    findings = (*prepared.volume.findings, said)
    native = replace(volume, mask=prepared.native_mask, findings=findings)
    return _looked_at(ReadyScan(native, replace(prepared.volume, findings=findings), prepared))


def _further(ready: ReadyScan, then: Pipeline, progress: Progress) -> ReadyScan:
    """What was made ready on another grid, with one way back: none of these steps moves the patient."""
    prepared, _ = run_pipeline(then, ready.scored, progress=progress)
    first = ready.prepared
    if first is not None:
        prepared = replace(first, volume=prepared.volume, record=(*first.record, *prepared.record))
    return replace(ready, scored=prepared.volume, prepared=prepared)


def _looked_at(ready: ReadyScan, head: bool = False) -> ReadyScan:
    """With a finding when the scan does not look like its sequence."""
    mask = ready.scan.mask
    seen = None if mask is None else check_against_image(ready.scan, mask, head=head)
    if seen is None:
        return ready
    scan, scored = (replace(one, findings=(*one.findings, seen)) for one in (ready.scan, ready.scored))
    return replace(ready, scan=scan, scored=scored)
