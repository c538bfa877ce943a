"""One set of rules, three entrances: link state x method x header x query x Host gets the same status, headers, body
and record from the hot worker, from the WSGI callable in front of Flask, and from the Flask route alone."""

import itertools
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

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


def _told(url: str, folder: Path) -> dict[str, tuple[Told, dict[str, int]]]:
    """By entrance: for each case answer and record, and how many redirects each entrance of that server sent."""
    seed(url)
    found = {}
    for name, (worker, application) in ENTRANCES.items():
        own = {"GUNICORN_CMD_ARGS": f"--worker-class {worker}", **SETTINGS}
        (folder / name).mkdir()
        service = Service({**environment(url, folder / name), **own}, folder / name, application)
        with closing(service):
            service.web.start()
            service.wait_for_web()
            service.visit("plain")  # opens the spool, which the poller thread leaves to others
            found[name] = _ask(service), _sent(service)
    return found


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


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_fast_entrances_tell_what_the_flask_route_tells(
    engine: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    told = _told(new_database(engine), tmp_path)
    flask, _ = told["flask"]
    for entrance in ("worker", "wsgi"):
        pairs = zip(CASES, told[entrance][0], flask, strict=True)
        assert [(entrance, case, ours, flasks) for case, ours, flasks in pairs if ours != flasks] == []
    # The control: were all of it left to Flask, the three would agree as well.
    sent = {name: counts for name, (_, counts) in told.items()}
    assert sent["flask"] == {"worker": 0, "wsgi": 0, "flask": sum(sent["flask"].values())}
    assert sent["wsgi"]["worker"] == 0
    assert sent["wsgi"]["wsgi"] > len(CASES) / 10
    assert sent["worker"]["worker"] > len(CASES) / 10
    assert len({sum(counts.values()) for counts in sent.values()}) == 1
