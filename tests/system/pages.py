"""Pages whose examples are run: their blocks, and what differs from run to run in what they print."""

import re

BASE = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VOLATILE = (
    (re.compile(r"\b(usr|req|ses)_\w{22}"), r"\1_…"),
    (re.compile(r"/s/\w{7}$", re.MULTILINE), "/s/<code>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"^Date: .*$", re.MULTILINE), "Date: <time>"),
)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return [(match[1], match[2]) for match in _BLOCK.finditer(text)]


def settled(text: str) -> str:
    """What a block printed, or what its page shows, without what no two runs share."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
