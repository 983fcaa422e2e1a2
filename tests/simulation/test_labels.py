"""What labels mean."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.simulation.labels import tissue_from_labels

# From FreeSurferColorLUT.txt and SynthSeg's description of its maps, by hand.
CSF = [4, 5, 14, 15, 24, 43, 44, 72]
GREY = [3, 8, 10, 11, 12, 13, 17, 18, 26, 42, 47, 49, 50, 51, 52, 53, 54, 58, 1000, 1035, 2005, 11101, 12175]
WHITE = [2, 7, 16, 25, 28, 41, 46, 57, 60, 77, 85, 251, 255, 3001, 4035, 5001, 5002]
OUTSIDE = [0, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530, 258, 165]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.float64])
def test_tissue_of_known_labels(kind: type) -> None:
    for tissue, group in enumerate((OUTSIDE, CSF, GREY, WHITE)):
        found = tissue_from_labels(np.array(group, kind).reshape(-1, 1, 1))
        assert found.dtype == np.uint8
        assert (found == tissue).all(), (tissue, np.array(group)[found.ravel() != tissue])


def test_unknown_labels_are_named_with_their_voxels() -> None:
    labels = np.full((10, 10, 10), 2)
    labels[0, 0, :3] = 999
    labels[1] = 6000
    with pytest.raises(InputError, match=r"999 \(3 voxels\), 6000 \(100 voxels\)"):
        tissue_from_labels(labels)


@pytest.mark.parametrize(("value", "word"), [(2.5, "whole"), (-3, "FreeSurfer"), (3e7, "FreeSurfer")])
def test_images_are_no_label_maps(value: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        tissue_from_labels(np.full((3, 3, 3), value))
