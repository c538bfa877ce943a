"""Doing much in small transactions, between which other writers get their turn: how the audit log's chores go on."""

import time
from collections.abc import Callable

_TRANSACTIONS = 20  # of one call
_TURN = 0.003  # seconds between two of them


def by_little(is_waiting: Callable[[], bool], do_some: Callable[[], int]) -> None:
    """Do some for as long as something waits and `do_some` returns how much it did; a chore comes back for the rest.

    `is_waiting` is asked first: on SQLite a transaction that writes keeps all others waiting.
    """
    for _ in range(_TRANSACTIONS):
        if not is_waiting() or not do_some():
            return
        time.sleep(_TURN)
