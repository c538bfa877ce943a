"""The chain that shows whether an event was changed, removed, inserted or moved since it was sealed.

Each seal is an HMAC-SHA256 over the one before it and the event. So whoever has the database and not SECRET_KEY can
seal nothing. Where the chain begins and ends stands in a row of its own under an HMAC: a tail that was cut off does
not match it. What this cannot tell, and what does: docs/adr/0014.
"""

import hmac
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from flask import current_app
from sqlalchemy import Connection, exists, select, update

from app import database
from app.audit.models import AuditChain, AuditEvent, AuditSeal

EVENT = tuple(AuditEvent.__table__.columns)
"""The columns of an event, which are what is sealed of it, in this order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NOTHING = bytes(32)
"""What stands in place of a hash before the first event."""


class ChainBroken(Exception):
    """What is stored of the chain is not what was written with this SECRET_KEY."""


@dataclass(frozen=True)
class Chain:
    """Where the chain ends (`sealed`), where it begins since older events were deleted (`pruned`), and how much of
    it is in the security log (`logged`)."""

    sealed_seq: int = 0
    sealed_hash: bytes = NOTHING
    pruned_seq: int = 0
    pruned_hash: bytes = NOTHING
    logged_seq: int = 0

    def mac(self) -> bytes:
        told = [value.hex() if isinstance(value, bytes) else value for value in astuple(self)]
        return hmac.digest(_key("chain"), orjson.dumps(told), "sha256")


class Sealer:
    """Works out seals; knows the key."""

    def __init__(self) -> None:
        self._key = _key("events")

    def seal(self, before: bytes, event: Sequence[Any]) -> bytes:
        """The seal of an event, its `EVENT` columns, behind the seal `before`."""
        return hmac.digest(self._key, before + _bytes(event), "sha256")


def read(connection: Connection) -> Chain:
    """The chain as it stands. Raises ChainBroken."""
    row = connection.execute(select(*_COLUMNS, AuditChain.mac)).one_or_none()
    if row is None:
        # In one statement: between two, another worker may have begun the chain.
        orphaned = select(AuditSeal.seq).where(~exists().select_from(AuditChain)).limit(1)
        if connection.scalar(orphaned) is not None:
            raise ChainBroken("There are seals, and nothing that says where their chain ends.")
        return Chain()
    return _checked(row)


def hold(connection: Connection) -> Chain | None:
    """The chain, which nobody else writes until this transaction ends; None where somebody else has it.

    Raises ChainBroken.
    """
    if connection.scalar(select(AuditChain.id)) is None:
        first = read(connection)
        row = database.insert_into(AuditChain, connection).values(id=1, **vars(first), mac=first.mac())
        connection.execute(row.on_conflict_do_nothing())
    held = select(*_COLUMNS, AuditChain.mac).with_for_update(skip_locked=True)
    found = connection.execute(held).one_or_none()
    return found and _checked(found)


def move(connection: Connection, chain: Chain) -> None:
    """Store where the chain, which is held, is now."""
    connection.execute(update(AuditChain).values(**vars(chain), mac=chain.mac()))


_COLUMNS = [getattr(AuditChain, name) for name in Chain.__dataclass_fields__]


def _checked(row: Any) -> Chain:
    *values, mac = row
    chain = Chain(*values)
    if not hmac.compare_digest(chain.mac(), mac):
        raise ChainBroken("Where the chain ends was not written with this SECRET_KEY.")
    return chain


def _bytes(event: Sequence[Any]) -> bytes:
    """One spelling of an event, the same on both engines: a JSON array, times in microseconds since 1970."""
    told = [(value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value for value in event]
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def _key(purpose: str) -> bytes:
    """Keyed apart from all else that the secret keys."""
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), f"audit {purpose}".encode(), "sha256")
