"""How many lines a transaction takes: as many as it stores in the time that it may keep others waiting.

The more lines, the fewer rows of roll-ups and pages of indexes each of them costs. But on SQLite all other writers
wait for the transaction. While there are none, batches are long, and the first writer who waits for one has it given
up; where there are some, batches are short, and are stored whoever waits.

How long a line takes depends on the machine, on what else it does, and on whether the lines are of a few busy links
or of a hundred thousand: no number fits all.
"""

import math
import time

from app import clock, database

LEAST, FIRST, MOST = 100, 500, 16_000
"""Lines."""
AIMS = {"sqlite": 0.2, "postgresql": 0.3}
"""Seconds. Of PostgreSQL's writers only another host's ingester waits, for the roll-ups it shares; who waits on
SQLite does so for some milliseconds, whatever the aim, and what was done so far is done again."""
AIM_BESIDE_WRITERS = 0.005
"""Seconds, as long as writers are seen to wait for each other: then one is likely to wait for the next batch, and if
that were given up, too, clicks might never be stored."""
PAUSE = 0.003
"""Seconds between batches, in which other writers get their turn (they look every 1 ms): beside hundreds of small
files their median wait was 3 to 6 ms without it, and 1 to 3 ms with it."""
PAUSE_BESIDE_WRITERS = 0.015
"""The same as long as there are some: what they do takes the processor as well, and clicks can wait."""
_LATELY = 2.0  # seconds


class Paces:
    """Two of them, since what fits the one would take the other long to find: beside writers, and alone."""

    def __init__(self, engine: str) -> None:
        """`engine` is "sqlite" or "postgresql"."""
        self._alone = Pace(AIMS[engine], PAUSE, gives_way=True)
        self._beside_writers = Pace(AIM_BESIDE_WRITERS, PAUSE_BESIDE_WRITERS, gives_way=False)
        self._gave_way = -math.inf

    @property
    def present(self) -> "Pace":
        """The one to keep to now."""
        quiet = min(clock.now().timestamp() - database.last_wait(), time.monotonic() - self._gave_way)
        return self._beside_writers if quiet < _LATELY else self._alone

    def gave_way(self) -> "Pace":
        """The one to keep to for a while after a batch was given up: its lines are stored, whoever waits."""
        self._gave_way = time.monotonic()
        return self._beside_writers


class Pace:
    """The size of the next batch, by how long the last ones took."""

    def __init__(self, aim: float, pause: float, *, gives_way: bool) -> None:
        self._aim = aim
        self.pause = pause
        self.gives_way = gives_way
        self.lines = min(max(FIRST, LEAST), MOST)

    def took(self, lines: int, seconds: float) -> None:
        """Learn from a transaction: half of the way to what would have taken as long as it should."""
        if lines == self.lines:  # of one that was not full the time goes elsewhere
            fitting = self.lines * self._aim / seconds
            self.lines = min(max(round((self.lines + fitting) / 2), LEAST), MOST)
