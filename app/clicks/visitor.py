"""The hash that stands for a visitor, for one day."""

from functools import lru_cache
from hashlib import blake2b

_HASH_SIZE = 8
_USER_AGENT = 512  # characters that count


def visitor_hash(key: bytes, counted: bytes, user_agent: str) -> bytes:
    """Return the 8 bytes that stand for one visitor on the day of `key`, and for nobody once the key is gone.

    `counted` is what counts as one client (`app.addresses`): the same for all addresses of one IPv6 /64 (a
    household's), and for an IPv4 address in whatever notation.
    """
    agent = user_agent[:_USER_AGENT].encode("utf-8", "surrogatepass")
    hashed = _keyed(key).copy()
    # The length keeps the two apart: moving characters from one to the other makes another visitor.
    hashed.update(bytes((len(counted),)) + counted + agent)
    return hashed.digest()


@lru_cache(maxsize=1)  # of more than one a past day's key would stay in memory
def _keyed(key: bytes) -> blake2b:
    """The hash with its key taken in, to be copied: 0.7 us instead of 1.2."""
    return blake2b(digest_size=_HASH_SIZE, key=key)
