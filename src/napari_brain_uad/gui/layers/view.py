"""Which way is left: orientation letters on the canvas, radiological or neurological view, and the read-out under the cursor."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from ...core.volume import Volume
from ..app.settings import remember, remembered
from .colour_bars import ColourBars
from .layers import is_map, layer_affine, map_of, record, volume_layer, voxel_at
from .letters import EDGES, LettersOverlay
from .pictures import lay_masks
from .solid import SolidLook
from .units import share_millimetres

if TYPE_CHECKING:
    from napari.components import ViewerModel

CONVENTIONS = ("radiological", "neurological")
"""radiological: the patient's left is on the right of the screen; neurological: left is left."""

PLANES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
"""Order of the layer axes (S, A, R) for each plane: slider, up, across."""

_CAMERA = {
    # Depth goes with them so that the 3-D view is never a mirror image.
    "radiological": ("away", "up", "left"),
    "neurological": ("towards", "up", "right"),
}
_LETTERS = (("I", "S"), ("P", "A"), ("L", "R"))
_LETTERS_NAME, _READOUT_NAME = "brain_uad_letters", "brain_uad_readout"
_READOUT_SECONDS = 0.04
LETTERS, SMALL_LETTERS = 16, 12
"""Size of the letters in points; the small ones for canvases beside each other."""

_UNKNOWN = "?"


@dataclass(frozen=True)
class CursorReading:
    """What lies under the cursor.

    `mm` is the true world position, `voxel` the index in the source file (counted from 0), `intensity` the scan's value,
    `scores` holds one (method, score) for every anomaly map there, and `labels` one (layer name, label) for every mask or ground truth.
    """

    scan: str
    mm: tuple[float, float, float]
    voxel: tuple[int, int, int]
    intensity: float
    scores: tuple[tuple[str, float], ...]
    orientation_known: bool = True
    labels: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        x, y, z = self.mm
        axes = "RAS" if self.orientation_known else "orientation unknown"
        lines = [f"{x:.1f}, {y:.1f}, {z:.1f} mm {axes}", f"voxel {', '.join(map(str, self.voxel))}", f"{self.scan} {self.intensity:.4g}"]
        # Short lines: a long one would run under the letter in the middle of the edge.
        return "\n".join(lines + [f"{method} {score:.4g}" for method, score in self.scores])


class ViewOverlay:
    """Letters and read-out of one viewer; made by `attach`, undone by `detach`.

    The viewer owns it through its list of mouse callbacks; it knows the viewer only weakly, so neither keeps the other alive.
    `letters_only` is for a viewer that shows what another one shows: whoever made it reads out, turns its camera and dresses its layers.
    """

    def __init__(self, viewer: ViewerModel, *, letters_only: bool = False) -> None:
        self._viewer = ref(viewer)
        self._overlays = (_LETTERS_NAME,) if letters_only else (_LETTERS_NAME, _READOUT_NAME)
        self._before = viewer.scene.camera.orientation
        self._last = 0.0
        self._waiting: str | None = None
        self._bars: ColourBars | None = None
        self._solid: SolidLook | None = None
        self.reading: CursorReading | None = None
        self.listeners: list[Callable[[CursorReading | None], None]] = []
        viewer.canvas.overlays[_LETTERS_NAME] = LettersOverlay(font_size=SMALL_LETTERS if letters_only else LETTERS)
        for emitter in self._emitters(viewer):
            emitter.connect(self.update_letters)
        if not letters_only:
            viewer.dims.events.point.connect(self.update_reading)
            viewer.canvas.overlays[_READOUT_NAME] = _readout_overlay()
            self.set_convention(remembered("convention"))
            self._bars = ColourBars(viewer)
            viewer.layers.events.inserted.connect(self.dress)
            self.dress()
            self._solid = SolidLook(viewer)
            self._solid.connect(viewer)
        # Every switch to 3-D would say so in a pop-up: there, masks are simply filled.
        warnings.filterwarnings("ignore", message="Contours are not displayed during 3D rendering", category=UserWarning)
        self.update_letters()

    @staticmethod
    def _emitters(viewer: ViewerModel) -> tuple[Any, ...]:
        dims, camera, layers = viewer.dims.events, viewer.scene.camera.events, viewer.layers.events
        return (dims.order, dims.ndisplay, dims.ndim, camera.angles, camera.orientation, layers.inserted, layers.removed)

    def detach(self) -> None:
        """Take letters, read-out and every callback off the viewer, and turn its camera back."""
        viewer = self._viewer()
        if viewer is None:
            return
        for emitter in self._emitters(viewer):
            emitter.disconnect(self.update_letters)
        viewer.dims.events.point.disconnect(self.update_reading)
        viewer.layers.events.inserted.disconnect(self.dress)
        if self._solid is not None:
            self._solid.disconnect(viewer)
        if self._bars is not None:
            self._bars.detach()
        viewer.mouse_move_callbacks.remove(self)
        for name in self._overlays:
            del viewer.canvas.overlays[name]
        viewer.scene.camera.orientation = self._before

    @property
    def convention(self) -> str:
        """Which way the viewer looks now: radiological or neurological."""
        viewer = self._viewer()
        if self._waiting is not None:
            return self._waiting
        left = viewer is None or str(viewer.scene.camera.orientation2d[1]) == "left"
        return "radiological" if left else "neurological"

    def set_convention(self, convention: str) -> None:
        """Show the patient's left on the right (radiological) or on the left (neurological), and remember it."""
        viewer = self._viewer()
        if viewer is None:
            return
        wanted = convention if convention in CONVENTIONS else CONVENTIONS[0]
        # An empty canvas has no side to turn, and turning loads scipy.spatial: a quarter of a second, at the opening of the dock.
        # Pictures have none either, and napari shows them upright as it is.
        self._waiting = None if _has_scans(viewer) else wanted
        if self._waiting is None:
            viewer.scene.camera.orientation = _CAMERA[wanted]
        if wanted != remembered("convention"):
            remember("convention", wanted)

    def letters(self) -> dict[str, str]:
        """The letter on each edge ("top", "bottom", "left", "right"); empty texts when no image is open."""
        viewer = self._viewer()
        images = [] if viewer is None else [layer for layer in viewer.layers if isinstance(layer, Image) and layer.ndim >= 3]
        if viewer is None or not images:
            return dict.fromkeys(EDGES, "")
        if not all(orientation_known(layer) for layer in images):
            return dict.fromkeys(EDGES, _UNKNOWN)
        up, right = _screen_directions(viewer)
        top, bottom = _ends(up)
        after, before = _ends(right)
        return {"top": top, "bottom": bottom, "left": before, "right": after}

    def resize_letters(self, size: float, below: float = 0.0) -> None:
        """Write the letters in another size (points), and the upper one so many pixels lower."""
        viewer = self._viewer()
        if viewer is not None:
            overlay = viewer.canvas.overlays[_LETTERS_NAME]
            overlay.below, overlay.font_size = below, size

    def update_letters(self, _event: object = None) -> None:
        """Write the letters for the way the viewer looks now."""
        viewer = self._viewer()
        if viewer is None:
            return
        letters, overlay = self.letters(), viewer.canvas.overlays[_LETTERS_NAME]
        overlay.letters = tuple(letters[edge] for edge in EDGES)
        overlay.visible = any(overlay.letters)

    def dress(self, event: Any = None) -> None:
        """Give our layers (the one that was added, or all) what a napari reader cannot: outlines and the colour bar."""
        viewer = self._viewer()
        if viewer is None:
            return
        if self._waiting is not None and _has_scans(viewer):
            self.set_convention(self._waiting)
        for layer in viewer.layers if event is None else (event.value,):
            if isinstance(layer, Labels) and record(layer).get("kind") == "mask":
                # What lies under a mask or a ground truth counts.
                layer.contour = 1
        if self._bars is not None:
            self._bars.update()
        lay_masks(viewer.layers)
        share_millimetres(viewer)

    def __call__(self, _viewer: object, event: Any) -> None:
        """A mouse moved: napari's callback."""
        now = time.monotonic()
        # Every read-out repaints the canvas: a fast hand must not queue up hundreds of them.
        if now - self._last >= _READOUT_SECONDS:
            self._last = now
            self.update_reading()

    def update_reading(self, _event: object = None) -> None:
        """Read what lies under the cursor and show it."""
        viewer = self._viewer()
        if viewer is None or self._last == 0.0 or _READOUT_NAME not in self._overlays:  # the mouse has not been over the canvas yet
            return
        # In 3-D a cursor has no single voxel.
        self.reading = read_at(viewer, _cursor(viewer)) if viewer.dims.ndisplay == 2 else None
        overlay = viewer.canvas.overlays[_READOUT_NAME]
        if self.reading is not None:
            overlay.text = str(self.reading)
        overlay.visible = self.reading is not None
        for listener in self.listeners:
            listener(self.reading)


def attach(viewer: ViewerModel, *, letters_only: bool = False) -> ViewOverlay:
    """Give a viewer letters and read-out (see `ViewOverlay`); the ones it has when it was given them before."""
    found = attached(viewer)
    if found is None:
        found = ViewOverlay(viewer, letters_only=letters_only)
        viewer.mouse_move_callbacks.append(found)
    return found


def attached(viewer: ViewerModel) -> ViewOverlay | None:
    """The letters and read-out of a viewer, if it has them."""
    return next((callback for callback in viewer.mouse_move_callbacks if isinstance(callback, ViewOverlay)), None)


def detach(viewer: ViewerModel) -> None:
    """Undo `attach`."""
    found = attached(viewer)
    if found is not None:
        found.detach()


def add_volume(viewer: ViewerModel, volume: Volume) -> Image:
    """Show a scan, with orientation letters and read-out."""
    data, meta, _ = volume_layer(volume)
    layer = Image(data, **meta)
    viewer.add_layer(layer)
    attach(viewer)
    return layer


def show_plane(viewer: ViewerModel, plane: str) -> None:
    """Look at "axial", "coronal" or "sagittal" slices."""
    extra = viewer.dims.ndim - 3
    if extra < 0:
        return
    viewer.dims.ndisplay = 2
    viewer.dims.order = (*range(extra), *(axis + extra for axis in PLANES[plane]))


def go_to(viewer: ViewerModel, layer: Layer, index: tuple[int, int, int]) -> None:
    """Move the slices to a voxel (i, j, k) of `layer` and centre the view on it; the zoom stays."""
    world = np.array(layer.data_to_world(index[::-1]), dtype=float)
    viewer.dims.point = (*viewer.dims.point[: viewer.dims.ndim - 3], *world)
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.displayed]
    centre = np.array(viewer.scene.camera.center, dtype=float)
    centre[-len(shown) :] = world[shown]
    viewer.scene.camera.center = tuple(centre)


def read_at(viewer: ViewerModel, position: NDArray[np.float64]) -> CursorReading | None:
    """What lies at a position of napari's world: the topmost visible scan there, the score of every anomaly map, and the labels.

    None outside of every scan.
    """
    here = [layer for layer in viewer.layers if isinstance(layer, Image) and layer.ndim == 3 and not layer.rgb and not layer.multiscale]
    inside = [(layer, voxel) for layer in here if (voxel := voxel_at(layer, position)) is not None]
    scans = [(layer, voxel) for layer, voxel in inside if layer.visible and not is_map(layer) and record(layer).get("kind") != "derived"]
    if not scans:
        return None
    layer, (i, j, k) = scans[-1]
    mm, voxel, known = _place(layer, position)
    return CursorReading(layer.name, mm, voxel, float(layer.data[k, j, i]), _scores_at(inside), known, _labels_at(viewer, position))


def _scores_at(inside: Sequence[tuple[Layer, tuple[int, int, int]]]) -> tuple[tuple[str, float], ...]:
    """Raw scores, whatever the layer colours; a map that lies in several layers is named once, two of one method by their layers."""
    maps = {id(map_of(layer)): (layer, voxel) for layer, voxel in reversed(inside) if is_map(layer)}
    methods = [map_of(layer).method for layer, _ in maps.values()]
    named = [
        (amap.method if methods.count(amap.method) == 1 else layer.name, float(amap.score[voxel]))
        for layer, voxel in reversed(maps.values())
        for amap in (map_of(layer),)
    ]
    return tuple(named)


def _labels_at(viewer: ViewerModel, position: NDArray[np.float64]) -> tuple[tuple[str, int], ...]:
    masks = [layer for layer in viewer.layers if isinstance(layer, Labels) and layer.ndim == 3 and record(layer).get("kind") != "regions"]
    found: dict[int, tuple[str, int]] = {}
    for layer in masks:
        voxel = voxel_at(layer, position)
        if voxel is not None:
            # A mask that is shown more than once, as in a comparison, is named once.
            found.setdefault(id(layer.data), (layer.name, int(layer.data[voxel[2], voxel[1], voxel[0]])))
    return tuple(found.values())


def _place(layer: Image, position: NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[int, int, int], bool]:
    index = np.asarray(layer.world_to_data(position))[::-1]
    volume = record(layer).get("volume")
    if not isinstance(volume, Volume):
        world = layer_affine(layer) @ (*index, 1.0)
        i, j, k = (round(float(v)) for v in index)
        return (float(world[0]), float(world[1]), float(world[2])), (i, j, k), False
    world = volume.grid.to_world(index)
    stored = index if volume.source is None else volume.source.grid.to_index(volume.grid.to_world(np.round(index)))
    a, b, c = (round(float(v)) for v in stored)
    return (float(world[0]), float(world[1]), float(world[2])), (a, b, c), orientation_known(layer)


def _cursor(viewer: ViewerModel) -> NDArray[np.float64]:
    """The cursor in the world; along the slider the slice shown now, which may have moved under a resting cursor."""
    position = np.array(viewer.cursor.position, dtype=float)
    for axis in viewer.dims.not_displayed:
        position[axis] = viewer.dims.point[axis]
    return position[-3:]


def orientation_known(layer: Layer) -> bool:
    """Whether the file that an image was read from says which way is left."""
    told = record(layer).get("orientation_known")
    if told is not None:
        return bool(told)
    shown = record(layer).get("volume") or record(layer).get("map")
    if shown is None:
        return False
    return shown.source is None or bool(shown.source.orientation_known)


def _has_scans(viewer: ViewerModel) -> bool:
    return any(layer.ndim >= 3 for layer in viewer.layers)


def _readout_overlay() -> TextOverlay:
    # White on a dark plate reads on black and on white alike.
    return TextOverlay(text="", visible=False, color="white", font_size=8, box=True, box_color=(0, 0, 0, 0.55), position="bottom_left")


def _ends(direction: NDArray[np.float64]) -> tuple[str, str]:
    """Letters in front of and behind a direction over (S, A, R); the axis it is closest to gives them."""
    axis = int(np.argmax(np.abs(direction)))
    behind, front = _LETTERS[axis] if direction[axis] > 0 else _LETTERS[axis][::-1]
    return front, behind


def _screen_directions(viewer: ViewerModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is up and what is right on the screen, as vectors over the last three axes (S, A, R)."""
    camera, dims = viewer.scene.camera, viewer.dims
    depth, vertical, horizontal = (str(word) for word in camera.orientation)
    up_sign = 1.0 if vertical == "up" else -1.0
    right_sign = 1.0 if horizontal == "right" else -1.0
    shown = [axis - (dims.ndim - 3) for axis in dims.displayed]
    up, right = np.zeros(3), np.zeros(3)
    if dims.ndisplay == 2:
        up[shown[0]], right[shown[1]] = up_sign, right_sign
        return up, right
    view_sign = -1.0 if depth == "towards" else 1.0
    view, lifted = np.array(camera.view_direction), np.array(camera.up_direction)
    # cross(view, up) is the right of a camera whose axes are right-handed; the three signs say whether they are.
    across = np.cross(view, lifted) * view_sign * up_sign * right_sign
    up[shown], right[shown] = lifted, across
    return up, right
