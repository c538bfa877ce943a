"""One set of rules, three entrances: link state x method x header x query x Host gets the same status, headers, body
and record from the hot worker, from the WSGI callable in front of Flask, and from the Flask route alone."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import environment
from tests.e2e.gunicorns import HOT, PLAIN, Spooled, answer, connect, head, steady
from tests.e2e.vectors import BROWSER, LINKS, request, seed
from tests.service import Service

CODES = [code for code in LINKS if code != "laborious"] + ["unknown", "c" * 65]
METHODS = ("GET", "HEAD")
QUERIES = ("", "?fbclid=a%20b&url=//evil.example")
HOSTS = ("sho.rt", "second.example:8443", "127.0.0.1")
HEADERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "browser": BROWSER,
    "program": ("Accept: application/json", "User-Agent: curl/8.5.0"),
    "preview agent": ("User-Agent: WhatsApp/2.23.20.0 A",),
    "ahead of time": ("Sec-Purpose: prefetch;prerender", *BROWSER),
    "private": ("Sec-GPC: 1", *BROWSER),
    "not tracked": ("DNT: 1", "User-Agent: Opera"),
    "trackable": ("DNT: 0", "Referer: https://a.example/"),
    "forwarded": ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6"),
}
SOME = ("plain", "forwarding", "expiring", "limited", "unknown")
CASES = [
    *itertools.product(CODES, ("GET",), HEADERS, QUERIES[:1], HOSTS[:1]),
    *itertools.product(CODES, ("HEAD",), ("browser", "program"), QUERIES[:1], HOSTS[:1]),
    *itertools.product(SOME, METHODS, ("browser", "program"), QUERIES[1:], HOSTS),
]
SETTINGS = {"GUESSES_LINK": "none", "RATELIMIT_ENABLED": "false", "PYTHONHASHSEED": "0"}
ENTRANCES = {
    "worker": (HOT, "wsgi:app"),
    "wsgi": (PLAIN, "wsgi:app"),
    "flask": (PLAIN, "bench.flask_alone:app"),
}
Told = list[tuple[bytes, list[list[object]]]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def told(
    request: pytest.FixtureRequest,
    new_database: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, tuple[Told, dict[str, int]]]]:
    """By entrance: for each case answer and record, and how many redirects each entrance of that server sent."""
    url = new_database(request.param)
    seed(url)
    with ExitStack() as stack:
        found = {}
        for name, (worker, application) in ENTRANCES.items():
            folder = tmp_path_factory.mktemp(name)
            own = {"GUNICORN_CMD_ARGS": f"--worker-class {worker}", **SETTINGS}
            service = Service({**environment(url, folder), **own}, folder, application)
            stack.callback(service.close)
            service.web.start()
            service.wait_for_web()
            service.visit("plain")  # opens the spool, which the poller thread leaves to others
            found[name] = _ask(service), _sent(service)
        yield found


def _ask(service: Service) -> Told:
    spooled = Spooled(service)
    spooled.new()
    connection = connect(service)
    told: Told = []
    with connection:
        for code, method, headers, query, host in CASES:
            line = f"{method} /s/{code}{query} HTTP/1.1"
            connection.sendall(request(line, *HEADERS[headers]).replace(b"sho.rt", host.encode(), 1))
            got = head(connection) if method == "HEAD" else answer(connection)
            told.append((steady(got), spooled.new()))
    return told


def _sent(service: Service) -> dict[str, int]:
    metrics = service.call("GET", "/metrics").body.decode()
    counts = re.findall(r'^slugline_redirects_total\{entrance="(\w+)"\} ([0-9.]+)$', metrics, re.MULTILINE)
    return {entrance: int(float(count)) for entrance, count in counts}


@pytest.mark.parametrize("entrance", ["worker", "wsgi"])
def test_fast_entrance_tells_what_the_flask_route_tells(
    told: dict[str, tuple[Told, dict[str, int]]], entrance: str
) -> None:
    pairs = zip(CASES, told[entrance][0], told["flask"][0], strict=True)
    assert [(case, ours, flasks) for case, ours, flasks in pairs if ours != flasks] == []


def test_each_server_used_the_entrance_it_is_named_for(
    told: dict[str, tuple[Told, dict[str, int]]],
) -> None:
    """The control: were all of it left to Flask, the three would agree as well."""
    sent = {name: counts for name, (_, counts) in told.items()}
    assert sent["flask"] == {"worker": 0, "wsgi": 0, "flask": sum(sent["flask"].values())}
    assert sent["wsgi"]["worker"] == 0
    assert sent["wsgi"]["wsgi"] > len(CASES) / 10
    assert sent["worker"]["worker"] > len(CASES) / 10
    assert len({sum(counts.values()) for counts in sent.values()}) == 1
