"""app/pictures.py: what becomes of the pixels, whatever they are kept as."""

import io
from typing import Any

import pytest
from PIL import Image

from app import pictures

SIDE = 64
TURNED = {0x0112: 6}  # the orientation of a camera held upright: turn the picture clockwise


def squared(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(io.BytesIO(pictures.square(file.getvalue(), SIDE)))


def halves(mode: str, left: Any, right: Any) -> Image.Image:
    image = Image.new(mode, (300, 100), right)
    image.paste(left, (0, 0, 150, 100))
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_long_picture_is_turned_upright(kind: str) -> None:
    exif = Image.Exif()
    exif.update(TURNED)
    shown = squared(halves("RGB", "red", "blue"), kind, exif=exif)
    red, _, blue, _ = shown.getpixel((SIDE // 2, 2))
    assert red > 200 > blue
    red, _, blue, _ = shown.getpixel((SIDE // 2, SIDE - 3))
    assert blue > 200 > red


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        (halves("RGB", "white", "black"), "PNG", {}),
        (halves("RGBA", (255, 255, 255, 255), (0, 0, 0, 255)), "WEBP", {"lossless": True}),
        (halves("L", 255, 0), "PNG", {}),
        (halves("LA", (255, 255), (0, 255)), "PNG", {}),
        (halves("1", 1, 0), "PNG", {}),
        (halves("P", 1, 0), "GIF", {}),
        (halves("CMYK", (0, 0, 0, 0), (0, 0, 0, 255)), "JPEG", {}),
        (halves("I;16", 65_535, 0), "PNG", {}),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_every_mode_comes_out_as_it_looks(image: Image.Image, kind: str, options: dict[str, Any]) -> None:
    if image.mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    shown = squared(image, kind, **options)
    assert (shown.mode, shown.size) == ("RGBA", (SIDE, SIDE))
    light, dark = shown.getpixel((2, 2)), shown.getpixel((SIDE - 3, 2))
    assert min(light[:3]) > 240
    assert max(dark[:3]) < 15
    assert (light[3], dark[3]) == (255, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_colour_that_stands_for_nothing_becomes_nothing(mode: str) -> None:
    clear = {"RGB": (9, 9, 9), "L": 9, "P": 1}[mode]
    image = halves(mode, clear, {"RGB": (200, 0, 0), "L": 200, "P": 0}[mode])
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    shown = squared(image, "PNG", transparency=clear)
    assert (shown.getpixel((2, 2))[3], shown.getpixel((SIDE - 3, 2))[3]) == (0, 255)
