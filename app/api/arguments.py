"""How requests become arguments: strict JSON, no unknown field or query parameter, errors that name the field."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NoReturn

from flask import Request, request
from marshmallow import RAISE, Schema, ValidationError, fields
from webargs.fields import DelimitedList
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict

from app.api import negotiation
from app.errors import FieldError, UnsupportedMediaType, ValidationFailed
from app.web import strict_json, urlencoded

FORM_BUFFER = 128 * 1024  # bytes; Werkzeug holds each read of a file, 64 KiB, against this bound too
MESSAGES_LIMIT = 100  # fields named in one refusal


class Parser(FlaskParser):
    """webargs' parser with 400 for what is not acceptable, 415 for what is not JSON."""

    DEFAULT_VALIDATION_STATUS = 400
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE, "files": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        negotiation.check_body()
        return strict_json.parse(req.get_data())

    def load_files(self, req: Request, schema: Schema) -> Any:
        if req.mimetype != "multipart/form-data":
            raise UnsupportedMediaType(
                "Send the body as multipart/form-data.", headers={"Accept": "multipart/form-data"}
            )
        req.max_form_memory_size = FORM_BUFFER
        if req.form:
            raise ValidationFailed.of(FieldError(name[:100], "Must be a file.") for name in req.form)
        _refuse_twins(req.files, "This file stands twice.")
        return super().load_files(req, schema)

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        urlencoded.refuse_broken_text(req.query_string)
        several = {field.data_key or name for name, field in schema.fields.items() if _repeats(field)}
        _refuse_twins(req.args, "This parameter stands twice.", several)
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        messages = error.messages if isinstance(error.messages, dict) else {"json": error.messages}
        raise refusal(messages.values()) from None


def refusal(messages: Iterable[Any]) -> ValidationFailed:
    """What marshmallow's messages, nested as it nests them, are to the client."""
    found = (field for part in messages for field in _flatten(part))
    return ValidationFailed.of(islice(found, MESSAGES_LIMIT))


def refuse_query_parameters() -> None:
    """For routes that take none. Raises ValidationFailed naming each."""
    if request.args:
        raise ValidationFailed.of(FieldError(name[:100], "Unknown parameter.") for name in request.args)


def _refuse_twins(given: MultiDict[str, Any], message: str, several: Collection[str] = ()) -> None:
    """Raise ValidationFailed for a name that stands more than once and is none of `several`."""
    for name, values in given.lists():
        if len(values) > 1 and name not in several:
            raise ValidationFailed.of([FieldError(name[:100], message)])


def _repeats(field: fields.Field[Any]) -> bool:
    """Whether the parameter may stand more than once, each time with one item."""
    return isinstance(field, fields.List) and not isinstance(field, DelimitedList)


def _flatten(messages: Any, path: str = "") -> Iterator[FieldError]:
    """Walk marshmallow's nested messages; yield (dotted path, message)."""
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            name = "" if key == "_schema" else str(key)[:100]
            yield from _flatten(value, f"{path}.{name}".strip("."))
    elif isinstance(messages, list):
        for message in messages:
            yield from _flatten(message, path)
    else:
        yield FieldError(path, str(messages))
