"""The main job against a running Slugline, one line a step: ``python deploy/smoke.py https://go.example.org``.

Registers a throw-away account, shortens, follows, waits for the click, and takes everything away again. Where
registration is closed, SMOKE_EMAIL and SMOKE_PASSWORD name an account to use, which then stays. Only the standard
library, so that it runs from any machine. Exit status 1 at the first step that fails.
"""

import http.client
import json
import os
import secrets
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 10  # seconds for one answer
CLICK_WITHIN = 5.0  # seconds until a click must stand in the stats
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"  # curl and Python count as bots
)
API = "/api/v1"


class Failed(Exception):
    """A step did not go as it must; the message says what came instead."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Deployment:
    """The service at `base`: scheme, host and port; certificates are checked (SSL_CERT_FILE adds a private one)."""

    def __init__(self, base: str) -> None:
        self.base = urlsplit(base)
        self.token = ""
        if self.base.scheme not in ("http", "https") or not self.base.hostname:
            raise Failed(f"{base!r} is no URL such as https://go.example.org")

    def _connection(self) -> http.client.HTTPConnection:
        if self.base.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.base.netloc, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(self.base.netloc, timeout=TIMEOUT)

    def call(self, method: str, path: str, expected: int, body: object = None) -> Answer:
        """One request; raises `Failed` when the status is not `expected`. Follows no redirect."""
        headers = {"User-Agent": BROWSER, "Accept": "*/*"}
        if self.token and path.startswith(API):
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()
        if answer.status != expected:
            raise Failed(f"{method} {path} gave {answer.status}, not {expected}: {answer.body[:300]!r}")
        return answer


class Tour:
    """The steps in their order; each returns what its line shall say."""

    def __init__(self, deployment: Deployment) -> None:
        self.at = deployment
        self.email = os.environ.get("SMOKE_EMAIL") or f"smoke-{secrets.token_hex(8)}@example.org"
        self.password = os.environ.get("SMOKE_PASSWORD") or secrets.token_urlsafe(24)
        self.borrowed = "SMOKE_EMAIL" in os.environ
        self.target = f"https://example.com/smoke/{secrets.token_hex(8)}"
        self.code = self.short_path = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        before = [("health", self.health), ("ready", self.ready), ("docs", self.docs)]
        main = [("log in", self.log_in), ("shorten", self.shorten), ("follow", self.follow)]
        after = [("stats", self.stats), ("delete the link", self.delete_link)]
        if self.borrowed:
            return [*before, *main, *after]
        return [
            *before,
            ("register", self.register),
            *main,
            *after,
            ("delete the account", self.delete_account),
        ]

    def health(self) -> str:
        self.at.call("GET", "/healthz", 200)
        return "the process answers"

    def ready(self) -> str:
        self.at.call("GET", "/readyz", 200)
        return "all that it needs is there"

    def docs(self) -> str:
        self.at.call("GET", "/docs", 200)
        paths = self.at.call("GET", f"{API}/openapi.json", 200).json()["paths"]
        return f"{len(paths)} paths in the spec"

    def register(self) -> str:
        body = {"email": self.email, "password": self.password}
        return str(self.at.call("POST", f"{API}/auth/register", 201, body).json()["id"])

    def log_in(self) -> str:
        body = {"email": self.email, "password": self.password}
        self.at.token = self.at.call("POST", f"{API}/auth/login", 200, body).json()["access_token"]
        return self.email

    def shorten(self) -> str:
        link = self.at.call("POST", f"{API}/shorten", 201, {"url": self.target}).json()
        self.code = link["code"]
        # The path alone is followed: BASE may reach the service under another name than PUBLIC_URL.
        self.short_path = urlsplit(link["short_url"]).path
        return str(link["short_url"])

    def follow(self) -> str:
        location = self.at.call("GET", self.short_path, 302).headers.get("Location")
        if location != self.target:
            raise Failed(f"{self.short_path} leads to {location!r}, not to {self.target!r}")
        return f"to {location}"

    def stats(self) -> str:
        start = time.monotonic()
        while True:
            totals = self.at.call("GET", f"{API}/links/{self.code}/stats", 200).json()["totals"]
            waited = time.monotonic() - start
            if totals["clicks"] == 1:
                return f"the click shows after {waited:.1f} s"
            if totals["clicks"] > 1 or waited > CLICK_WITHIN:
                raise Failed(f"one visit, but after {waited:.1f} s the stats say {totals}")
            time.sleep(0.2)

    def delete_link(self) -> str:
        self.at.call("DELETE", f"{API}/links/{self.code}", 204)
        self.at.call("GET", f"{API}/links/{self.code}", 404)
        self.at.call("GET", self.short_path, 410)
        return "404 for its owner, 410 for visitors"

    def delete_account(self) -> str:
        self.at.call("DELETE", f"{API}/users/me", 204)
        self.at.call("GET", f"{API}/users/me", 401)
        return "its token is dead"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(base: str) -> int:
    name = "start"
    try:
        for name, step in Tour(Deployment(base)).steps():
            say(f"ok    {name:<20}{step()}")
    except (Failed, OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        say(f"FAIL  {name:<20}{type(error).__name__}: {error}")
        return 1
    say(f"{base} does its main job.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
