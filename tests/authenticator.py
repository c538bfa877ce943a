"""A software authenticator (WebAuthn 3, §6): makes passkeys and signs by them, as it should or as it should not.

Answers are what a browser's `credential.toJSON()` gives. ES256, no attestation.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN, DOMAIN = "http://sho.rt", "sho.rt"
_PRESENT, _VERIFIED, _ATTESTED = 1, 4, 64

Answer = dict[str, Any]


@dataclass
class Authenticator:
    """One passkey. What it is told to do wrong is set on it, or handed to a single call."""

    origin: str = ORIGIN
    domain: str = DOMAIN
    verifies: bool = True
    count: int = 0
    """0 stays 0, as with authenticators that do not count."""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""

    def create(self, options: Answer, **client: Any) -> Answer:
        """Answer `navigator.credentials.create`. `client` changes what the browser notes of the page."""
        self.handle = _bytes(options["user"]["id"])
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + self._cose()
        data = self._data(_ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        noted = self._client_data("webauthn.create", options, client)
        return self._credential({"clientDataJSON": text(noted), "attestationObject": text(attestation)})

    def get(self, options: Answer, **client: Any) -> Answer:
        """Answer `navigator.credentials.get`."""
        self.count += bool(self.count)
        data, noted = self._data(), self._client_data("webauthn.get", options, client)
        signature = self.key.sign(data + hashlib.sha256(noted).digest(), ec.ECDSA(hashes.SHA256()))
        answered = {"authenticatorData": data, "signature": signature, "userHandle": self.handle}
        return self._credential(
            {"clientDataJSON": text(noted)} | {name: text(value) for name, value in answered.items()}
        )

    def _credential(self, response: Answer) -> Answer:
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _client_data(self, kind: str, options: Answer, client: Answer) -> bytes:
        noted = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(noted | client).encode()

    def _data(self, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _cose(self) -> bytes:
        """The public key (RFC 9053 §7.1.1)."""
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


def text(value: bytes) -> str:
    """Bytes as WebAuthn writes them in JSON."""
    return urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(value: str) -> bytes:
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))
