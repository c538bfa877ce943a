"""Wire shapes of second factors and passkeys. Those of WebAuthn have its own names (level 3, §5.1)."""

from typing import Any

from flask import url_for
from marshmallow import EXCLUDE, Schema, fields, pre_dump, validate

from app.accounts.models import Passkey
from app.api.fields import Text, Time, Transport
from app.api.pagination import Href, Items, PageHrefs, PageQuery, PageSchema, chosen_from

_BASE64URL = validate.Regexp(r"^[A-Za-z0-9_-]+=*$", error="Must be base64url.")
_LONGEST = 65_536  # characters; of an attestation with its certificates some 10,000


def _bytes(name: str) -> Text:
    """Bytes as base64url, in the field that WebAuthn calls `name`."""
    example = {"example": "AAAA"}
    return Text(
        _LONGEST, required=True, data_key=name, attribute=name, validate=[_BASE64URL], metadata=example
    )


class Reauthentication(Schema):
    """What proves who one is: the password, and a code where codes are on."""

    password = Text(
        1024,
        allow_none=True,
        load_default=None,
        metadata={"format": "password", "example": "correct horse battery"},
    )
    otp = Text(64, allow_none=True, load_default=None, metadata={"description": "As in POST /auth/login."})


class TotpHrefs(Schema):
    """What belongs to one-time codes."""

    self = fields.Nested(Href, required=True)
    passkeys = fields.Nested(Href, required=True)


class TotpOut(Schema):
    """Whether one-time codes are on; `required`: one's role counts in sessions with two factors only."""

    enabled = fields.Boolean(required=True, metadata={"example": True})
    enabled_at = Time(required=True, allow_none=True)
    recovery_codes_left = fields.Integer(required=True, metadata={"example": 10})
    required = fields.Boolean(required=True, metadata={"example": False})
    _links = fields.Nested(TotpHrefs, required=True)

    @pre_dump
    def _shown(self, status: Any, **_kwargs: Any) -> dict[str, Any]:
        columns = ("enabled", "enabled_at", "recovery_codes_left", "required")
        hrefs = {
            "self": {"href": url_for("v1_factors.get_totp")},
            "passkeys": {"href": url_for("v1_factors.list_passkeys")},
        }
        return {"_links": hrefs} | {name: getattr(status, name) for name in columns}


class Enrolment(Schema):
    """What a generator of codes needs, shown this once: to be typed, opened on a phone, or scanned."""

    secret = fields.String(required=True, metadata={"example": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"})
    uri = fields.String(
        required=True,
        metadata={
            "format": "uri",
            "example": "otpauth://totp/go.example.org:ada%40example.org?secret=JBSWY3DP…",
        },
    )
    qr = fields.String(
        required=True,
        metadata={
            "description": "`uri` as a QR code: an SVG image, for the `src` of an `img`.",
            "example": "data:image/svg+xml;charset=utf-8,%3Csvg…",
        },
    )


class Confirmation(Schema):
    """The first code."""

    code = Text(16, least=1, required=True, metadata={"example": "287082"})


class RecoveryCodes(Schema):
    """Codes that stand in for a one-time code, each good once, shown this once."""

    recovery_codes = fields.List(
        fields.String(), required=True, metadata={"example": ["7k3m-9w2x-q8fz-4h6n-0dvr-b5ts"]}
    )


class _OfAuthenticator(Schema):
    """Browsers send more than is looked at, and later ones still more."""

    class Meta:
        unknown = EXCLUDE


class AttestationResponse(_OfAuthenticator):
    """WebAuthn's AuthenticatorAttestationResponseJSON."""

    client_data = _bytes("clientDataJSON")
    attestation = _bytes("attestationObject")


class AssertionResponse(_OfAuthenticator):
    """WebAuthn's AuthenticatorAssertionResponseJSON."""

    client_data = _bytes("clientDataJSON")
    authenticator_data = _bytes("authenticatorData")
    signature = _bytes("signature")
    user_handle = _bytes("userHandle")


class _Credential(_OfAuthenticator):
    id = _bytes("id")
    raw_id = _bytes("rawId")
    type = fields.String(required=True, validate=validate.OneOf(["public-key"]))


class NewCredential(_Credential):
    """WebAuthn's RegistrationResponseJSON: `credential.toJSON()`."""

    response = fields.Nested(AttestationResponse, required=True)


class SignedCredential(_Credential):
    """WebAuthn's AuthenticationResponseJSON: `credential.toJSON()`."""

    response = fields.Nested(AssertionResponse, required=True)


_IDENTITY = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
_ATTESTATION = {"clientDataJSON": "AAAA", "attestationObject": "AAAA"}
_ASSERTION = {
    "clientDataJSON": "AAAA",
    "authenticatorData": "AAAA",
    "signature": "AAAA",
    "userHandle": "AAAA",
}


class PasskeyIn(Schema):
    """A passkey that a browser made."""

    name = Text(100, least=1, load_default="Passkey", metadata={"example": "Ada's phone"})
    credential = fields.Nested(
        NewCredential, required=True, metadata={"example": {**_IDENTITY, "response": _ATTESTATION}}
    )


class PasskeySignIn(Schema):
    """A sign-in by passkey."""

    transport = Transport()

    credential = fields.Nested(
        SignedCredential, required=True, metadata={"example": {**_IDENTITY, "response": _ASSERTION}}
    )


class PasskeyOut(Schema):
    """A passkey."""

    id = fields.String(required=True, metadata={"example": "psk_4kTbW0yZpQ2mN8vXc1LrDs"})
    name = fields.String(required=True, metadata={"example": "Ada's phone"})
    created_at = Time(required=True)
    last_used_at = Time(required=True, allow_none=True)

    @pre_dump
    def _shown(self, passkey: Passkey, **_kwargs: Any) -> dict[str, Any]:
        columns = ("name", "created_at", "last_used_at")
        return {"id": passkey.public_id} | {name: getattr(passkey, name) for name in columns}


class PasskeyItem(PasskeyOut):
    """A passkey in a list; with `fields` those alone."""


class PasskeyList(Schema):
    """The caller's passkeys, the latest first."""

    items = Items(PasskeyItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class PasskeyListQuery(PageQuery):
    """Which page, and what of it."""

    chosen = chosen_from(PasskeyItem)


class RequestOptions(Schema):
    """WebAuthn's PublicKeyCredentialRequestOptionsJSON."""

    challenge = fields.String(required=True)
    timeout = fields.Integer(required=True, metadata={"description": "Milliseconds.", "example": 300_000})
    rp_id = fields.String(required=True, data_key="rpId", attribute="rpId")
    allowed = fields.List(
        fields.Dict(), required=True, data_key="allowCredentials", attribute="allowCredentials"
    )
    verification = fields.String(required=True, data_key="userVerification", attribute="userVerification")


class CreationOptions(Schema):
    """WebAuthn's PublicKeyCredentialCreationOptionsJSON."""

    rp = fields.Dict(required=True)
    user = fields.Dict(required=True)
    challenge = fields.String(required=True)
    algorithms = fields.List(
        fields.Dict(), required=True, data_key="pubKeyCredParams", attribute="pubKeyCredParams"
    )
    timeout = fields.Integer(required=True, metadata={"description": "Milliseconds.", "example": 300_000})
    excluded = fields.List(
        fields.Dict(), required=True, data_key="excludeCredentials", attribute="excludeCredentials"
    )
    selection = fields.Dict(
        required=True, data_key="authenticatorSelection", attribute="authenticatorSelection"
    )
    attestation = fields.String(required=True)
