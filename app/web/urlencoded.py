"""What Werkzeug lets pass in `application/x-www-form-urlencoded`, in a query as in a form."""

from urllib.parse import unquote_to_bytes

from app.errors import FieldError, ValidationFailed


def refuse_broken_text(pairs: bytes) -> None:
    """Raise ValidationFailed for a pair that is not UTF-8; Werkzeug would take its `%FF` for what was meant."""
    for pair in pairs.split(b"&"):
        given = unquote_to_bytes(pair)
        try:
            given.decode()
        except UnicodeDecodeError:
            name = given.partition(b"=")[0].decode(errors="replace")[:100]
            raise ValidationFailed.of([FieldError(name, "Must be UTF-8.")]) from None
