"""Cut the template of the MNI registration out of the one in the nilearn wheel.

    python tools/build_template.py NILEARN_FILE

NILEARN_FILE is nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz (ICBM 2009a nonlinear symmetric T1, brain
only, 1 mm). Whole voxels are cut away, none is interpolated, so that the result lies on the usual 182 x 218 x 182 grid.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np

from napari_brain_uad.core.provenance import array_sha256
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing.geometry import resample_array
from napari_brain_uad.preprocessing.template import MNI_GRID, TEMPLATE


def main() -> int:
    """Write the template and print its size and checksum."""
    whole = read_volume(Path(sys.argv[1]))
    data = resample_array(whole.data, whole.grid, MNI_GRID, interpolation="nearest")
    stored = np.round(data / data.max() * 255.0).astype(np.uint8)
    image = nibabel.Nifti1Image(stored, MNI_GRID.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(MNI_GRID.affine, 4)
    image.set_qform(MNI_GRID.affine, 4)
    TEMPLATE.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))
    print(
        f"{TEMPLATE.name}: {TEMPLATE.stat().st_size} bytes, voxels' sha256 {array_sha256(stored)}, {int((stored > 0).sum())} brain voxels"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
