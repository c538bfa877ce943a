"""The second proof beside a password: a code of the generator, or a recovery code."""

import re

from app.accounts import notices, recovery_codes, totp
from app.accounts.letters import WayIn
from app.accounts.models import User
from app.audit import trail
from app.errors import AppError


class OtpRequired(AppError):
    """401: the password is right, and a code is missing. Keeps the guess given back."""

    status, code, message = 401, "OTP_REQUIRED", "Send a one-time code, or a recovery code, as otp."
    keeps = True

    def __init__(self) -> None:
        super().__init__(field="otp", headers={"WWW-Authenticate": "Bearer"})


class WrongCode(AppError):
    """403, for somebody signed in. Keeps the event recorded."""

    status, code, message = 403, "WRONG_CODE", "The code is not right, or was used before."
    keeps = True


def spend(user: User, code: str) -> str | None:
    """Use a code up; return its kind, "totp" or "recovery_code", or None where it is not good.

    Whoever calls has counted the guess.
    """
    digits = re.sub(r"\s", "", code)
    if re.fullmatch(rf"[0-9]{{{totp.DIGITS}}}", digits):
        return "totp" if totp.spend(user, digits) else None
    if not recovery_codes.spend(user.id, code):
        return None
    left = {"left": recovery_codes.left(user.id)}
    trail.record("recovery_code.used", user.public_id, owner=user.public_id, actor=user.public_id, after=left)
    notices.way_in(user.id, WayIn.RECOVERY_CODE_USED)
    return "recovery_code"
