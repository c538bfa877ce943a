"""What a client sends: a vector."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Vector:
    """What a client sends, each piece in a segment of its own."""

    pieces: tuple[bytes, ...]
    by_poller: int | None = None
    """How many requests of it the poller thread answers itself; None where either may."""


def whole(sent: bytes | str, by_poller: int | None = None) -> Vector:
    """All in one segment."""
    return Vector((sent.encode("latin-1") if isinstance(sent, str) else sent,), by_poller)
