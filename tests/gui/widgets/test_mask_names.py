"""Which masks are offered as brain and as ground truth, by their names."""

from __future__ import annotations

import pytest

from napari_brain_uad.gui.widgets.scan_inputs import says_brain, says_truth


@pytest.mark.parametrize(
    ("name", "brain", "truth"),
    [
        ("tumour-t1c | brain mask", True, False),
        ("tumour-t1c | ground truth", False, True),
        ("lesion-study_07_hdbet_mask", True, False),
        ("tumour_brainmask", True, False),
        ("lesions", False, True),
        ("sub-01_dseg", False, True),
        ("lesion-study_07 | labels", False, False),
    ],
)
def test_a_scans_name_does_not_make_a_truth_of_its_brain_mask(name: str, brain: bool, truth: bool) -> None:
    assert (says_brain(name), says_truth(name)) == (brain, truth)
