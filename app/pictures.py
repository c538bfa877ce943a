"""Pictures that strangers send: told by their bytes, decoded within bounds, drawn anew.

What comes out is made of pixels alone: no metadata (a place, a camera), no second file hidden behind the picture, no
exploit of another decoder goes along (OWASP File Upload Cheat Sheet).
"""

import io
import struct
import threading

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 16_000_000
"""Of a picture that is decoded: 64 MB as RGBA."""
_TOO_MANY = f"A picture has at most {MOST_PIXELS:,} pixels."

# One at a time in a process: several at once would add up to what the bound is there to prevent.
_decoding = threading.Lock()


class NoPicture(ValueError):
    """What is wrong with the bytes, in a sentence."""


def square(data: bytes, side: int) -> bytes:
    """The middle of a picture as a PNG of `side` x `side` pixels, upright. Raises NoPicture."""
    try:
        with _decoding, Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise NoPicture(_TOO_MANY)
            picture.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded smaller, where that is enough
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
            return _png(ImageOps.fit(upright, (side, side)))
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


def _png(picture: Image.Image) -> bytes:
    """Of the pixels only: Pillow would write what it read beside them (a colour profile, comments)."""
    clean = Image.new("RGBA", picture.size)
    clean.paste(picture)
    file = io.BytesIO()
    clean.save(file, "PNG", optimize=True)
    return file.getvalue()
