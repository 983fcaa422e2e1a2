from __future__ import annotations

from napari_brain_uad.workflows.detect.demo import demo_methods
from napari_brain_uad.workflows.models.recommend import recommend
from napari_brain_uad.workflows.scans.samples import sample, samples


def test_the_demo_ends_with_the_method_that_window_and_command_line_begin_with() -> None:
    """Figures of the demo then are those of the README's tutorial, which takes the recommended method."""
    for one in samples():
        assert demo_methods(one)[-1] == recommend(one.sequence)[0], one.id
        assert demo_methods(one)[0] == "threshold"
    assert demo_methods(sample("ms-flair-simulated")) == ("threshold", "robust-intensity")
