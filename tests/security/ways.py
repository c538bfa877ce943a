"""What each call asks and leaves behind that opens an account, changes what opens it, ends it or carries it away.

Written by hand from docs/security.md and the ADRs 14, 17, 18, 19, 20 and 22; nothing here is read from the
application. `tests/security/test_ways_in.py` asks it of every one, and holds the names to routes and commands.
"""

from dataclasses import dataclass

PASSES, PROOF = "passes", "reauthentication_required"
OWNER, NOBODY, ADMIN, OPERATOR = "owner", "nobody", "admin", "operator"


@dataclass(frozen=True)
class Way:
    """A call that is done right, late, by half and wrong. A None has no cell."""

    events: tuple[str, ...] = ()
    """What is recorded of it, all of it; owned by the account."""
    mails: tuple[str, ...] = ()
    """What its owner is told, all of it."""
    late: str | None = None
    """What it answers to a session whose last proof is six minutes old."""
    half: str | None = None
    """What it answers to one factor, where the account has one-time codes."""
    wrong: tuple[str, ...] | None = None
    """What is recorded where the secret in it is wrong: failures, all of it. Nobody is told of one."""
    by: str = OWNER
    """Who did it, by the events."""
    wrong_by: str = OWNER
    """Who tried, by the events of a wrong secret."""
    owner: str = OWNER
    """Whose affair it is; NOBODY: no account's."""
    wrong_owner: str = OWNER
    """The same where the secret is wrong; NOBODY: nobody is named by it."""


def guarded(*events: str, mails: tuple[str, ...] = (), wrong: tuple[str, ...] | None = None) -> Way:
    """For who has just shown who he is, by as many factors as the account has."""
    return Way(events, mails, PROOF, PROOF, wrong)


def sign_in(*events: str, half: str, mails: tuple[str, ...] = (), wrong_owner: str = OWNER) -> Way:
    """The beginning of a session; `half`: what one factor gets where there are codes."""
    told = (*mails, "A sign-in from a new device")
    return Way(events, told, None, half, ("session.refused",), wrong_by=NOBODY, wrong_owner=wrong_owner)


GUESS = ("password.refused",)
CLOSED = ("user.closed", "session.ended")

WAYS: dict[str, Way] = {
    # --- Opening it ---
    "POST /auth/register": Way(("user.created",)),
    "POST /auth/login": sign_in("session.begun", half="OTP_REQUIRED"),
    "POST /auth/login by recovery code": sign_in(
        *("recovery_code.used", "session.begun"),
        mails=("A recovery code was used for your account",),
        half=PASSES,
    ),
    "POST /auth/passkey": sign_in("session.begun", half=PASSES),
    # What a linked provider asks for is the provider's to decide (ADR 17, 19).
    "POST /auth/oidc/<provider>/complete of a linked person": sign_in(
        "session.begun", half=PASSES, wrong_owner=NOBODY
    ),
    "POST /auth/oidc/<provider>/complete by address": sign_in(
        *("identity.linked", "session.begun"),
        mails=("A sign-in at a provider was linked to your account",),
        half="EMAIL_TAKEN",
        wrong_owner=NOBODY,
    ),
    # Every client renews four times an hour (ADR 14); a token that comes twice is an event.
    "POST /auth/refresh": Way(
        late=PASSES, half=PASSES, wrong=("session.ended", "session.token_reused"), wrong_by=NOBODY
    ),
    "POST /auth/reauthenticate": Way(
        ("session.reauthenticated",), (), PASSES, "OTP_REQUIRED", ("session.reauthenticated",)
    ),
    # --- Mails: whoever reads them; codes stay asked for ---
    "POST /auth/verify/resend": Way(mails=("Confirm your e-mail address",)),
    "POST /auth/verify": Way(("email.verified",), wrong=GUESS, wrong_by=NOBODY),
    "POST /auth/password/forgot": Way(("password.reset_requested",), ("Choose a new password",), by=NOBODY),
    # A wrong token is nobody's, so nobody's log has it.
    "POST /auth/password/reset": Way(
        ("session.ended", "password.reset"), ("Your password was changed",), half=PASSES, wrong=()
    ),
    "POST /auth/email/confirm": Way(
        ("email.changed",), ("Your e-mail address was changed",), half=PASSES, wrong=GUESS, wrong_by=NOBODY
    ),
    # --- Changing what opens it ---
    "PUT /users/me/password": Way(
        ("password.changed",), ("Your password was changed",), PASSES, PROOF, GUESS
    ),
    "PUT /users/me/email": Way(
        ("email.change_requested",), ("Your e-mail address is about to change",), PASSES, PROOF, GUESS
    ),
    "POST /users/me/totp": guarded(),
    "POST /users/me/totp/confirm": guarded(
        *("totp.enabled", "recovery_codes.made"),
        mails=("One-time codes were switched on for your account",),
        wrong=("totp.enabled",),
    ),
    "DELETE /users/me/totp": guarded(
        "totp.removed", mails=("One-time codes were switched off for your account",)
    ),
    "POST /users/me/recovery-codes": guarded(
        "recovery_codes.made", mails=("New recovery codes were made for your account",)
    ),
    "POST /users/me/passkey-options": guarded(),
    "POST /users/me/passkeys": guarded(
        "passkey.added", mails=("A passkey was added to your account",), wrong=()
    ),
    "DELETE /users/me/passkeys/<passkey_id>": guarded(
        "passkey.removed", mails=("A passkey was removed from your account",)
    ),
    "POST /auth/oidc/<provider>/link": Way(late=PASSES, half=PASSES),  # completing it asks
    "POST /auth/oidc/<provider>/link/complete": guarded(
        "identity.linked",
        mails=("A sign-in at a provider was linked to your account",),
        wrong=("identity.refused",),
    ),
    "DELETE /users/me/identities/<identity_id>": guarded(
        "identity.removed", mails=("A sign-in at a provider was removed from your account",)
    ),
    "POST /api-keys": guarded("api_key.created", mails=("An API key was made for your account",)),
    "PATCH /api-keys/<key_id>": Way(("api_key.changed",), (), PASSES, PASSES),
    "PATCH /api-keys/<key_id> of its networks": guarded(
        "api_key.changed", mails=("An API key of your account may be used from other networks",)
    ),
    "POST /api-keys/<key_id>/rotate": guarded(
        "api_key.rotated", mails=("A new secret was made for an API key of your account",)
    ),
    # --- Taking back what opens it: nobody is kept from that ---
    "DELETE /api-keys/<key_id>": Way(
        ("api_key.revoked",), ("An API key of your account was revoked",), PASSES, PASSES
    ),
    "POST /auth/logout": Way(("session.ended",), (), PASSES, PASSES),
    "DELETE /auth/sessions": Way(("session.ended",), (), PASSES, PASSES),
    "DELETE /auth/sessions/<session_id>": Way(("session.ended",), (), PASSES, PASSES),
    # --- Ending it, and carrying it away ---
    "DELETE /users/me": guarded(*CLOSED, mails=("Your account was closed",)),
    "GET /users/me/export": guarded("account.exported"),
    "GET /audit-events/export": Way(("audit.exported",), (), PASSES, PASSES),
    # --- By others: admins show two factors where REQUIRE_SECOND_FACTOR asks, and programs of theirs do it too ---
    "PATCH /users/<user_id> of the role": Way(("user.role_changed",), late=PASSES, by=ADMIN),
    "PATCH /users/<user_id> to disabled": Way(("user.disabled", "session.ended"), late=PASSES, by=ADMIN),
    "PATCH /users/<user_id> to active": Way(("user.enabled",), late=PASSES, by=ADMIN),
    "DELETE /users/<user_id>": Way(CLOSED, ("Your account was closed",), late=PASSES, by=ADMIN),
    "flask users create-admin": Way(("user.created",), by=OPERATOR),
    "flask users set-role": Way(("user.role_changed",), by=OPERATOR),
    "flask users disable": Way(("user.disabled", "session.ended"), by=OPERATOR),
    "flask users enable": Way(("user.enabled",), by=OPERATOR),
    "flask users reset-factors": Way(
        ("session.ended", "factors.reset"),
        ("The operator removed one-time codes and passkeys from your account",),
        by=OPERATOR,
    ),
    "flask keys rotate": Way(("signing_key.made",), by=OPERATOR, owner=NOBODY),
    "flask keys revoke": Way(("signing_key.revoked",), by=OPERATOR, owner=NOBODY),
}
"""By call or command, and what is said of it where there are several ways."""

OPENS_NOTHING = {
    "POST /auth/passkey/options": "a challenge, of which nothing is stored",
    "GET /auth/providers": "names",
    "POST /auth/oidc/<provider>": "a way to the provider; completing it is a row",
    "GET /auth/sessions": "is read",
    "GET /users/me": "is read",
    "PATCH /users/me": "the name",
    "GET /users/me/totp": "is read",
    "GET /users/me/passkeys": "is read",
    "GET /users/me/identities": "is read",
    "GET /users/me/avatar": "is read",
    "PUT /users/me/avatar": "a picture",
    "DELETE /users/me/avatar": "a picture",
    "GET /users": "is read",
    "GET /users/<user_id>": "is read",
    "GET /api-keys": "is read, without secrets",
    "GET /api-keys/<key_id>": "is read, without its secret",
    "GET /audit-events": "is read, a page at a time",
    "flask keys list": "is read, without secrets",
}
"""The other calls about accounts, and why they have no row."""

ELSEWHERE = {
    *("v1_links", "v1_shorten", "v1_batch", "v1_stats", "v1_exports", "v1_clicks"),
    *("v1_moderation", "v1_domains", "v1_cache"),
}
"""Blueprints of what is no account; those of all others are held to this table."""
