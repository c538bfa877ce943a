"""Pictures that strangers send: told by their bytes, decoded within bounds, drawn anew.

What comes out is made of pixels alone: no metadata (a place, a camera), no second file hidden behind the picture, no
exploit of another decoder goes along (OWASP File Upload Cheat Sheet).
"""

import io
import struct

from PIL import Image, ImageOps

from app.turns import TooBusy, Turns

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 16_000_000
"""Of a picture that is decoded. Some 400 MB are taken meanwhile at the worst: WebP's decoder keeps several copies."""
_TOO_MANY = f"A picture has at most {MOST_PIXELS:,} pixels."
_AVERAGED = (
    "L",
    "LA",
    "RGB",
    "RGBA",
    "CMYK",
)  # modes whose pixels are shrunk as they are; a palette's are numbers


class TooManyPictures(TooBusy):
    """503: one picture is being decoded, and another waits for it."""

    work = "pictures"
    message = "Too many pictures are being read at this moment; try again shortly."


# One at a time in a process: several at once would add up to what the bound is there to prevent. And one waits: few
# bytes make half a second of work, and a line of such would hold all threads.
_turns = Turns(at_once=1, in_line=2, refusal=TooManyPictures, patience=0)


class NoPicture(ValueError):
    """What is wrong with the bytes, in a sentence."""


def square(data: bytes, side: int) -> bytes:
    """The middle of a picture as a PNG of `side` x `side` pixels, upright. Raises NoPicture, TooManyPictures."""
    try:
        with _turns.take(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise NoPicture(_TOO_MANY)
            picture.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded smaller, where that is enough
            # Shrunk first: turned and converted at full size it would take as much memory again, twice.
            small = ImageOps.fit(_averaged(picture), (side, side))
            return _png(ImageOps.exif_transpose(small).convert("RGBA"))
    except NoPicture:
        raise
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):  # the latter where warnings are errors
        raise NoPicture(_TOO_MANY) from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
    ):  # what Pillow raises for broken files of its formats
        raise NoPicture("Must be a JPEG, PNG, WebP or GIF picture.") from None


def _averaged(picture: Image.Image) -> Image.Image:
    """The picture in a mode of which a mean of pixels is a colour."""
    if picture.mode in _AVERAGED and "transparency" not in picture.info:
        return picture
    return picture.convert("RGBA")


def _png(picture: Image.Image) -> bytes:
    """Of the pixels only: Pillow would write what it read beside them (a colour profile, comments)."""
    clean = Image.new("RGBA", picture.size)
    clean.paste(picture)
    file = io.BytesIO()
    clean.save(file, "PNG", optimize=True)
    return file.getvalue()
