"""The API's everyday mix, for Locust: people who sign in once, look at their links, make some, and visitors.

``python -m bench.api`` starts Slugline and this. Or against one that runs with RATELIMIT_ENABLED=false::

    .venv/bin/locust -f bench/locustfile.py --headless -u 20 -t 30s --host http://127.0.0.1:8000
"""

import random
import secrets
from typing import Any

from locust import HttpUser, between, task

API = "/api/v1"
PASSWORD = "correct horse battery"
FIRST = 20  # links that everybody has from the start


class Member(HttpUser):
    """Somebody with an account, a browser's pause between two calls."""

    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        account = {"email": f"{secrets.token_hex(8)}@example.org", "password": PASSWORD}
        self.call("POST", "/auth/register", json=account)
        tokens = self.call("POST", "/auth/login", json=account).json()
        self.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.codes: list[str] = []
        for _ in range(FIRST):
            self.create()

    @task(10)
    def list_links(self) -> None:
        self.call("GET", "/links?limit=20", name="/links")

    @task(5)
    def create(self) -> None:
        link = {"url": f"https://example.org/{secrets.token_hex(8)}", "tags": ["bench"]}
        self.codes.append(self.call("POST", "/links", json=link).json()["code"])

    @task(20)
    def read(self) -> None:
        self.call("GET", f"/links/{self.any_code()}", name="/links/{code}")

    @task(5)
    def patch(self) -> None:
        change = {"title": secrets.token_hex(8)}
        self.call("PATCH", f"/links/{self.any_code()}", name="/links/{code}", json=change)

    @task(10)
    def stats(self) -> None:
        self.call("GET", f"/links/{self.any_code()}/stats", name="/links/{code}/stats")

    @task(50)
    def follow(self) -> None:
        path = f"/s/{self.any_code()}"
        self.client.get(path, name="/s/{code}", headers={"Authorization": ""}, allow_redirects=False)

    def any_code(self) -> str:
        return random.choice(self.codes)

    def call(self, method: str, path: str, name: str | None = None, json: object = None) -> Any:
        """One call of the API; Locust counts what is not 2xx as a failure."""
        return self.client.request(method, API + path, name=API + (name or path), json=json)
