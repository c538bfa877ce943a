"""Sessions: a sign-in and the family of refresh tokens that descends from it.

Each refresh token is good once. One that comes back a second time betrays a thief (or his victim), so it ends
the whole family (RFC 9700 §4.14.2).
"""

from datetime import datetime, timedelta

from flask import current_app
from prometheus_client import Counter
from sqlalchemy import ColumnElement, Integer, bindparam, delete, select, update

from app import clock, database
from app.accounts import devices, notices, tokens
from app.accounts.devices import Device
from app.accounts.models import Session, User
from app.accounts.principals import SessionEnded, SignedIn, authenticate
from app.accounts.tokens import TokenPair
from app.audit import trail
from app.errors import AppError, NotFound
from app.extensions import db
from app.ids import opaque_id
from app.keyset import Key, Listing

KEPT_AFTER_END = timedelta(days=7)
MOST = 100
"""Live ones of one user; one more ends that which was not used for longest."""
_BEYOND_MOST = (
    select(Session.id)
    .where(
        Session.user_id == bindparam("of"), Session.ended_at.is_(None), Session.expires_at > bindparam("now")
    )
    .order_by(Session.last_used_at.desc(), Session.id.desc())
    .offset(bindparam("most", type_=Integer))
)
TWO_FACTORS = frozenset({"password+totp", "password+recovery_code", "passkey"})
"""Methods that show two factors: a passkey is something one has, unlocked by what one knows or is."""

SIGN_INS = Counter(
    "slugline_sign_ins", "Sign-ins, by what was to prove them and by outcome", ["method", "outcome"]
)


class TokenReused(AppError):
    """401, and the family has ended: keeps what was done."""

    status, code, message = 401, "TOKEN_REUSED", "This refresh token was used before; its session has ended."
    keeps = True

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def begin(user: User, device: Device, method: str) -> TokenPair:
    """Begin a session of somebody who has proven who he is: the one way in, whatever the proof.

    `method` names the proof: "password", "password+totp", "password+recovery_code", "passkey", "openid".
    """
    public_id = opaque_id("ses")
    pair, jti = tokens.issue(user.public_id, public_id)
    now = clock.now()
    count = devices.remember(user.id, user.public_id, device)
    if count and not devices.is_first(user, count):
        notices.new_device(user, device)
    db.session.add(
        Session(
            public_id=public_id,
            user_id=user.id,
            refresh_jti=jti,
            user_agent=device.name,
            ip_prefix=device.network,
            created_at=now,
            last_used_at=now,
            expires_at=_expiry(now, now),
            two_factors=method in TWO_FACTORS,
        )
    )
    trail.record(
        "session.begun",
        public_id,
        owner=user.public_id,
        actor=user.public_id,
        after={"method": method, "new_device": count > 0},
    )
    db.session.flush()
    _end_beyond_most(user)
    SIGN_INS.labels(method, "good").inc()
    return pair


def refresh(token: str, device: Device) -> TokenPair:
    """Exchange a refresh token for a new pair; the old one is dead.

    Raises TokenReused (and ends the family) for one that was exchanged before, AuthRequired, InvalidToken or
    SessionEnded for one that is expired, malformed, or of a session that has ended or is older than SESSION_DAYS.
    """
    claims = tokens.examine(token, "refresh")
    pair, jti = tokens.issue(claims.user, claims.session)
    now = clock.now()
    began = db.session.scalar(select(Session.created_at).where(Session.public_id == claims.session)) or now
    active = select(User.id).where(User.public_id == claims.user, User.status == "active").scalar_subquery()
    rotation = (
        update(Session)
        .where(
            Session.public_id == claims.session,
            Session.refresh_jti == claims.jti,
            Session.ended_at.is_(None),
            Session.created_at > now - _life(),
            Session.user_id == active,
        )
        .values(
            refresh_jti=jti,
            last_used_at=now,
            expires_at=_expiry(began, now),
            user_agent=device.name,
            ip_prefix=device.network,
        )
        .returning(Session.id)
    )
    if db.session.execute(rotation).first() is None:
        _refuse_rotation(claims)
    return pair


def _life() -> timedelta:
    """How long a session lasts at most, however often it is refreshed (ASVS 5.0 7.3.2)."""
    return timedelta(days=current_app.config["SESSION_DAYS"])


def _expiry(began: datetime, now: datetime) -> datetime:
    """Until when a session that was used now goes on by itself."""
    until: datetime = min(now + current_app.config["JWT_REFRESH_TOKEN_EXPIRES"], began + _life())
    return until


def _refuse_rotation(claims: tokens.Claims) -> None:
    known = db.session.scalar(select(Session.refresh_jti).where(Session.public_id == claims.session))
    if known is None or known == claims.jti:
        raise SessionEnded()
    _end(Session.public_id == claims.session)
    trail.record("session.token_reused", claims.session, owner=claims.user, failed=True)
    raise TokenReused()


def sign_out(token: str) -> None:
    """End the session of an access or refresh token. Raises AuthRequired or InvalidToken."""
    claims = tokens.examine(token, "access", "refresh")
    if claims.type == "access":
        authenticate(token)
    if not _end(Session.public_id == claims.session, actor=claims.user):
        raise SessionEnded()


def live(user_id: int) -> Listing[Session]:
    """The user's sessions that are neither ended nor expired, the latest first."""
    conditions = [Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > clock.now()]
    order = (Key(Session.created_at.expression, descending=True), Key(Session.id.expression, descending=True))
    return Listing(Session, conditions, order)


def end(user_id: int, public_id: str) -> None:
    """End one session of the user. Raises NotFound."""
    if not _end(Session.user_id == user_id, Session.public_id == public_id):
        raise NotFound()


def prove(principal: SignedIn, *, two_factors: bool) -> None:
    """Note that the caller has shown again who he is; `two_factors`: by what makes it two."""
    if two_factors:
        lift(principal)
    _note(principal, reauthenticated_at=clock.now())


def lift(principal: SignedIn) -> None:
    """Let the session be one of two factors: its caller has added one, which says nothing of who he is."""
    _note(principal, two_factors=True)


def end_others(principal: SignedIn) -> None:
    """End all sessions of the caller but the one that asks."""
    # The user first, as everybody does who ends several: else two would wait for each other.
    db.session.scalar(select(User.id).where(User.id == principal.user_id).with_for_update())
    _end(Session.user_id == principal.user_id, Session.id != principal.session_id)


def end_all(user_id: int, *, actor: str | None = None) -> None:
    """End all sessions of a user. `actor`: who does it, where no door has told."""
    _end(Session.user_id == user_id, actor=actor)


def forget(user_id: int) -> None:
    """End and delete all sessions of a user whose account is closed: they tell of devices and networks."""
    end_all(user_id)
    db.session.execute(delete(Session).where(Session.user_id == user_id))


def _end_beyond_most(user: User) -> None:
    beyond = db.session.connection().scalars(_BEYOND_MOST, {"of": user.id, "now": clock.now(), "most": MOST})
    if ids := beyond.all():  # hardly anybody has so many
        _end(Session.id.in_(ids), actor=user.public_id)


def purge() -> None:
    """Delete sessions that ended or expired more than 7 days ago; the worker calls it."""
    horizon = clock.now() - KEPT_AFTER_END
    with database.writing() as connection:
        connection.execute(
            delete(Session).where((Session.ended_at < horizon) | (Session.expires_at < horizon))
        )


def _note(principal: SignedIn, **columns: object) -> None:
    db.session.execute(update(Session).where(Session.id == principal.session_id).values(columns))


def _end(*conditions: ColumnElement[bool], actor: str | None = None) -> bool:
    """End the live sessions that match; return whether there was one. `actor`: who, where no door has told."""
    ending = update(Session).where(Session.ended_at.is_(None), *conditions).values(ended_at=clock.now())
    owner = select(User.public_id).where(User.id == Session.user_id).scalar_subquery()
    ended = db.session.execute(ending.returning(Session.public_id, owner)).all()
    for session, user in ended:
        trail.record("session.ended", session, owner=user, actor=actor)
    return bool(ended)
