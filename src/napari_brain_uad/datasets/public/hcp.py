"""Human Connectome Project, Young Adult S1200, structural (Glasser et al., NeuroImage 2013, doi:10.1016/j.neuroimage.2013.04.127).

``100307/T1w/{T1w,T2w}_acpc_dc_restore.nii.gz`` (0.7 mm, AC-PC aligned, bias-corrected, whole head), ``.._acpc_dc_restore_brain.nii.gz``
and ``brainmask_fs.nii.gz`` on their grid; the names are those of the HCP Pipelines. The raw scans (``unprocessed/3T``), those warped to
MNI space (``MNINonLinear``) and the other 3-D files of the folders are left out: the same people once more.
"""

from __future__ import annotations

from ..layout import BRAIN_MASK, PatternLayout

_FOLDER, _END = r"(?P<id>\d{6})/T1w", r"\.nii(?:\.gz)?"

HCP = PatternLayout(
    id="hcp",
    name="HCP Young Adult (structural)",
    patterns=(
        rf"{_FOLDER}/(?P<kind>T1w|T2w)_acpc_dc_restore{_END}",
        rf"{_FOLDER}/(?P<kind>T1w|T2w)_acpc_dc_restore_brain{_END}",
        rf"{_FOLDER}/(?P<kind>brainmask_fs){_END}",
    ),
    kinds={"t1w": "T1", "t2w": "T2", "brainmask_fs": BRAIN_MASK},
    ranked=True,
    note="healthy young adults, many of them twins and siblings, which the names do not tell: folds by subject share families. Raw scans "
    "and those in MNI space are left out",
)
