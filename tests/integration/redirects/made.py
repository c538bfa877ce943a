"""What the tests of the visitors' door know of the links that their fixtures make."""

from collections.abc import Callable
from typing import NamedTuple

from app.clicks.line import ClickLine

TARGET = "https://example.com/landing"
PASSWORD = "open sesame"


class Made(NamedTuple):
    id: int
    code: str


LinkFactory = Callable[..., Made]
Spooled = Callable[[], list[ClickLine]]
ClicksUsed = Callable[[int], int]
