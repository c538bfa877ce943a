"""What is written to people: short, plain, without a word that a stranger chose (names, user agents), so that nobody
can have us send his own text.

A link holds its token in the fragment, which browsers send to no server: it stands in no log and no Referer, and a
scanner that opens every link of a mail uses nothing up.
"""

from datetime import datetime
from enum import StrEnum

from flask import current_app

from app.mail.outbox import Letter

# Looked for in this order: browsers carry the names of others.
_BROWSERS = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome")),
    *(("Safari/", "Safari"), ("curl/", "curl"), ("python-requests/", "Python")),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)
_IF_NOT = """\
If it was you, there is nothing to do. If not, ask for a new password at once, with this address: choosing it
signs out all devices, and the mail that comes then tells what else opens the account."""


class WayIn(StrEnum):
    """What became of a way into an account, apart from its password."""

    PASSKEY_ADDED = "A passkey was added to your account"
    PASSKEY_REMOVED = "A passkey was removed from your account"
    CODES_ON = "One-time codes were switched on for your account"
    CODES_OFF = "One-time codes were switched off for your account"
    RECOVERY_CODE_USED = "A recovery code was used for your account"
    RECOVERY_CODES_MADE = "New recovery codes were made for your account"
    FACTORS_RESET = "The operator removed one-time codes and passkeys from your account"
    KEY_MADE = "An API key was made for your account"
    KEY_ROTATED = "A new secret was made for an API key of your account"
    KEY_MOVED = "An API key of your account may be used from other networks"
    KEY_REVOKED = "An API key of your account was revoked"
    IDENTITY_LINKED = "A sign-in at a provider was linked to your account"
    IDENTITY_REMOVED = "A sign-in at a provider was removed from your account"


def verify(token: str) -> Letter:
    """To a new account's address."""
    return _letter(
        "Confirm your e-mail address",
        f"""An account at {_house()} was opened with this address. If that was you, confirm it within 24 hours:

{_link("verify", token)}

If it was not you, do nothing: without this step nobody can sign in to the account.""",
    )


def verify_known(token: str) -> Letter:
    """To the address of an account that is in use."""
    return _letter(
        "Confirm your e-mail address",
        f"""Confirm within 24 hours that this is the address of your account at {_house()}:

{_link("verify", token)}

If you did not ask for this, do nothing.""",
    )


def registered_again(token: str) -> Letter:
    """To the address of an account that waits to be verified, when it is registered once more: whose passwords
    those were, nobody knows."""
    return _letter(
        "Choose a password",
        f"""This address was registered at {_house()} more than once and not confirmed. None of the passwords that
were given counts. If you want the account, choose one within 30 minutes:

{_link("reset", token)}

If it was not you, do nothing: without this step nobody can sign in to the account.""",
    )


def already_registered() -> Letter:
    """To the address of an account, when somebody registers it anew."""
    return _letter(
        "You have an account already",
        f"""Somebody tried to open an account at {_house()} with this address. There is one already, and nothing
was changed. If it was you, sign in; if you do not know the password any more, ask for a new one.

If it was not you, there is nothing to do.""",
    )


def reset(token: str) -> Letter:
    """To who forgot the password."""
    return _letter(
        "Choose a new password",
        f"""Somebody asked for a new password for your account at {_house()}. If that was you, choose it within 30
minutes; all devices will be signed out:

{_link("reset", token)}

If it was not you, do nothing: the password stays as it is.""",
    )


def confirm_change(token: str) -> Letter:
    """To the new address of an account."""
    return _letter(
        "Confirm your new e-mail address",
        f"""This shall become the address of an account at {_house()}. If you asked for that, confirm it within 24
hours:

{_link("email", token)}

If you did not, do nothing: the account is not yours, and keeps its address.""",
    )


def address_in_use() -> Letter:
    """To the address of an account, when it shall become another one's."""
    return _letter(
        "You have an account already",
        f"""Somebody asked to make this the address of another account at {_house()}. It is the address of yours
already, and nothing was changed. There is nothing to do.""",
    )


def change_requested() -> Letter:
    """To the address that an account has, when it shall get another one."""
    return _letter(
        "Your e-mail address is about to change",
        f"""Somebody who knows your password asked for another e-mail address for your account at {_house()}. As
soon as that address is confirmed, it replaces this one.

If it was not you, ask for a new password at once, with this address: choosing it stops the change and
signs out all devices.""",
    )


def changed() -> Letter:
    """To the address that an account had."""
    return _letter(
        "Your e-mail address was changed",
        f"""Your account at {_house()} has another e-mail address now; this one does not open it any more.

If it was not you, write to {_operator()} at once.""",
    )


def password_changed(others: dict[str, int]) -> Letter:
    """To the owner of an account; `others`: how many of what open it still."""
    listed = "\n".join(f"  {name:<25}{count}" for name, count in others.items() if count)
    still = f"""

These open it still, whatever the password is; sign in and remove those that are not yours:

{listed}"""
    return _letter(
        "Your password was changed",
        f"""The password of your account at {_house()} was changed, and other devices were signed out.\
{still if listed else ""}

If it was not you, ask for a new password at once, with this address.""",
    )


def closed() -> Letter:
    """To the address that an account had."""
    return _letter(
        "Your account was closed",
        f"""Your account at {_house()} was closed, and what was in it is erased. Mails about it that were not sent yet
will not come.

If it was not you, write to {_operator()} at once, and change your password wherever else you use it.""",
    )


def way_in(what: WayIn) -> Letter:
    """To the owner of an account."""
    return _letter(
        what,
        f"""{what} at {_house()}.

{_IF_NOT}

If you cannot sign in any more, write to {_operator()}.""",
    )


def new_device(at: datetime, network: str, user_agent: str) -> Letter:
    """To the owner of an account; `network` as it may be kept of an address."""
    return _letter(
        "A sign-in from a new device",
        f"""Somebody signed in to your account at {_house()} from a device that was not seen there before:

  time     {at:%Y-%m-%d %H:%M} UTC
  network  {network or "unknown"}
  device   {kind_of_device(user_agent)}

{_IF_NOT}""",
    )


def kind_of_device(user_agent: str) -> str:
    """What a User-Agent says, in words of our own: "Firefox on Linux"."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "an unknown program")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser


def _letter(subject: str, text: str) -> Letter:
    return Letter(f"{subject} - Slugline", f"{text}\n\n-- \nSlugline at {_house()}\n")


def _house() -> str:
    return str(current_app.config["PUBLIC_URL"])


def _link(page: str, token: str) -> str:
    return f"{current_app.config['ACCOUNT_URL']}/{page}#token={token}"


def _operator() -> str:
    contact: str = current_app.config["SECURITY_CONTACT"]
    return contact.removeprefix("mailto:") or f"the operator of {_house()}"
