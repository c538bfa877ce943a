"""The country a click came from, by the network its address was cut to."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import iptocc
import maxminddb

CountryOf = Callable[[str], str]
"""Takes a network such as 203.0.113.0/24, returns ISO 3166 alpha-2 in capitals, "" if unknown or private."""


def countries(database: str = "") -> CountryOf:
    """Choose the source: an .mmdb file of the owner's (GEOIP_DATABASE), else the tables that iptocc ships.

    Raises OSError or maxminddb.InvalidDatabaseError when the file is no such database.
    """
    if not database:
        return _by_registries
    reader = maxminddb.open_database(database)

    @lru_cache(maxsize=4096)
    def by_reader(network: str) -> str:
        try:
            return _code(reader.get(network.partition("/")[0]))
        except (ValueError, maxminddb.InvalidDatabaseError):
            # No address, or IPv6 in a database of IPv4; or a damaged one, which must not stop ingest.
            return ""

    return by_reader


def _by_registries(network: str) -> str:
    """0.3 us a look-up in tables in memory, of 15 for a line: less than a cache that many networks pass through."""
    return iptocc.country_code(network.partition("/")[0]) or ""


def _code(record: Any) -> str:
    """The country in a record shaped like GeoLite2's, or else where the network is registered."""
    for part in ("country", "registered_country"):
        place = record.get(part) if isinstance(record, dict) else None
        code = place.get("iso_code") if isinstance(place, dict) else None
        if isinstance(code, str) and len(code) == 2:
            return code.upper()
    return ""
