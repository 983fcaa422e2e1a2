"""The scale of tissue: fitted to mixtures whose classes are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.preprocessing.tissue_scale import BEYOND, CSF, GREY, WHITE, fit_tissue_scale

MEANS = {"CSF": 30.0, "GM": 60.0, "WM": 90.0}


def brain(order: tuple[str, str, str], *, bright: float = 0.0, seed: int = 0) -> np.ndarray:
    """Voxels of three tissues, of which `order` says which is dark, middle and bright, and a share of much brighter ones."""
    rng = np.random.default_rng(seed)
    counts = {"CSF": 6000, "GM": 18000, "WM": 16000}
    parts = [rng.normal(mean, 5.0, counts[tissue]) for tissue, mean in zip(order, (30.0, 60.0, 90.0), strict=True)]
    parts.append(rng.normal(300.0, 20.0, int(bright * 40000)))
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize(
    ("sequence", "order"),
    [("T1", ("CSF", "GM", "WM")), ("T1c", ("CSF", "GM", "WM")), ("T2", ("WM", "GM", "CSF")), ("FLAIR", ("CSF", "WM", "GM"))],
)
def test_each_tissue_gets_its_value(sequence, order):
    scale = fit_tissue_scale(brain(order), sequence)
    for tissue, intensity in zip(order, (30.0, 60.0, 90.0), strict=True):
        value = float(scale(np.float32([intensity]))[0])
        assert value == pytest.approx({"CSF": CSF, "GM": GREY, "WM": WHITE}[tissue], abs=0.1), tissue


def test_the_means_are_those_of_a_free_mixture_where_tissues_do_not_mix():
    voxels = brain(("CSF", "GM", "WM"))
    free = GaussianMixture(3, means_init=[[30], [60], [90]]).fit(voxels[:, None])
    np.testing.assert_allclose(fit_tissue_scale(voxels, "T1").means, np.sort(free.means_.ravel()), atol=1.5)


def test_partial_volume_drags_no_mean_along():
    rng = np.random.default_rng(1)
    mixed = np.concatenate([rng.uniform(30, 60, 12000), rng.uniform(60, 90, 6000)]) + rng.normal(0, 5.0, 18000)
    voxels = np.concatenate([brain(("CSF", "GM", "WM")), mixed]).astype(np.float32)
    free = np.sort(GaussianMixture(3, means_init=[[30], [60], [90]]).fit(voxels[:, None]).means_.ravel())
    own = np.array(fit_tissue_scale(voxels, "T1").means)
    assert np.abs(own - (30, 60, 90)).max() < 2.5
    assert abs(own[1] - 60) < abs(free[1] - 60)


def test_half_and_half_lies_between():
    scale = fit_tissue_scale(brain(("CSF", "GM", "WM")), "T1")
    assert float(scale(np.float32([75.0]))[0]) == pytest.approx(2.5, abs=0.1)


def test_contrast_agent_takes_no_class_and_lies_beyond_white_matter():
    scale = fit_tissue_scale(brain(("CSF", "GM", "WM"), bright=0.03), "T1c")
    np.testing.assert_allclose(scale.means, (30.0, 60.0, 90.0), atol=2.0)
    assert float(scale(np.float32([300.0]))[0]) == BEYOND


@pytest.mark.parametrize(("distances", "value"), [(0.7, WHITE), (1.4, WHITE), (2.5, WHITE + 0.5), (3.6, BEYOND), (9.0, BEYOND)])
def test_bright_white_matter_is_white_matter_still(distances, value):
    """On T1: in distances from grey to white matter above white matter, up to 1.5; from 3.5 it is no healthy tissue."""
    scale = fit_tissue_scale(brain(("CSF", "GM", "WM")), "T1")
    grey, white = scale.intensities[1:3]
    assert float(scale(np.float32([white + distances * (white - grey)]))[0]) == pytest.approx(value, abs=1e-4)


def test_lesions_on_flair_go_towards_csf():
    scale = fit_tissue_scale(brain(("CSF", "WM", "GM")), "FLAIR")
    assert float(scale(np.float32([150.0]))[0]) == pytest.approx(CSF, abs=0.05)


def test_units_of_intensity_do_not_matter():
    voxels = brain(("CSF", "GM", "WM"))
    one, other = fit_tissue_scale(voxels, "T1"), fit_tissue_scale(voxels * 7.0 + 100.0, "T1")
    np.testing.assert_allclose(one(voxels), other(voxels * 7.0 + 100.0), atol=0.02)


def test_what_cannot_be_scaled_is_refused():
    with pytest.raises(InputError, match="order from dark to bright"):
        fit_tissue_scale(brain(("CSF", "GM", "WM")), "DWI")
    with pytest.raises(InputError, match="one intensity"):
        fit_tissue_scale(np.full(100, 5.0, np.float32), "T1")


def test_tissues_that_hardly_differ_leave_a_gentle_scale():
    rng = np.random.default_rng(3)
    voxels = np.concatenate([rng.normal(30, 5, 6000), rng.normal(100, 12, 34000)]).astype(np.float32)
    scale = fit_tissue_scale(voxels, "T1")
    assert scale.intensities[2] - scale.intensities[1] > 6.0
    assert np.mean(scale(voxels) > WHITE) < 0.03


@pytest.mark.parametrize("order", [("CSF", "GM", "WM"), ("WM", "GM", "CSF")])
def test_the_unbounded_scale_goes_on_beyond_the_tissues(order):
    scale = fit_tissue_scale(brain(order), "T1" if order[0] == "CSF" else "T2")
    inside, beyond = np.float32([45.0, 75.0]), np.float32([0.0, 150.0])
    np.testing.assert_allclose(scale.unbounded(inside), scale(inside), atol=1e-5)
    expected = (0.0, 5.0) if order[0] == "CSF" else (4.0, -1.0)
    np.testing.assert_allclose(scale.unbounded(beyond), expected, atol=0.25)


def test_flair_has_no_unbounded_scale():
    scale = fit_tissue_scale(brain(("CSF", "WM", "GM")), "FLAIR")
    values = np.float32([0.0, 30.0, 75.0, 200.0])
    np.testing.assert_array_equal(scale.unbounded(values), scale(values))
