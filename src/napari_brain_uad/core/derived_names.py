"""Names of what SPM, CAT12, FreeSurfer, FSL and ANTs make from a scan: what is no scan any more, and prefixes of what still is one.

``y_T1.nii`` is a deformation and ``c1T1.nii`` the grey matter, while ``wmT1.nii`` is the scan itself, bias-corrected and normalised.
"""

from __future__ import annotations

import re

_PREFIXES = (
    # SPM and CAT12 put small letters before the name; after those of tissues it follows at once.
    (r"[wsrm]*i?y_", "a deformation field (SPM)"),
    (r"u_", "a flow field (SPM)"),
    (r"w?j_", "a Jacobian (SPM)"),
    (r"(?!c3d)[smwrud]*c[1-6](?=[A-Za-z])", "a tissue map (SPM)"),
    (r"(?:s?m?0?w|r)p[0-6](?=[A-Za-z])|p[0-6](?=sub-)", "a tissue map (CAT12)"),
)
_NAMES = (r"(?:[lr]h\.)?ribbon|filled|wm|wm\.seg|wm\.asegedit|ctrl_?pts", "a segmentation (FreeSurfer)")
_WORDS = (
    # FSL, ANTs and others put words behind the name, which no other letter may touch.
    (r"\d*(?:inverse[-_]?)?warp(?:[-_]?(?:fields?|coef\w*))?", "a warp field"),
    (r"(?:displacement|disp|deformation|def|flow|velocity)[-_ ]?fields?", "a deformation field"),
    (r"(?:log)?jac(?:obian)?s?", "a Jacobian"),
    (r"bias[-_ ]?fields?|fast_bias", "a bias field"),
    (r"(?:segmentation)?posteriors?\d*|pve(?:seg)?|mixeltype|probseg|priors?\d+", "a tissue map"),
    (r"(?:cortical)?[-_ ]?thickness|curv", "a map of the cortex"),
    (r"aseg|wmparc|aparc\w*|firstseg|synthseg|parc|parcellation", "a map of labels"),
)

_DERIVED = tuple(
    (re.compile(pattern, flags), what)
    for pattern, flags, what in (
        *((f"^(?:{pattern})", re.NOFLAG, what) for pattern, what in _PREFIXES),
        (f"^(?:{_NAMES[0]})$", re.IGNORECASE, _NAMES[1]),
        *((f"(?<![a-z])(?:{pattern})(?![a-z])", re.IGNORECASE, what) for pattern, what in _WORDS),
    )
)

_PREFIX = re.compile(r"^[amrsw]{1,5}(?=sub-[A-Za-z0-9]|T[12](?!\d)|FLAIR|PD(?![a-z])|MP2?RAGE|flair|mp2?rage)")
"""Bias-corrected, normalised, resliced, smoothed: letters that SPM puts before a scan's name."""


def derived_as(stem: str) -> tuple[str, str]:
    """The words of a file's stem that say it is no scan, and what it is then; both empty when there are none.

    Parameters
    ----------
    stem : str
        The file's name without its ending.

    Returns
    -------
    words, what : str
        ``("y_", "a deformation field (SPM)")``, say.
    """
    # Words may begin with a capital letter instead of standing by themselves: "SubjectToTemplate1Warp".
    for text in (stem, re.sub("(?<=[a-z])(?=[A-Z])", "_", stem)):
        for pattern, what in _DERIVED:
            match = pattern.search(text)
            if match is not None:
                return match.group(), what
    return "", ""


def without_prefix(stem: str) -> str:
    """A scan's name without the letters that SPM put before it: ``T1`` of ``wmT1``."""
    return _PREFIX.sub("", stem)
