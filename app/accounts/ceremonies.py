"""The two ceremonies of WebAuthn (level 3, §7): making a credential, and signing in by one, as the library sees them.

The user is verified by the authenticator in both, so that a passkey is two factors: what one has, and what one knows
or is. Attestation is not asked for: whoever made the authenticator, its owner chose it. Origins are the ones listed;
that they are secure is what browsers ask of a page before it may use a passkey.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import webauthn
from flask import current_app
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_authentication_credential_json,
    parse_client_data_json,
)
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from app.accounts.challenges import LIFE
from app.accounts.models import Passkey, User

LONGEST_KEY = 1024  # bytes of COSE; RSA of 4,096 bits takes 530

_TIMEOUT = int(LIFE.total_seconds() * 1000)
_CHOICE = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
)


class BadCredential(ValueError):
    """What an authenticator is said to have answered does not hold."""


def creation_options(user: User, known: Sequence[Passkey], challenge: bytes) -> dict[str, Any]:
    """What `navigator.credentials.create` takes, as JSON. `known` are not to be made again."""
    options = webauthn.generate_registration_options(
        rp_id=current_app.config["PASSKEY_DOMAIN"],
        rp_name=urlsplit(current_app.config["PUBLIC_URL"]).hostname or "",
        user_id=handle(user),
        user_name=user.email or user.public_id,
        user_display_name=user.name or user.email,
        challenge=challenge,
        timeout=_TIMEOUT,
        authenticator_selection=_CHOICE,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in known],
    )
    return options_to_json_dict(options)


def request_options(challenge: bytes) -> dict[str, Any]:
    """What `navigator.credentials.get` takes, as JSON; it names no credential, so it tells of no account."""
    options = webauthn.generate_authentication_options(
        rp_id=current_app.config["PASSKEY_DOMAIN"],
        challenge=challenge,
        timeout=_TIMEOUT,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def handle(user: User) -> bytes:
    """What authenticators know the user by (§5.4.3): it tells nothing of the person."""
    return user.public_id.encode()


def challenge_of(credential: dict[str, Any]) -> bytes:
    """The challenge that was answered, yet unproven. Raises BadCredential, also for an answer in a foreign frame."""
    with _refusing():
        text = credential["response"]["clientDataJSON"]
        told = parse_client_data_json(webauthn.base64url_to_bytes(text))
        if told.cross_origin:
            raise BadCredential("made in a frame of another site")
        return told.challenge


def identity_of(credential: dict[str, Any]) -> tuple[bytes, bytes | None]:
    """The credential's id and the user handle that were sent, yet unproven. Raises BadCredential."""
    with _refusing():
        parsed = parse_authentication_credential_json(credential)
        return parsed.raw_id, parsed.response.user_handle


def registered(credential: dict[str, Any], challenge: bytes) -> VerifiedRegistration:
    """A new credential. Raises BadCredential."""
    with _refusing():
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=current_app.config["PASSKEY_DOMAIN"],
            expected_origin=current_app.config["PASSKEY_ORIGINS"],
            require_user_verification=True,
        )
        if len(made.credential_public_key) > LONGEST_KEY:
            raise BadCredential("the public key is too long")
        # The library looks at the key when it is used first: one on no curve would be found out too late.
        decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
        return made


def asserted(credential: dict[str, Any], challenge: bytes, passkey: Passkey) -> VerifiedAuthentication:
    """A proof that somebody has the passkey. Raises BadCredential, also where its counter has not gone up: then
    there are two of it (§6.1.1)."""
    with _refusing():
        return webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=current_app.config["PASSKEY_DOMAIN"],
            expected_origin=current_app.config["PASSKEY_ORIGINS"],
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )


@contextmanager
def _refusing() -> Iterator[None]:
    """The library parses JSON, CBOR, COSE and X.509 of strangers, and has a dozen ways of its own, and all those of
    Python, to say that something is wrong with it."""
    try:
        yield
    except Exception as error:
        raise BadCredential(str(error)) from error
