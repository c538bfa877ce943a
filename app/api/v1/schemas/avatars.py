"""Wire shapes of /users/me/avatar."""

from collections.abc import Mapping
from typing import Any

from flask_smorest.fields import Upload
from marshmallow import Schema
from werkzeug.datastructures import FileStorage

from app.accounts import avatars
from app.errors import PayloadTooLarge


class File(Upload):  # type: ignore[misc]  # flask-smorest has no types
    """A file of a multipart body, as bytes. Raises PayloadTooLarge."""

    def _deserialize(
        self, value: FileStorage, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bytes:
        content: bytes = value.stream.read(avatars.LARGEST + 1)
        if len(content) > avatars.LARGEST:
            raise PayloadTooLarge("A picture has at most 2 MiB.")
        return content


class AvatarUpload(Schema):
    """A picture."""

    avatar = File(required=True, metadata={"description": "JPEG, PNG, WebP or GIF; at most 2 MiB."})
