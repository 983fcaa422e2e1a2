"""PNG and JPEG slices: read as they are, or refused in a sentence that says why."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.pictures import LONGER_SIDE_MM, read_picture, read_picture_mask

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 60)).astype(np.uint8)  # 40 rows, 60 columns


def _saved(folder: Path, image: Image.Image, name: str = "slice.png", **how: object) -> Path:
    image.save(folder / name, **how)  # type: ignore[arg-type]
    return folder / name


def test_it_lies_as_radiologists_show_slices(tmp_path: Path) -> None:
    path = _saved(tmp_path, Image.fromarray(GREY), "patient_T2.png")
    volume = read_picture(path)
    assert volume.data.shape == (60, 40, 1)
    assert volume.is_slice
    assert volume.data[59 - 7, 39, 0] == GREY[0, 7]  # the top row is the most anterior, the first column the farthest right
    assert volume.data[0, 0, 0] == GREY[39, 59]
    assert volume.grid.axcodes == "RAS"
    assert volume.grid.spacing == pytest.approx((LONGER_SIDE_MM / 60, LONGER_SIDE_MM / 60, 1.0))
    np.testing.assert_allclose(volume.grid.to_world([29.5, 19.5, 0.0]), 0.0, atol=1e-9)
    assert volume.source is not None
    assert not volume.source.orientation_known
    assert volume.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [finding.code for finding in volume.findings] == ["orientation-unknown"]
    assert (volume.name, volume.sequence) == ("patient_T2", "T2")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "L"])
def test_grey_in_any_guise_keeps_its_values(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(GREY)
    volume = read_picture(_saved(tmp_path, grey.convert("RGB").convert(mode) if mode == "RGBA" else grey.convert(mode)))
    np.testing.assert_array_equal(volume.data[::-1, ::-1, 0].T, GREY)


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
    np.testing.assert_array_equal(read_picture(_saved(tmp_path, Image.fromarray(deep))).data[::-1, ::-1, 0].T, deep)


def test_a_picture_that_says_how_it_was_turned_lies_as_viewers_show_it(tmp_path: Path) -> None:
    """Catches a camera's or an export's rotation that is ignored: front would become side, and nothing would say so."""
    shown = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(np.rot90(shown)).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(shown).save(tmp_path / "plain.png")
    turned, plain = read_picture(tmp_path / "turned.png"), read_picture(tmp_path / "plain.png")
    assert np.array_equal(turned.data, plain.data)


def test_damaged_notes_on_turning_cost_the_notes_alone(tmp_path: Path) -> None:
    path = tmp_path / "slice.jpg"
    Image.fromarray(GREY).save(path, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x09")
    assert read_picture(path).data.shape == (*GREY.T.shape, 1)


def test_sixteen_bits_beside_transparency_are_told(tmp_path: Path) -> None:
    """Pillow gives eight of them."""
    rows = np.full((20, 30, 2), 0xFFFF, ">u2")
    rows[..., 0] = 0x1234
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, held in (
        (b"IHDR", struct.pack(">IIBBBBB", 30, 20, 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\x00" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ):
        parts.append(struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held)))
    (tmp_path / "deep.png").write_bytes(b"".join(parts))
    assert "eight-bits" in {finding.code for finding in read_picture(tmp_path / "deep.png").findings}


def test_the_contents_say_the_format(tmp_path: Path) -> None:
    """Br35H has PNG pictures that are called .jpg."""
    path = _saved(tmp_path, Image.fromarray(GREY))
    np.testing.assert_array_equal(read_picture(path.rename(tmp_path / "slice.jpg")).data[::-1, ::-1, 0].T, GREY)


def test_a_few_coloured_pixels_are_told_and_more_are_refused(tmp_path: Path) -> None:
    colours = np.repeat(GREY[..., None], 3, axis=2)
    colours[0, :12] = 255, 0, 0  # 12 of 2400: 0.5 %
    volume = read_picture(_saved(tmp_path, Image.fromarray(colours)))
    assert [finding.code for finding in volume.findings] == ["orientation-unknown", "coloured-marks"]
    assert volume.data[-1, -1, 0] == 76  # 0.299 * 255
    colours[0, 12] = 255, 0, 0
    with pytest.raises(InputError, match=r"slice.png: it is a colour picture \(0.5 % of its pixels"):
        read_picture(_saved(tmp_path, Image.fromarray(colours)))


def _cut_off(folder: Path, suffix: str) -> Path:
    path = _saved(folder, Image.fromarray(GREY), f"slice{suffix}")
    path.write_bytes(path.read_bytes()[:-400])
    return path


def _flipped(folder: Path) -> Path:
    path = _saved(folder, Image.fromarray(GREY))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    return path


def _transparent(folder: Path) -> Path:
    colours = np.repeat(GREY[..., None], 4, axis=2)
    colours[..., 3] = 255
    colours[3, 3, 3] = 254
    return _saved(folder, Image.fromarray(colours))


def _written(folder: Path, content: bytes) -> Path:
    (folder / "slice.png").write_bytes(content)
    return folder / "slice.png"


def test_of_a_cameras_several_pictures_the_first_is_read(tmp_path: Path) -> None:
    grey, small = Image.fromarray(GREY), Image.fromarray(GREY[:20, :20])
    alone = read_picture(_saved(tmp_path, grey, "alone.jpg", quality=95))
    path = _saved(tmp_path, grey, "several.jpg", format="MPO", save_all=True, append_images=[small], quality=95)
    several = read_picture(path)
    np.testing.assert_array_equal(several.data, alone.data)
    assert [finding.code for finding in several.findings] == ["orientation-unknown", "first-picture"]


@pytest.mark.parametrize(("name", "inside"), [("mask.png", 255), ("mask.png", 1), ("mask.jpg", 255)])
def test_a_mask_may_be_a_picture_of_the_same_size(tmp_path: Path, name: str, inside: int) -> None:
    drawn = np.zeros(GREY.shape, np.uint8)
    drawn[5:20, 8:30] = 1
    like = read_picture(_saved(tmp_path, Image.fromarray(GREY)))
    mask = read_picture_mask(_saved(tmp_path, Image.fromarray(drawn * inside), name), like)
    np.testing.assert_array_equal(mask[::-1, ::-1, 0].T, drawn > 0)
    with pytest.raises(InputError, match="59x40x1"):
        read_picture_mask(_saved(tmp_path, Image.fromarray(drawn[:, :-1] * inside), name), like)


def test_a_slice_is_no_mask(tmp_path: Path) -> None:
    path = _saved(tmp_path, Image.fromarray(GREY))
    with pytest.raises(InputError, match="grey values, as a scan does"):
        read_picture_mask(path, read_picture(path))


def _wide(folder: Path) -> Path:
    """A header alone, which claims more than anyone could hold."""
    path = _saved(folder, Image.fromarray(GREY))
    raw = bytearray(path.read_bytes())
    raw[16:24] = (60_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    return _written(folder, bytes(raw))


REFUSED = {
    "missing": (lambda folder: folder / "none.png", "there is no such file"),
    "empty": (lambda folder: _written(folder, b""), "the file is empty"),
    "text": (lambda folder: _written(folder, b"not a picture" * 10), "not a PNG or JPEG picture"),
    "cut off PNG": (lambda folder: _cut_off(folder, ".png"), "damaged or cut off"),
    "cut off JPEG": (lambda folder: _cut_off(folder, ".jpg"), "damaged or cut off"),
    "a bit is wrong": (_flipped, "damaged or cut off"),
    "transparent": (_transparent, "a part of it is transparent"),
    "animated": (
        lambda folder: _saved(folder, Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(GREY.T[:40, :40])]),
        "it holds 2 pictures",
    ),
    "tiny": (lambda folder: _saved(folder, Image.fromarray(GREY[:15])), "60 x 15 pixels"),
    "huge": (_wide, "too many for one slice"),
    "CMYK": (lambda folder: _saved(folder, Image.fromarray(GREY).convert("CMYK"), "slice.jpg"), "its colours are CMYK"),
    "another format": (lambda folder: _saved(folder, Image.fromarray(GREY), "slice.png", format="GIF"), "not a PNG or JPEG picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_slice_is_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    make, why = REFUSED[case]
    with pytest.raises(InputError, match=re.escape(why)):
        read_picture(make(tmp_path))
