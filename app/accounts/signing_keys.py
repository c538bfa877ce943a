"""The key ring: what signs tokens, and what verifies those that were signed before (RFC 7515 §4.1.4, `kid`; ADR 16).

Each key has one algorithm and is used with no other. While the ring is empty and `JWT_ALGORITHM` is HS256, JWT_SECRET
itself is the only key. A key lies in the table sealed by AES-SIV (RFC 5297) under JWT_SECRET, so that neither a copy
of the database signs a token, nor can a row be written that does.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import current_app
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from sqlalchemy import Row, delete, event, select, update

from app import clock, database
from app.accounts.models import SigningKey
from app.audit import trail
from app.errors import NotFound
from app.extensions import db
from app.ids import opaque_id
from app.logs import log

# A new key begins to sign when each process, which reads the ring every two seconds, knows it.
READ_EVERY = 2.0  # seconds
_SETTLED = timedelta(seconds=5)
_UNKNOWN_EVERY = 0.25  # seconds: how often names of keys that nobody knows may cause a reading
_CLOCKS_APART = timedelta(
    minutes=1
)  # that a token may outlive its key by, where machines disagree on the time
_RSA_BITS = 3072  # as strong as 128 bits (NIST SP 800-57, table 2)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Key:
    """`private` signs until `retired_at`, `public` verifies until `not_after`; for HS256 both are the same secret."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)
    public: Any = field(repr=False)
    created_at: datetime
    retired_at: datetime | None = None
    not_after: datetime | None = None

    def is_retired(self, now: datetime) -> bool:
        return self.retired_at is not None and self.retired_at <= now

    def is_good(self) -> bool:
        return self.not_after is None or clock.now() < self.not_after


@dataclass(frozen=True)
class Ring:
    """The keys by name as they were at `read_at`; `unreadable` names those sealed under another JWT_SECRET."""

    keys: Mapping[str, Key]
    unreadable: tuple[str, ...]
    read_at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        return time.monotonic() - self.read_at

    def signer(self, algorithm: str, now: datetime) -> Key | None:
        """The oldest that is not retired: its successor waits until each process knows it."""
        able = (key for key in self.keys.values() if key.algorithm == algorithm and not key.is_retired(now))
        return min(able, key=lambda key: key.created_at, default=None)


def signer() -> Key:
    """The key that signs now, made where there is none: in the caller's transaction, to be stored with its work."""
    algorithm, now = current_app.config["JWT_ALGORITHM"], clock.now()
    found = _ring().signer(algorithm, now) or _read().signer(algorithm, now)
    return found or make()


def verifier(kid: str) -> Key | None:
    """The key of that name where it still verifies. A name that nobody knows causes a reading, but few a second."""
    known = _ring()
    found = known.keys.get(kid)
    if found is None and known.age > _UNKNOWN_EVERY:
        found = _read().keys.get(kid)
    return found if found is not None and found.is_good() else None


def secrets_kid() -> str:
    """The name of JWT_SECRET as a key, which tokens without a name were signed by."""
    return _secrets_kid(current_app.config["JWT_SECRET_KEY"])


def public() -> list[dict[str, Any]]:
    """The keys that anybody may verify tokens with, as JWKs (RFC 7517, RFC 8037): never one of HS256."""
    return [_jwk(key) for key in _ring().keys.values() if key.algorithm != "HS256" and key.is_good()]


def ring() -> Ring:
    """The ring as it is stored at this moment."""
    return _read()


def make() -> Key:
    """Add a key; those before it sign for some seconds more, and verify until the last of their tokens has expired.

    The first of all begins at once: nobody else has one.
    """
    if unreadable := _read().unreadable:
        log.warning("signing keys cannot be opened: was JWT_SECRET changed?", keys=unreadable)
    now = clock.now()
    # First: it may take half a second, which is too long for a write transaction.
    key, sealed = _made(current_app.config["JWT_ALGORITHM"], now)
    _add_secret()
    retired_at = now + _SETTLED
    lives = max(current_app.config[f"JWT_{type_}_TOKEN_EXPIRES"] for type_ in ("ACCESS", "REFRESH"))
    db.session.execute(
        update(SigningKey)
        .where(SigningKey.retired_at.is_(None))
        .values(retired_at=retired_at, not_after=retired_at + lives + _CLOCKS_APART)
    )
    db.session.add(SigningKey(kid=key.kid, algorithm=key.algorithm, sealed=sealed, created_at=now))
    trail.record("signing_key.made", key.kid, owner=None, after={"algorithm": key.algorithm})
    db.session.flush()
    # Once it is committed, too: whoever reads the ring until then, this very call included, reads it without the key.
    event.listen(db.session(), "after_commit", lambda _session: _forget_ring())
    _forget_ring()
    return key


def revoke(kid: str) -> None:
    """Let a key verify nothing any more, in each process within two seconds. Raises NotFound.

    Where it is the one that signs, another is made.
    """
    known = _read()
    if kid not in {*known.keys, *known.unreadable}:
        raise NotFound(f"There is no key {kid}.")
    rest = Ring({name: key for name, key in known.keys.items() if name != kid}, known.unreadable)
    if rest.signer(current_app.config["JWT_ALGORITHM"], clock.now()) is None:
        make()
    db.session.execute(delete(SigningKey).where(SigningKey.kid == kid))
    trail.record("signing_key.revoked", kid, owner=None)
    _forget_ring()


def forget_expired() -> None:
    """Delete the keys whose last token has expired; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(SigningKey).where(SigningKey.not_after <= clock.now()))


def _ring() -> Ring:
    """The ring as this process knows it."""
    known: Ring | None = current_app.extensions.get("signing_keys")
    return known if known is not None and known.age < READ_EVERY else _read()


def _forget_ring() -> None:
    """Have it read when it is asked for next; in other processes that takes its time."""
    current_app.extensions.pop("signing_keys", None)


def _read() -> Ring:
    columns = SigningKey.__table__.columns
    with database.reading() as connection:
        rows = connection.execute(select(*columns).order_by(SigningKey.created_at)).all()
    opened = {row.kid: _opened(row) for row in rows}
    secret = _secret_key()
    keys = {kid: key for kid, key in opened.items() if key is not None} if rows else {secret.kid: secret}
    found = Ring(keys, tuple(kid for kid, key in opened.items() if key is None))
    current_app.extensions["signing_keys"] = found
    return found


def _add_secret() -> None:
    """Where the ring is empty, note in it that JWT_SECRET was the key so far, so that it retires like any other."""
    if db.session.scalar(select(SigningKey.kid).limit(1)) is None:
        insertion = database.insert_into(SigningKey, db.session.connection())
        values = {"kid": secrets_kid(), "algorithm": "HS256", "sealed": None, "created_at": _BEGINNING}
        db.session.execute(insertion.values(values).on_conflict_do_nothing())


def _made(algorithm: str, now: datetime) -> tuple[Key, bytes]:
    """A new key, and its sealed material."""
    kid = opaque_id("kid")
    material = _new_material(algorithm)
    sealed = _cipher().encrypt(material, _bound_to(kid, algorithm))
    return Key(kid, algorithm, *_pair(algorithm, material), now), sealed


def _new_material(algorithm: str) -> bytes:
    if algorithm == "HS256":
        return secrets.token_bytes(32)
    rsa = algorithm == "RS256"
    private = generate_private_key(65537, _RSA_BITS) if rsa else Ed25519PrivateKey.generate()
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@lru_cache(maxsize=16)
def _pair(algorithm: str, material: bytes) -> tuple[Any, Any]:
    """What signs and what verifies. An RSA key takes half a second to be checked: only we can have sealed it."""
    if algorithm == "HS256":
        return material, material
    private: Any = serialization.load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True)
    return private, private.public_key()


def _opened(row: Row[Any]) -> Key | None:
    """The key of a row; None where JWT_SECRET is not the one that it was sealed under."""
    times = (row.created_at, row.retired_at, row.not_after)
    if row.sealed is None:
        secret = _secret_key()
        return Key(row.kid, "HS256", secret.private, secret.public, *times) if row.kid == secret.kid else None
    try:
        material = _cipher().decrypt(row.sealed, _bound_to(row.kid, row.algorithm))
    except InvalidTag:
        return None
    return Key(row.kid, row.algorithm, *_pair(row.algorithm, material), *times)


def _secret_key() -> Key:
    secret = current_app.config["JWT_SECRET_KEY"]
    return Key(_secrets_kid(secret), "HS256", secret, secret, _BEGINNING)


def _secrets_kid(secret: str) -> str:
    return "kid_" + hmac.new(secret.encode(), b"kid", hashlib.sha256).hexdigest()[:22]


def _cipher() -> AESSIV:
    """Keyed apart from all else that the secret keys."""
    secret: str = current_app.config["JWT_SECRET_KEY"]
    return AESSIV(hmac.digest(secret.encode(), b"signing keys", "sha512"))


def _bound_to(kid: str, algorithm: str) -> list[bytes]:
    return [kid.encode(), algorithm.encode()]


def _jwk(key: Key) -> dict[str, Any]:
    """Public members alone, by RFC 7517 §4: what it is for (`use`), its algorithm and its name."""
    shown: Any = (RSAAlgorithm if key.algorithm == "RS256" else OKPAlgorithm).to_jwk(key.public, as_dict=True)
    shown.pop("key_ops", None)
    return {**shown, "use": "sig", "alg": key.algorithm, "kid": key.kid}
