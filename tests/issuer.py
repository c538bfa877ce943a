"""A small OpenID provider in this process, over real HTTP on loopback: signs whatever a test wants signed.

`code` does what the person's sign-in at the provider would: from an authorization URL it makes a code.
"""

import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

from settings.providers import OIDCProvider
from tests.conftest import Caller

CLIENT_ID = "slugline"
CLIENT_SECRET = "known to us and to the provider"
NAME = "house"
ISSUER = "tests.issuer"  # where an application has the one it was lent
LIFE = 300  # seconds
Signed = Callable[["Issuer", dict[str, Any]], str]


def made_key(kid: str) -> RSAKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return RSAKey.import_key(private, {"kid": kid})


def signed(issuer: "Issuer", claims: dict[str, Any]) -> str:
    """As an honest provider does it."""
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, issuer.key, algorithms=["RS256"])


@dataclass
class Issuer:
    """What it says can be changed by a test at any time. `claims` go into each ID token over the honest ones, None
    takes one out; `documents` replace what lies under a path."""

    url: str
    key: RSAKey
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Signed = signed
    token: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    documents: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def provider(self) -> OIDCProvider:
        return OIDCProvider(NAME, self.url, CLIENT_ID, CLIENT_SECRET, trust_email=True)

    def code(self, authorization_url: str) -> str:
        """The code for somebody who signs in at this URL."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = parameters(authorization_url)
        return code

    def published(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        } | self.discovery

    def exchanged(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(verifier).decode().rstrip("=")
        if not asked or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        honest = {
            "iss": self.url,
            "aud": asked["client_id"],
            "sub": "248289761001",
            "iat": now,
            "exp": now + LIFE,
            "nonce": asked["nonce"],
            "email": "ada@example.org",
            "email_verified": True,
            "name": "Ada",
        }
        claims = {name: value for name, value in (honest | self.claims).items() if value is not None}
        answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.sign(self, claims)}
        return 200, answer | self.token


def parameters(url: str) -> dict[str, str]:
    """The query of a URL, or what stands behind its `#`."""
    parts = urlsplit(url)
    return {name: values[0] for name, values in parse_qs(parts.fragment or parts.query).items()}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """A running issuer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            told = {
                "/.well-known/openid-configuration": issuer.published,
                "/keys": lambda: {"keys": [issuer.key.as_dict(private=False)]},
            }
            if self.path in issuer.documents:
                issuer.documents[self.path](self)
            elif self.path in told:
                answer(self, told[self.path]())
            else:
                answer(self, {}, 404)

        def do_POST(self) -> None:
            issuer.asked.append(self.path)
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if self.path in issuer.documents:
                issuer.documents[self.path](self)
                return
            status, body = issuer.exchanged({name: values[0] for name, values in form.items()})
            answer(self, body, status)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}", made_key("first"))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield issuer
        server.shutdown()


def answer(handler: BaseHTTPRequestHandler, body: object, status: int = 200, **headers: str) -> None:
    """Send JSON, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def came_back(caller: Caller, issuer: Issuer, begin: str = f"/auth/oidc/{NAME}") -> dict[str, str]:
    """What a browser comes back with that began at this path; each time it is somebody whom nobody knows yet."""
    person = secrets.token_hex(8)
    issuer.claims |= {"sub": person, "email": f"{person}@example.org"}
    url = caller.post(begin, json={"return_to": "/"}).json["authorization_url"]
    return {"code": issuer.code(url), "state": parameters(url)["state"]}


def linked(caller: Caller, issuer: Issuer) -> str:
    """The id of an identity that was linked to the caller."""
    link = f"/auth/oidc/{NAME}/link"
    made = caller.post(f"{link}/complete", json=came_back(caller, issuer, link))
    assert made.status_code == 200, made.text
    return str(made.json["id"])


def lend(app: Flask, issuer: Issuer, **changes: Any) -> None:
    """Let people sign in to the application there; `changes` are of the provider's settings."""
    settings = {**vars(issuer.provider), **changes}
    app.config["OIDC_PROVIDERS"] = {NAME: OIDCProvider(**settings)}
    app.extensions.pop("oidc", None)  # what was remembered of another one
    app.extensions[ISSUER] = issuer
