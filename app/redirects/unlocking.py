"""The POST that brings a link's password: where it may come from, and what may stand in it."""

import unicodedata
from typing import Any

from flask import current_app, request

from app.errors import AppError, UnsupportedMediaType, ValidationFailed
from app.web import strict_json, urlencoded

LONGEST = 128  # characters, as in the API

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class CrossSite(AppError):
    status, code, message = 403, "CSRF_FAILED", "The password must be sent from the page of the link itself."


def refuse_cross_site() -> None:
    """Raise CrossSite for a POST that a browser sends on behalf of another site.

    Browsers since 2023 say so in Sec-Fetch-Site; older ones name the page's origin. Who sends neither is no
    browser, and no page can make it send anything (the rule of Go's net/http.CrossOriginProtection).
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        allowed = site in ("same-origin", "none")
    else:
        origin = request.headers.get("Origin")
        allowed = origin is None or _is_own(origin)
    if not allowed:
        raise CrossSite()


def password() -> str:
    """The password in the form or the JSON object, which holds nothing else.

    Raises UnsupportedMediaType, MalformedJSON, PayloadTooLarge, or ValidationFailed naming the field.
    """
    fields = _fields()
    for name in fields:
        if name != "password":
            raise ValidationFailed("Unknown field.", field=name[:100])
    value = fields.get("password")
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
        raise ValidationFailed(f"A password has 1 to {LONGEST} characters.", field="password")
    # No link has such a password. NUL above all: HMAC pads its key with them, so that "x" and "x\0" hash alike.
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        raise ValidationFailed("A password has no control characters or lone surrogates.", field="password")
    return value


def _is_own(origin: str) -> bool:
    """Whether `origin` is this host or PUBLIC_URL's. Schemes are left out: behind a proxy ours may say http."""
    own = {request.headers.get("Host", ""), _host(current_app.config["PUBLIC_URL"])}
    return _host(origin) in {host.lower() for host in own if host}


def _host(origin: str) -> str:
    return origin.lower().partition("://")[2]


def _fields() -> dict[str, Any]:
    if request.mimetype == _FORM:
        return _form()
    if request.mimetype != _JSON:
        raise UnsupportedMediaType(
            f"Send the password as {_FORM} or {_JSON}.", headers={"Accept": f"{_FORM}, {_JSON}"}
        )
    fields = strict_json.parse(request.get_data())
    if not isinstance(fields, dict):
        raise ValidationFailed("Send a JSON object with the password in it.")
    return fields


def _form() -> dict[str, Any]:
    urlencoded.refuse_broken_text(request.get_data())  # which keeps the body, so that the form is still read
    for name, values in request.form.lists():
        if len(values) > 1:
            raise ValidationFailed("This field stands twice.", field=name[:100])
    return request.form.to_dict()
