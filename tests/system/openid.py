"""npm's oidc-provider as a process of a test, and a person's browser that signs in there over plain HTTP."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.e2e.processes import PATIENCE, ROOT, running
from tests.issuer import CLIENT_ID, CLIENT_SECRET, parameters
from tests.servers import wait_for_port
from tests.service import Service

FOLDER = ROOT / "tests" / "system" / "oidc_provider"
NAME = "house"
BEGIN = f"/auth/oidc/{NAME}"


def installed() -> Path:
    """The folder of the locked packages, outside of the tree; made by the first who wants it."""
    lock = (FOLDER / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slugline-tests"
    folder = cache / f"oidc-provider-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.is_dir():
        assert shutil.which("npm"), "no npm: apt-get install npm"
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, fresh)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=fresh,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        try:
            fresh.rename(folder)
        except OSError:  # somebody else was first
            shutil.rmtree(fresh)
    return folder


@contextmanager
def providing(service: Service, port: int, folder: Path) -> Iterator[str]:
    """A running provider that knows this Slugline; yields its issuer."""
    (folder / "node_modules").symlink_to(installed() / "node_modules")
    shutil.copy(FOLDER / "provider.mjs", folder)
    issuer = f"http://127.0.0.1:{port}"
    variables = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder),  # by which its process is found
        "ISSUER": issuer,
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": CLIENT_SECRET,
        "REDIRECT_URI": f"{service.base}/api/v1{BEGIN}/callback",
    }
    with running(["node", "provider.mjs"], variables, folder, folder / "provider.log") as process:
        wait_for_port(port, process)
        yield issuer


class Browser:
    """Somebody's browser: keeps cookies, follows redirects."""

    def __init__(self, service: Service, token: str | None = None) -> None:
        self._base = f"{service.base}/api/v1"
        self.session = requests.Session()
        self.token = token

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.session.request(method, self._base + path, json=body, headers=headers, timeout=PATIENCE)

    def begin(self, path: str = BEGIN) -> str:
        """The URL at the provider."""
        begun = self.call("POST", path, {"return_to": "/docs"})
        assert begun.status_code == 200, begun.text
        return str(begun.json()["authorization_url"])

    def sign_in_there(self, url: str, person: str) -> dict[str, str]:
        """Give name, password and consent at the provider; return what stands behind the `#` of the page that the
        browser ends at."""
        page = self.session.get(url, timeout=PATIENCE)
        while form := re.search(r'<form[^>]* action="([^"]+)" method="post"', page.text):
            prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
            assert prompt, page.text
            fields = {"prompt": prompt[1], "login": person, "password": "any"}
            page = self.session.post(form[1], data=fields, timeout=PATIENCE)
        assert page.url.startswith(f"{self._base.removesuffix('/api/v1')}/docs#"), page.url
        return parameters(page.url)

    def sign_in(self, person: str) -> requests.Response:
        """All of it; the answer to the last call."""
        return self.call("POST", f"{BEGIN}/complete", self.sign_in_there(self.begin(), person))

    def close(self) -> None:
        self.session.close()
