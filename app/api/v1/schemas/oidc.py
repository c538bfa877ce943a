"""Wire shapes of /auth/providers and /auth/oidc."""

import re
from collections.abc import Mapping
from typing import Any

from flask import current_app, url_for
from marshmallow import Schema, ValidationError, fields, pre_dump, validate

from app.accounts.oidc.flows import LIFE
from app.accounts.oidc.signing_in import Began
from app.api.fields import Text, Transport
from app.api.pagination import Href
from app.errors import FieldError, ValidationFailed
from settings.providers import OIDCProvider

VISIBLE = r"[!-~]+"
# Neither `//` nor `/\`, which browsers take for another host; no `#`, behind which the answer comes.
_PATH = re.compile(r"/(?![/\\])[^#\\]*")
_PAGE = re.compile(r"(https?://[^/?#\\@]+)([/?][^#\\]*)?")


class ReturnTo(Text):
    """A page of this host or of a listed frontend: an open redirect else (CWE-601)."""

    def __init__(self) -> None:
        super().__init__(
            2048,
            required=True,
            validate=[validate.Regexp(rf"^{VISIBLE}\Z", error="Must be printable ASCII, escaped.")],
            metadata={
                "description": "A path of this host, or a page of an origin in `CORS_ORIGINS`; no fragment.",
                "example": "/docs",
            },
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        page = _PAGE.fullmatch(text)
        listed = page and any(origin.match(page[1]) for origin in current_app.config["CORS_ORIGINS"])
        if not (listed or _PATH.fullmatch(text)):
            raise ValidationError("Must be a path, or a page of a listed origin.")
        return text


class ProviderHrefs(Schema):
    """Where a sign-in is begun (POST)."""

    begin = fields.Nested(Href, required=True)


class ProviderOut(Schema):
    """A provider that one can sign in at."""

    name = fields.String(required=True, metadata={"example": "google"})
    issuer = fields.String(required=True, metadata={"example": "https://accounts.google.com"})
    _links = fields.Nested(ProviderHrefs, required=True)

    @pre_dump
    def _shown(self, provider: OIDCProvider, **_kwargs: Any) -> dict[str, Any]:
        begin = {"href": url_for("v1_oidc.begin_sign_in", provider=provider.name)}
        return {"name": provider.name, "issuer": provider.issuer, "_links": {"begin": begin}}


class ProviderList(Schema):
    """All of them."""

    items = fields.List(fields.Nested(ProviderOut), required=True)


class SignInStart(Schema):
    """Where the browser goes when it comes back."""

    return_to = ReturnTo()


class Going(Schema):
    """Where the browser goes now; `expires_in` seconds to come back."""

    authorization_url = fields.String(
        required=True,
        metadata={"format": "uri", "example": "https://accounts.google.com/o/oauth2/v2/auth?state=…"},
    )
    expires_in = fields.Constant(
        int(LIFE.total_seconds()), required=True, metadata={"type": "integer", "example": 600}
    )

    @pre_dump
    def _shown(self, began: Began, **_kwargs: Any) -> dict[str, Any]:
        return {"authorization_url": began.authorization_url}


def _told(example: str, **options: Any) -> Text:
    visible = validate.Regexp(rf"^{VISIBLE}\Z", error="Must be printable ASCII.")
    return Text(2048, least=1, validate=[visible], metadata={"example": example}, **options)


class Completion(Schema):
    """What stood behind the `#`."""

    code = _told("4/0AeanS0aVq8Lr2", required=True)
    state = _told("kB1cUe0v3hQm7TzAJd0SKe8f3a2b1cXx", required=True)
    iss = _told("https://accounts.google.com", load_default=None, allow_none=True)


class SignInCompletion(Completion):
    """What stood behind the `#`, and how what it opens is to travel."""

    transport = Transport()


class CameBack:
    """The parameters of a callback."""

    NAMES = ("code", "state", "iss", "error")

    @classmethod
    def checked(cls, arguments: Mapping[str, str]) -> dict[str, str]:
        """Those that count. Raises ValidationFailed where one is no visible ASCII, or `state` is missing."""
        told = {name: arguments[name] for name in cls.NAMES if name in arguments}
        bad = [name for name, value in told.items() if not re.fullmatch(VISIBLE, value) or len(value) > 2048]
        if bad or "state" not in told:
            raise ValidationFailed.of(
                FieldError(name, "Must be printable ASCII.") for name in bad or ["state"]
            )
        return told
