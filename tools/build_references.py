"""Make the healthy references that come with the package: ``python -m tools.build_references``.

Who calibrates and who is held back stands in ``benchmarks/healthy_split.json``. The scans are no part of the project (``BRAIN_UAD_DATA``
names their folder); what is shipped are figures of them, see ``REFERENCES.md`` beside the models.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks._healthy import REFERENCES, Case, Subject, is_kept, map_of, of_reference, person_numbers
from napari_brain_uad.calibration.build import HealthyMap, build_reference, leave_one_out
from napari_brain_uad.calibration.files import save_reference
from napari_brain_uad.calibration.names import reference_file
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.mni import to_mni_of
from napari_brain_uad.workflows.models.models import default_model, shipped_dir
from napari_brain_uad.workflows.models.references import stem_of

_REAL = {
    "T1": "healthy adults of IXI, T1 at 1 and 2 mm (CC BY-SA 3.0)",
    "FLAIR": "adults of NiChart's demo set (hyperintensities outlined automatically and left out), Kirby21 and open repositories, FLAIR",
}

_FOR_RESEARCH = ("FLAIR",)
"""Most of these scans are for research use alone: figures of them are shared, and nothing that is like an image, be it a mean."""

_CARRIED = "healthy adults of IXI, T1 at 1 mm with the contrast of {} (CC BY-SA 3.0)"


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True, metavar="DIR", help="where raw maps are kept: made when missing")
    parser.add_argument("--methods", nargs="+", default=list(REFERENCES), metavar="ID")
    parser.add_argument("--sequences", nargs="+", metavar="NAME")
    parser.add_argument("--kept", action="store_true", help="only scans whose maps are kept already")
    parser.add_argument("--out", type=Path, default=shipped_dir(), metavar="DIR")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for method in given.methods:
        for sequence in REFERENCES[method]:
            if not given.sequences or sequence in given.sequences:
                build(method, sequence, given.maps, given.out, kept=given.kept)


def build(method: str, sequence: str, store: Path, out: Path, *, kept: bool = False) -> None:
    """Make one reference and say what it is."""
    subjects = [one for one in of_reference(sequence) if not kept or is_kept(one, method, store)]
    if not subjects:
        print(f"{method} {sequence}: no scans")
        return
    numbers = person_numbers(subjects)
    maps = []
    for one in subjects:
        amap, case = map_of(one, method, store)
        to_mni = None if one.kind == "simulated" or sequence in _FOR_RESEARCH else way_to_mni(one, case, store)
        maps.append(HealthyMap(amap, one.kind, numbers[one.person], counted=case.counted, to_mni=to_mni))
    model = default_model(method, sequence) if method_class(method).INFO.trainable else None
    reference = build_reference(
        maps, PostParams(), title=title(sequence, subjects), sequence=sequence, model_sha256="" if model is None else model.sha256
    )
    save_reference(reference_file(out, stem_of(method, model), sequence), reference)
    check = leave_one_out(reference)
    told = ". ".join(filter(None, (reference.title, reference.default_words, reference.places_words, check.words if check else "")))
    print(f"{method} {sequence}: {told}", flush=True)


def way_to_mni(subject: Subject, case: Case, store: Path) -> NDArray[np.float64] | None:
    """World mm of a scan to those of MNI152, kept by person, whatever voxel size or contrast. None where it is poor."""
    file = store / "mni" / f"{subject.person.split('-as-')[0].removesuffix('_T1')}.npy"
    if not file.is_file():
        found = to_mni_of(case.volume)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.full((4, 4), np.nan) if found is None else found)
    kept = np.load(file, allow_pickle=False)
    print(subject.person, "to MNI152:", "poor" if np.isnan(kept).any() else "found", flush=True)
    return None if np.isnan(kept).any() else kept


def title(sequence: str, subjects: list[Subject]) -> str:
    """Who they are, in words."""
    real = {one.person for one in subjects if one.kind == "real"}
    simulated = {one.person for one in subjects if one.kind == "simulated"}
    told = [f"{len(real)} {_REAL[sequence]}"] if real else []
    carried = {one.person for one in subjects if one.kind == "carried"}
    told += [f"{len(carried)} {_CARRIED.format(sequence)}"] if carried else []
    told += [f"{len(simulated)} simulated {sequence} brains"] if simulated else []
    return ", and ".join(told)


if __name__ == "__main__":
    main()
