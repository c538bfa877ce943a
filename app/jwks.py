"""/.well-known/jwks.json: the public keys that other services verify access tokens with (RFC 7517)."""

from flask import Blueprint, Flask, Response, current_app

from app.accounts import signing_keys

blueprint = Blueprint("jwks", __name__)
_KEPT = 300  # seconds; an unknown `kid` is what tells a verifier to ask again before


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The set, empty while tokens are signed HS256: a symmetric key is never shown."""
    body = current_app.json.dumps({"keys": signing_keys.public()})
    response = Response(body, mimetype="application/jwk-set+json")
    response.headers["Cache-Control"] = f"public, max-age={_KEPT}"
    return response
