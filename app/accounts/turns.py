"""Turns at hashing passwords: how many of a process hash at once, and how many wait for them."""

import os

from app.turns import TooBusy, Turns

_PATIENCE = 0.25  # seconds for which one thread waits for its place in the line
_FOR_OTHERS = 2  # threads of a process that never stand in it


class TooManyHashes(TooBusy):
    """503: as many passwords are being hashed, or wait for it, as this process has room for."""

    work = "passwords"
    message = "Too many passwords are being checked at this moment; try again shortly."


def made(at_once: int, in_line: int) -> Turns:
    """Turns that refuse with TooManyHashes."""
    return Turns(at_once, in_line, TooManyHashes, _PATIENCE)


def fair(processes: int, threads: int) -> Turns:
    """The turns of one of several web processes: together they leave a core to all else that they do, where they are
    fewer than the cores. Each hashes one at a time at least: as many processes as cores may keep all of them busy."""
    cores = (os.cpu_count() or 1) - 1
    return made(max(1, cores // processes), max(1, threads - _FOR_OTHERS))
