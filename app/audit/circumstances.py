"""Who acts, by which credential, in which request: told by the door, so that no noun hands it on."""

from contextvars import ContextVar
from dataclasses import dataclass, replace

SYSTEM, OPERATOR = "system", "operator"


@dataclass(frozen=True)
class Circumstances:
    """`actor` and `credential` as `AuditEvent` has them; `ip_prefix` a /24 or /48, empty where there is none."""

    actor: str | None = SYSTEM
    credential: str | None = None
    request_id: str | None = None
    ip_prefix: str = ""


_NOBODY = Circumstances()
_circumstances: ContextVar[Circumstances] = ContextVar("circumstances", default=_NOBODY)


def begin(circumstances: Circumstances) -> None:
    """Tell of what follows in this context; a door calls it first thing."""
    _circumstances.set(circumstances)


def name(actor: str, credential: str | None = None) -> None:
    """Tell who it is, once that is known."""
    _circumstances.set(replace(current(), actor=actor, credential=credential))


def current() -> Circumstances:
    return _circumstances.get()
