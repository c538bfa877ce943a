"""The POST that brings a link's password: where it may come from, and what may stand in it."""

from typing import Any
from urllib.parse import urlsplit

from flask import current_app, request

from app.errors import AppError, UnsupportedMediaType, ValidationFailed
from app.web import strict_json

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
    value = _fields().pop("password", None)
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
        raise ValidationFailed(f"A password has 1 to {LONGEST} characters.", field="password")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValidationFailed("The password is not valid Unicode text.", field="password")
    return value


def _is_own(origin: str) -> bool:
    # The scheme is left out: behind a proxy that ends TLS ours may say http.
    own = {request.headers.get("Host", "").lower(), urlsplit(current_app.config["PUBLIC_URL"]).netloc}
    return urlsplit(origin.lower()).netloc in own - {""}


def _fields() -> dict[str, Any]:
    if request.mimetype == _JSON:
        body = strict_json.parse(request.get_data())
        if not isinstance(body, dict):
            raise ValidationFailed('Send an object: {"password": …}.')
        fields = body
    elif request.mimetype == _FORM:
        if any(len(values) > 1 for values in request.form.listvalues()):
            raise ValidationFailed("A field stands twice.")
        fields = request.form.to_dict()
    else:
        raise UnsupportedMediaType(f"Send the password as {_FORM} or {_JSON}.")
    for name in fields:
        if name != "password":
            raise ValidationFailed("Unknown field.", field=name[:100])
    return fields
