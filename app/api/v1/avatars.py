"""/users/me/avatar: one's picture."""

from typing import Any

from flask import Response, url_for

from app.accounts import avatars
from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint, raises
from app.api.conditional import carry, conditional, precondition
from app.api.v1.schemas.avatars import AvatarUpload
from app.errors import NotFound
from app.web import body, limits

blueprint = Blueprint("v1_avatars", __name__, url_prefix="/users/me/avatar", description="One's picture.")

PNG = "image/png"
PICTURE = {"type": "string", "format": "binary"}
_MULTIPART = 16 * 1024  # bytes around the file


@blueprint.put("")
@scope("users:write")
@body.at_most(avatars.LARGEST + _MULTIPART)
@conditional
@blueprint.arguments(AvatarUpload, location="files")
@blueprint.response(201, headers={"Location": {"schema": {"type": "string"}}})
@blueprint.response(204)
def put_avatar(files: dict[str, Any]) -> Response:
    """Send one's picture.

    JPEG, PNG, WebP or GIF of at most 2 MiB and 16 million pixels. What is kept is its middle, upright, as a PNG of
    256 x 256 pixels without any metadata.
    """
    limits.spend(limits.Bucket("avatar", "LIMIT_AVATARS", current_principal().user))
    is_first = avatars.put(current_principal().user_id, files["avatar"], precondition())
    # RFC 9110 §9.3.4: no ETag, since what is kept is not what was sent.
    return (
        Response(status=201, headers={"Location": url_for("v1_avatars.get_avatar")})
        if is_first
        else Response(status=204)
    )


@blueprint.get("")
@scope("users:read")
@conditional
@raises(NotFound)
@blueprint.response(200, PICTURE, content_type=PNG)
def get_avatar() -> Response:
    """Read one's picture.

    A PNG; 404 where there is none.
    """
    user, picture = avatars.get(current_principal().user_id)
    carry(user.version, user.updated_at, url_for("v1_avatars.get_avatar"))
    return Response(picture, mimetype=PNG)


@blueprint.delete("")
@scope("users:write")
@conditional
@raises(NotFound)
@blueprint.response(204)
def delete_avatar() -> None:
    """Take one's picture away."""
    avatars.remove(current_principal().user_id, precondition())
