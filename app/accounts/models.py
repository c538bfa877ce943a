"""Users, their sessions (refresh-token families), devices, second factors, passkeys, API keys and identities at
providers; guesses at secrets, stored answers, mails' tokens, keys that sign tokens, deprecated uses."""

from datetime import date, datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base, BigId, UTCDateTime


class User(Base):
    """An account. Closing it erases the personal columns and keeps the row, so that ids never come back."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('user', 'manager', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'disabled', 'closed')", name="status"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(254), unique=True)
    """What two spellings of an address have in common (`app.accounts.users.email_key`), so that Ada@x.org and
    ada@x.org are one account."""
    name: Mapped[str | None] = mapped_column(String(100))
    password_hash: Mapped[str | None] = mapped_column(Text)
    """None where somebody signs in by a provider alone."""
    role: Mapped[str] = mapped_column(String(16), default="user")
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[int] = mapped_column(default=1)
    avatar: Mapped[str | None] = mapped_column(String(64))
    """The name of the picture's file (`app.accounts.avatars`)."""
    email_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its owner proved to read what is sent to the address; None as long as nobody has."""
    awaits_verification: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Registered while EMAIL_VERIFICATION was on, and not verified since: nobody may sign in yet."""


class Session(Base):
    """One sign-in: the family of refresh tokens that descend from it. Only `refresh_jti` is good."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id", "created_at"), Index(None, "ended_at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    refresh_jti: Mapped[str] = mapped_column(String(40))
    user_agent: Mapped[str] = mapped_column(String(255))
    ip_prefix: Mapped[str] = mapped_column(String(43))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    two_factors: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its person has shown two factors in it (`app.accounts.reauthentication`)."""
    reauthenticated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship()


class StoredAnswer(Base):
    """What a call with an Idempotency-Key answered, for the same call when it comes again."""

    __tablename__ = "stored_answers"
    __table_args__ = (Index(None, "created_at"),)

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    """A keyed hash of method, path, query and body: a body may hold a password."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSON)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """Compressed (zlib)."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Guess(Base):
    """How often a secret was guessed in the running window; `key` is an HMAC, so that no address lies here."""

    __tablename__ = "guesses"
    __table_args__ = (Index(None, "resets_at"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(UTCDateTime)


class KnownDevice(Base):
    """A device that a user signed in from, as an HMAC (`app.accounts.devices`)."""

    __tablename__ = "known_devices"
    __table_args__ = (Index(None, "last_seen_at"), {"sqlite_with_rowid": False})

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ApiKey(Base):
    """A secret with which a program speaks for its owner, within `scopes`. The secret itself is not stored."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "user_id", "created_at"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    two_factors: Mapped[bool] = mapped_column(default=False)
    """Whether it was made in a session of two factors: without, it lends no role that asks for them."""
    networks: Mapped[list[str]] = mapped_column(JSON)
    """Where it may be used from, as CIDRs; empty for anywhere."""
    secret_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the whole key: of 131 random bits a fast hash gives nothing away."""
    retired: Mapped[dict[str, str]] = mapped_column(JSON)
    """By its hash, until when (ISO 8601) a secret from before a rotation is still good."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """To the minute."""
    refused_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a use from elsewhere than `networks` was last recorded."""
    version: Mapped[int] = mapped_column(default=1)


class OneTimeToken(Base):
    """What was sent to an address, to be brought back once; a user has one of each purpose at most."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('verify', 'reset', 'email')", name="purpose"),
        Index(None, "expires_at"),
    )

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256; a token is random and long, so that no salt is needed."""
    address: Mapped[str] = mapped_column(String(254))
    """Whose reader it speaks for."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Petition(Base):
    """What somebody asked of an e-mail address and the worker answers (`app.accounts.petitions`)."""

    __tablename__ = "petitions"
    __table_args__ = (Index(None, "created_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The address and what else is needed, encrypted."""
    request_id: Mapped[str | None] = mapped_column(String(128))
    ip_prefix: Mapped[str] = mapped_column(String(43))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Totp(Base):
    """The generator of one-time codes (RFC 6238) of a user; on once a code of it has confirmed it."""

    __tablename__ = "totps"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed: it must be read again to compare a code."""
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_step: Mapped[int] = mapped_column(BigId, default=0)
    """The time step of the last code that was used: it only goes up, so that no code is good twice."""


class RecoveryCode(Base):
    """A code that stands in for a lost generator; it is deleted when it is used."""

    __tablename__ = "recovery_codes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)


class Passkey(Base):
    """A discoverable WebAuthn credential of a user."""

    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "user_id", "created_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """As COSE (RFC 9052)."""
    sign_count: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SpentChallenge(Base):
    """A challenge of WebAuthn that was answered (`app.accounts.challenges`)."""

    __tablename__ = "spent_challenges"
    __table_args__ = (Index(None, "expires_at"), {"sqlite_with_rowid": False})

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class SigningKey(Base):
    """A key of the ring (`app.accounts.signing_keys`): signs until `retired_at`, verifies until `not_after`."""

    __tablename__ = "signing_keys"
    __table_args__ = (CheckConstraint("algorithm IN ('HS256', 'RS256', 'EdDSA')", name="algorithm"),)

    kid: Mapped[str] = mapped_column(String(40), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(8))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Its material, encrypted; None: it is JWT_SECRET itself."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    not_after: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Identity(Base):
    """Who a user is at an OpenID provider. (issuer, subject) tells it, never an e-mail address."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"), Index(None, "user_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    provider: Mapped[str] = mapped_column(String(32))
    """Its name in the settings when it was linked."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship()


class SignInFlow(Base):
    """A sign-in by a provider that was begun and is not complete (`app.accounts.oidc.flows`)."""

    __tablename__ = "sign_in_flows"
    __table_args__ = (Index(None, "expires_at"), {"sqlite_with_rowid": False})

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of the browser's secret and of `state`: the row gives neither away."""
    provider: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"))
    """Whom the identity is to be linked to; None for a sign-in."""
    return_to: Mapped[str] = mapped_column(String(2048))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class DeprecatedUse(Base):
    """How often a caller made a deprecated call on a UTC day; `caller` is a user's public id or "anonymous"."""

    __tablename__ = "deprecated_uses"
    __table_args__ = (Index(None, "day"), {"sqlite_with_rowid": False})

    caller: Mapped[str] = mapped_column(String(40), primary_key=True)
    operation: Mapped[str] = mapped_column(String(200), primary_key=True)
    """As the specification names it: `GET /api/v1/links/{code}`."""
    day: Mapped[date] = mapped_column(primary_key=True)
    uses: Mapped[int] = mapped_column(BigId)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)
