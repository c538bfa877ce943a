"""The share of branches that the tests took: ``coverage json -q -o - | python -m tests.branches``

pytest-cov's bound holds lines and branches together, and there are seven times as many lines. What runs only in
processes that tests start, as the hot worker does, is not measured and counts as not taken. Exit status 1 where the
share is too small.
"""

import json
import sys
from collections.abc import Mapping

LEAST = 0.95


def judged(totals: Mapping[str, int]) -> tuple[str, bool]:
    """The share in words, and whether it suffices; `totals` as in coverage's report in JSON."""
    taken, known = totals["covered_branches"], totals["num_branches"]
    return f"Branches of app/: {taken:,} of {known:,} taken, {taken / known:.2%}", taken >= LEAST * known


def main() -> int:
    told, suffices = judged(json.load(sys.stdin)["totals"])
    sys.stdout.write(told + ("\n" if suffices else f"; at least {LEAST:.0%} are wanted\n"))
    return 0 if suffices else 1


if __name__ == "__main__":
    sys.exit(main())
