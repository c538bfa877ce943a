"""Wire shapes of moderation."""

from marshmallow import Schema

from app.api.v1.schemas.link_input import Label


class Block(Schema):
    """Why a link is blocked."""

    reason = Label(
        255,
        least=1,
        required=True,
        metadata={"description": "Shown to the link's owner, not to visitors.", "example": "Phishing"},
    )
