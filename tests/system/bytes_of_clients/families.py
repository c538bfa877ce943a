"""Bytes that clients send: for each the poller thread of the hot worker must do as Gunicorn's own parser would.

Vectors are grouped into families; each has a name, and what is known of who answers it.
"""

from tests.system.bytes_of_clients.fields import framing, headers
from tests.system.bytes_of_clients.lines import hosts, syntax, targets
from tests.system.bytes_of_clients.requests import methods, pipelines, splits, states
from tests.system.bytes_of_clients.vector import Vector

FAMILIES: dict[str, dict[str, Vector]] = {
    family.__name__: dict(family())
    for family in (states, splits, pipelines, syntax, targets, hosts, framing, headers, methods)
}
