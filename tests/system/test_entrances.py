"""One set of rules, three entrances: link state x method x header x query x Host gets the same status, headers, body
and record from the hot worker, from the WSGI callable in front of Flask, and from the Flask route alone; directly,
behind a proxy, and where HTTPS is forced."""

import itertools
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.conftest import environment
from tests.e2e.gunicorns import HOT, PLAIN, Spooled, connect, steady
from tests.e2e.vectors import BROWSER, LINKS, request, seed
from tests.service import Service

CODES = [code for code in LINKS if code != "laborious"] + ["unknown", "c" * 65]
SOME = ("plain", "forwarding", "expiring", "limited", "unknown")
METHODS = ("GET", "HEAD", "POST", "PUT")
READING = METHODS[:2]
QUERIES = ("", "?fbclid=a%20b&url=//evil.example")
HOSTS = ("sho.rt", "second.example:8443", "127.0.0.1", "second.example..", "a..b", "x" * 300, "a b", "")
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
    "websocket": ("Connection: Upgrade", "Upgrade: websocket"),
}
PROXIED: dict[str, tuple[str, ...]] = {
    "by https": ("X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7"),
    "by http": ("X-Forwarded-Proto: http", "X-Forwarded-For: 6.6.6.6, 198.51.100.7"),
    "by wss": ("X-Forwarded-Proto: wss", "X-Forwarded-For: 2001:db8:1:2::3", *HEADERS["websocket"]),
    "by ws": ("X-Forwarded-Proto: ws", "X-Forwarded-For: 203.0.113.7"),
    "loudly": ("X-Forwarded-Proto: HTTPS", "X-Forwarded-For: unknown"),
    "oddly": ('X-Forwarded-Proto: "https"', "X-Forwarded-For: 203.0.113.7, , "),
    "past it": BROWSER,
}
ALL_HEADERS = {**HEADERS, **PROXIED}
Case = tuple[str, str, str, str, str]
DIRECT: list[Case] = [
    *itertools.product(CODES, READING, HEADERS, QUERIES[:1], HOSTS[:1]),
    *itertools.product(CODES, METHODS[2:], ("browser", "program"), QUERIES[:1], HOSTS[:1]),
    *itertools.product(SOME, METHODS, ("browser",), QUERIES[1:], HOSTS),
]
BY_PROXY: list[Case] = [
    *itertools.product(SOME, METHODS, PROXIED, QUERIES[:1], HOSTS[:1]),
    *itertools.product(SOME[:1], READING, PROXIED, QUERIES[1:], (HOSTS[1], "a..b")),
]
ONE_HOP = {"PROXY_HOPS": "1"}
HOUSES: dict[str, tuple[str, dict[str, str], list[Case]]] = {
    "SQLite": ("sqlite", {}, DIRECT),
    "PostgreSQL behind a proxy": ("postgresql", ONE_HOP, [*DIRECT, *BY_PROXY]),
    "HTTPS": ("sqlite", {**ONE_HOP, "FORCE_HTTPS": "true"}, BY_PROXY),
}
SETTINGS = {"GUESSES_LINK": "none", "RATELIMIT_ENABLED": "false", "PYTHONHASHSEED": "0"}
ENTRANCES = {
    "worker": (HOT, "wsgi:app"),
    "wsgi": (PLAIN, "wsgi:app"),
    "flask": (PLAIN, "bench.flask_alone:app"),
}
Told = list[tuple[bytes, list[list[object]]]]


def _told(
    url: str, folder: Path, settings: dict[str, str], cases: list[Case]
) -> dict[str, tuple[Told, dict[str, int]]]:
    """By entrance: for each case answer and record, and how many redirects each entrance of that server sent."""
    seed(url)
    found = {}
    for name, (worker, application) in ENTRANCES.items():
        own = {"GUNICORN_CMD_ARGS": f"--worker-class {worker}", **SETTINGS, **settings}
        (folder / name).mkdir()
        variables = {**environment(url, folder / name), **own}
        service = Service(variables, folder / name, application, public_url="https://sho.rt")
        with closing(service):
            service.web.start()
            service.wait_for_web()
            # Opens the spool, which the poller thread leaves to others.
            service.call("GET", "/s/plain", headers={"X-Forwarded-Proto": "https"})
            found[name] = _ask(service, cases), _sent(service)
    return found


def _ask(service: Service, cases: list[Case]) -> Told:
    spooled = Spooled(service)
    spooled.new()
    told: Told = []
    with connect(service) as connection, connection.makefile("rb") as answers:
        for code, method, headers, query, host in cases:
            line = f"{method} /s/{code}{query} HTTP/1.1"
            connection.sendall(request(line, *ALL_HEADERS[headers]).replace(b"sho.rt", host.encode(), 1))
            told.append((steady(_next(answers, method)), spooled.new()))
    return told


def _next(answers: BinaryIO, method: str) -> bytes:
    head = b"".join(itertools.takewhile(bytes.strip, iter(answers.readline, b"")))
    assert head, "the server hung up"
    length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", head)
    return head + (answers.read(int(length[1])) if length and method != "HEAD" else b"")


def _sent(service: Service) -> dict[str, int]:
    metrics = service.call("GET", "/metrics").body.decode()
    counts = re.findall(r'^slugline_redirects_total\{entrance="(\w+)"\} ([0-9.]+)$', metrics, re.MULTILINE)
    return {entrance: int(float(count)) for entrance, count in counts}


@pytest.mark.parametrize("house", HOUSES)
def test_fast_entrances_tell_what_the_flask_route_tells(
    house: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    engine, settings, cases = HOUSES[house]
    told = _told(new_database(engine), tmp_path, settings, cases)
    flask, _ = told["flask"]
    for entrance in ("worker", "wsgi"):
        pairs = zip(cases, told[entrance][0], flask, strict=True)
        assert [(entrance, case, ours, flasks) for case, ours, flasks in pairs if ours != flasks] == []
    # The control: were all of it left to Flask, the three would agree as well.
    sent = {name: counts for name, (_, counts) in told.items()}
    assert sent["flask"] == {"worker": 0, "wsgi": 0, "flask": sum(sent["flask"].values())}
    assert sent["wsgi"]["worker"] == 0
    for entrance in ("worker", "wsgi"):
        assert sent[entrance][entrance] > sum(sent[entrance].values()) / 10
    assert len({sum(counts.values()) for counts in sent.values()}) == 1
