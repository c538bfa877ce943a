"""The one table that `make bench` ends with, ratios first: parts tell lines, `python -m bench` prints them."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.measuring import percentile

FILE = "BENCH_TABLE"
"""The variable that names where lines are kept until the end; without it a part runs alone."""
_HEAD = ("ratio", "of", "measured", "a second", "p50 ms", "p99 ms", "CPU µs", "RSS MiB", "anonymous MiB")
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Line:
    """What was measured, as the text of its cells. A cell with several figures has them for several sizes."""

    measured: str
    ratio: str = ""
    of: str = ""
    """What is 1."""
    rate: str = ""
    p50: str = ""
    p99: str = ""
    cpu: str = ""
    rss: str = ""
    anonymous: str = ""


def compared(measured: str, seconds: Sequence[float], base: float, of: str, share: float = 0.99) -> Line:
    """Calls of so many seconds each: their percentile at `share` beside `base`, in seconds too."""
    p50, p99 = (percentile(seconds, share) for share in (0.5, 0.99))
    return Line(
        f"{measured} ({len(seconds):,} calls)",
        ratios([percentile(seconds, share)], base),
        of,
        p50=milliseconds(p50),
        p99=milliseconds(p99),
    )


def tell(line: Line) -> None:
    """Have the line printed at the end of `make bench`."""
    if FILE in os.environ:
        with Path(os.environ[FILE]).open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")


def told(file: Path) -> Iterator[Line]:
    """What was told so far, in that order."""
    for line in file.read_text().splitlines() if file.exists() else ():
        yield Line(**json.loads(line))


def markdown(lines: Iterable[Line]) -> Iterator[str]:
    """The table."""
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---" * len(_HEAD) + "|"
    yield from map(row, lines)


def row(line: Line) -> str:
    """The line as the table has it."""
    cells = (line.ratio, line.of, line.measured, line.rate, line.p50, line.p99, line.cpu)
    return f"| {' | '.join((*cells, line.rss, line.anonymous))} |"


def powers(sizes: Iterable[int]) -> str:
    """Powers of ten by their exponents: ``1e3 · 1e5``."""
    return " · ".join(f"1e{len(str(size)) - 1}" for size in sizes)


def ratios(values: Iterable[float], base: float) -> str:
    """How many times `base` each is."""
    return " · ".join(f"{value / base:.2f}" for value in values)


def milliseconds(*seconds: float) -> str:
    return " · ".join(f"{1e3 * value:.2f}" for value in seconds)


def microseconds(*seconds: float, digits: int = 1) -> str:
    return " · ".join(f"{1e6 * value:.{digits}f}" for value in seconds)


def mebibytes(*sizes: float) -> str:
    return " · ".join(f"{size / _MIB:.0f}" for size in sizes)
