"""What the measurements of this folder share: timing calls, and percentiles."""

import math
import time
from collections.abc import Callable, Sequence


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Seconds of each of `times` calls, one after the other."""
    return [_seconds(call) for _ in range(times)]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: of 100 values, the 99th smallest for 0.99."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def row(name: str, seconds: Sequence[float]) -> str:
    """A line of a table: count, median, 99th percentile and maximum, in milliseconds."""
    figures = (percentile(seconds, 0.5), percentile(seconds, 0.99), max(seconds))
    return f"  {name:<44}{len(seconds):>6}" + "".join(f"{1000 * value:>10.1f}" for value in figures)


HEADER = f"  {'':<44}{'calls':>6}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
