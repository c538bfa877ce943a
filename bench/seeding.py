"""Databases of many links, made by one statement each."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    String,
    cast,
    create_engine,
    func,
    insert,
    literal,
    select,
    text,
)

from app.accounts.models import User
from app.clicks.models import DayKey
from app.links.codes import ALPHABET, LENGTH
from app.links.models import Link

# A step that shares no factor with the number of codes visits each of them once, in no order that an index likes.
_CODES = len(ALPHABET) ** LENGTH
_STEP = 7_368_787


def seed(url: str, links: int) -> None:
    """Add a user and so many plain links, and the keys of visitor hashes that a worker would make."""
    now = datetime.now(UTC)
    times = {"created_at": now, "updated_at": now}
    engine = create_engine(url)
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        if sqlite:
            connection.execute(text("PRAGMA cache_size = -4000000"))  # KiB: codes come in no order
        connection.execute(insert(User).values(id=1, public_id="usr_bench", **times))
        for day in range(3):
            key = {"day": (now + timedelta(days=day)).date(), "key": random.randbytes(32)}
            connection.execute(insert(DayKey).values(key))
        number = select(cast(literal(1), BigInteger).label("i")).cte("number", recursive=True)
        number = number.union_all(select(number.c.i + 1).where(number.c.i < links))
        code = code_of(number.c.i)
        target = literal("https://example.org/articles/", String) + cast(number.c.i, String)
        rows = select(code, target, literal(1), literal(now), literal(now))
        connection.execute(insert(Link).from_select(["code", "url", "owner_id", *times], rows))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)" if sqlite else "VACUUM ANALYZE links"))
    engine.dispose()


def code_of(number: ColumnElement[int]) -> ColumnElement[str]:
    """The code of each link, all different and in no order."""
    place = number * _STEP % _CODES
    code: ColumnElement[str] = literal("", String)
    for digit in range(LENGTH):
        index = place // len(ALPHABET) ** digit % len(ALPHABET) + 1
        code = code + func.substr(literal(ALPHABET, String), cast(index, Integer), 1, type_=String)
    return code


def write_codes(path: Path, links: int, asked: int) -> None:
    """Write `asked` of the codes of a database of so many links, in random order, one on a line."""
    chosen = random.Random(1).sample(range(1, links + 1), asked)
    path.write_text("".join(f"{_code(number)}\n" for number in chosen))


def _code(number: int) -> str:
    place = number * _STEP % _CODES
    return "".join(ALPHABET[place // len(ALPHABET) ** digit % len(ALPHABET)] for digit in range(LENGTH))
