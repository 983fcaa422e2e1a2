"""Maps of healthy scans that a user gives in place of a method's healthy reference: read, and looked at before a scan is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...calibration.build import HealthyMap, build_reference
from ...calibration.reference import HealthyReference
from ...calibration.verdict import misfit
from ...core.anomaly_map import UNKNOWN_METHOD, AnomalyMap
from ...core.errors import InputError
from ...core.file_role import file_role
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import state_sha256
from ...core.text import counted
from ...io.nifti import image_stem, read_map
from ...postprocessing.params import PostParams
from ...postprocessing.thresholds import NO_REFERENCE
from ..models.method_spec import MethodSpec
from ..models.references import check_healthy_map, check_weights, of_sequence
from .age import age_of
from .score import load_detector

_MAP = "_anomalymap"

HealthyInput = Sequence[AnomalyMap | str | Path]


@told_as_error()
def read_healthy(maps: HealthyInput, method: str, post: PostParams, progress: Progress | None = None) -> HealthyReference:
    """A healthy reference of maps of healthy scans, with the clean-up that the scan's own map will have.

    Parameters
    ----------
    maps : sequence of AnomalyMap or path
        Maps that one method made of healthy scans; files are ``*_anomalymap.nii.gz``.
    method : str
        Its id.
    post : PostParams
        Filters and clean-up.

    Returns
    -------
    HealthyReference
        Volumes in ml at every threshold.

    Raises
    ------
    InputError
        If a map cannot be read, is none or another method's, has a mask that is no brain's, or they are not alike or of several sequences.
    """
    read = []
    for given in maps:
        file = None if isinstance(given, AnomalyMap) else Path(given)
        if file is not None and file.is_dir():
            raise _is_folder(file, method)
        amap = given if isinstance(given, AnomalyMap) else read_map(Path(given))
        if amap.method == UNKNOWN_METHOD:
            raise _of_nobody(amap, file, method)
        if amap.method != method:
            raise InputError(f"Healthy map {amap.name} was made with {amap.method}, not with {method}", fix=f"Give maps of {method}")
        check_healthy_map(amap)
        read.append(HealthyMap(amap, age=age_of(amap)))
    known = {str(sequence) for one in read if (sequence := one.map.provenance.get("input", {}).get("sequence"))}
    if len(known) > 1:
        what = f"The healthy maps are of {' and '.join(sorted(known))}"
        raise InputError(what, why="scores differ between sequences", fix="Give maps of the scan's sequence")
    title = f"{counted(len(read), 'healthy map')} given"
    return build_reference(read, post, title=title, sequence="".join(known), progress=progress)


def _is_folder(folder: Path, method: str) -> InputError:
    """What is said of a folder: of maps, or of the healthy scans that a reference is made from."""
    if any(folder.glob(f"*{_MAP}.nii*")):
        return InputError(f"{folder.name} is a folder", why="healthy maps are given as files", fix=f"Give the *{_MAP}.nii.gz in it")
    return InputError(f"{folder.name} is a folder, and no map of a healthy scan", fix=_ways(method))


def _of_nobody(amap: AnomalyMap, file: Path | None, method: str) -> InputError:
    """What is said of a map that nothing says the method of: mostly it is the scan itself."""
    if file is None:
        why = "nothing in it says what method made it"
        return InputError(f"Healthy map {amap.name}", why=why, fix=f"Give maps that {method} made")
    role = file_role(image_stem(file))
    if role.role == "map":
        record = f"{image_stem(file).removesuffix(_MAP)}_provenance.json"
        why = f"what method made it is not known: {record} is not beside it, or does not say it"
        return InputError(file.name, why=why, fix="Copy it again with the files that were written with it, or make the map again")
    what = role.why if role.role == "neither" else f"by its name it is a {'ground truth' if role.role == 'truth' else role.role}"
    return InputError(f"{file.name} is no anomaly map", why=what, fix=_ways(method))


def _ways(method: str) -> str:
    """From healthy scans to what a scan can be compared with."""
    return (
        f"Give *{_MAP}.nii.gz files that {method} made of healthy scans (brain-uad detect), or have a healthy reference made of the scans, "
        f"which counts from then on (brain-uad calibrate {method} --healthy FOLDER)"
    )


def check_fits(healthy: HealthyReference, spec: MethodSpec, sequence: str | None, post: PostParams) -> None:
    """Refuse healthy maps that cannot be compared with what a method will make of a scan: scoring it may take minutes.

    What they have to look like is known with the scan's own map (`models.references.compared_with_given`).

    Parameters
    ----------
    healthy : HealthyReference
        From `read_healthy`.
    spec : MethodSpec
        The method, with its settings and its model.
    sequence : str or None
        Of the scan.
    post : PostParams
        Filters, threshold rule and clean-up.

    Raises
    ------
    InputError
        If another model made them; or if the rule needs healthy brains, and they are of another sequence or made with other settings.
    ModelError
        If there is no model that fits, or it cannot be read.
    """
    detector = load_detector(spec.method, params=spec.params(), model=spec.model or None, sequence=sequence)
    check_weights(healthy, state_sha256(detector.state()))
    why = misfit(of_sequence(healthy, sequence or ""), sequence or "", detector.params.as_dict(), post.as_dict())
    if why and post.rule.needs_healthy:
        raise InputError(f"Threshold '{post.rule}'", why=why, fix=NO_REFERENCE)
