"""The only list of methods. Adding one = a new file in its family's package and one line here.

Other packages add methods of their own by the entry-point group "napari_brain_uad.methods", an id and ``package.module:Class`` each.

Classes are imported when they are asked for, so that listing methods stays cheap and a method's heavy imports (torch) are paid
only by who uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ..core.detector import Detector, MethodInfo
from ..core.errors import BrainUADError, InputError
from ..core.isolation import isolated
from ..core.params import Params
from ..core.text import choose_from
from .base.detector import BaseDetector

METHODS: dict[str, str] = {
    "threshold": "intensity.threshold:HistogramThreshold",
    "thresh-raw": "intensity.thresh_raw:RawThreshold",
    "robust-intensity": "intensity.robust_intensity:RobustIntensity",
    "covariance": "statistical.covariance:Covariance",
    "ae-dense": "autoencoder.ae_dense:DenseAE",
    "ae-spatial": "autoencoder.ae_spatial:SpatialAE",
    "vae": "autoencoder.vae:VAE",
    "skip-ae": "autoencoder.skip_ae:SkipAE",
    "gmvae": "autoencoder.gmvae:GMVAE",
    "ae-3d": "autoencoder.ae_3d:VolumeAE",
    "symmetry-ae": "autoencoder.symmetry_ae:SymmetryAE",
    "svae": "autoencoder.svae:SVAE",
    "ce-vae": "autoencoder.ce_vae:CeVAE",
    "cce-vae": "autoencoder.cce_vae:CceVAE",
    "ddpm": "diffusion.ddpm:DDPM",
    "pddpm": "diffusion.pddpm:PatchedDDPM",
    "mhd": "diffusion.mhd:MHD",
    "dae": "diffusion.dae:DAE",
    "cddpm": "diffusion.cddpm:ConditionedDDPM",
    "itermask": "diffusion.itermask:IterMask",
    "reflect": "diffusion.reflect:Reflect",
    "auto-ddpm": "diffusion.auto_ddpm:AutoDDPM",
    "thor": "diffusion.thor:THOR",
    "patchcore": "embedding.patchcore:PatchCore",
    "edc": "distillation.edc:EDC",
    "simple-slice-net": "flow.simple_slice_net:SimpleSliceNet",
    "simplenet": "embedding.simplenet:SimpleNet",
    "cflow": "flow.cflow:CFlow",
    "bgad": "flow.bgad:BGAD",
    "stfpm": "distillation.stfpm:STFPM",
    "rd++": "distillation.rd_plus_plus:RDPlusPlus",
    "oc-svm": "embedding.oc_svm:OneClassSVM",
    "ae-flow": "flow.ae_flow:AEFlow",
    "fae": "distillation.fae:FAE",
    "cutpaste": "embedding.cutpaste:CutPaste",
    "cradl": "embedding.cradl:CRADL",
    "csf-class": "tissue.csf_class:CSFClass",
    "strega": "tissue.strega:Strega",
    "tissue-restoration": "tissue.tissue_restoration:TissueRestoration",
    "anomaly-segmentation": "tissue.anomaly_segmentation:AnomalySegmentation",
    "hyperintensity-segmentation": "tissue.hyperintensity_segmentation:HyperintensitySegmentation",
    "tissue-ensemble": "tissue.tissue_ensemble:TissueEnsemble",
    "combined-evidence": "tissue.combined_evidence:CombinedEvidence",
    "f-anogan": "adversarial.f_anogan:FAnoGAN",
    "vae-restoration": "autoencoder.vae_restoration:VAERestoration",
}

GROUP = "napari_brain_uad.methods"


def method_ids() -> tuple[str, ...]:
    """Ids of all methods, in the order of the list; those of other packages come last."""
    return (*METHODS, *_of_others())


def method_class(method: str) -> type[BaseDetector]:
    """The class behind an id.

    Raises
    ------
    InputError
        For an unknown id, where the closest known ones are named; for a method of another package that cannot be loaded.
    """
    if method in METHODS:
        module, _, name = METHODS[method].partition(":")
        found: type[BaseDetector] = getattr(import_module(f".{module}", __package__), name)
        return found
    if method in _of_others():
        return _class_of(_of_others()[method])
    fix = choose_from(method, method_ids(), "Methods", "`brain-uad methods` lists all")
    raise InputError(f"There is no method '{method}'", fix=fix)


def create(method: str, params: Params | None = None) -> Detector:
    """An untrained detector with these parameters (its defaults when None)."""
    return method_class(method)(params)


def cards() -> Iterator[MethodInfo]:
    """The card of every method that can be loaded, in the order of `method_ids`; see `broken_methods`."""
    for method in method_ids():
        found = isolated(partial(method_class, method)) if method in _of_others() else method_class(method)
        if not isinstance(found, BrainUADError):
            yield found.INFO


def broken_methods() -> dict[str, BrainUADError]:
    """Methods of other packages that cannot be loaded, and why."""
    tried = {method: isolated(partial(method_class, method)) for method in _of_others()}
    return {method: found for method, found in tried.items() if isinstance(found, BrainUADError)}


@cache
def _of_others() -> dict[str, EntryPoint]:
    """Methods of installed packages by id; our own ids are not theirs to take."""
    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in METHODS}


def _class_of(entry: EntryPoint) -> type[BaseDetector]:
    what = f"The method '{entry.name}' of {entry.dist.name if entry.dist is not None else entry.module}"
    found = isolated(entry.load)
    if isinstance(found, BrainUADError):
        raise InputError(what, why=f"it cannot be loaded ({found.why})", fix="Install that package again, or tell its authors") from found
    if not (isinstance(found, type) and issubclass(found, BaseDetector)) or found.INFO.id != entry.name:
        raise InputError(what, why=f"{entry.value} is no detector of that id", fix="Tell the authors of that package")
    return found
