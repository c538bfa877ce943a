"""Wire shapes of errors."""

from marshmallow import Schema, fields


class FieldErrorSchema(Schema):
    field = fields.String(metadata={"description": "Dotted path into the body, or the name of a parameter."})
    message = fields.String()


class ErrorBodySchema(Schema):
    code = fields.String(required=True, metadata={"example": "VALIDATION_ERROR"})
    message = fields.String(required=True, metadata={"example": "Must be a web address."})
    field = fields.String(required=True, allow_none=True, metadata={"example": "url"})
    request_id = fields.String(required=True, metadata={"example": "req_8f3a2b1cJd0SKe3hQm7TzA"})
    reason = fields.String(metadata={"description": "Why, where one code has several reasons."})
    details = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "All field errors."})


class ErrorSchema(Schema):
    """The one shape of every error."""

    error = fields.Nested(ErrorBodySchema, required=True)


class ProblemSchema(Schema):
    """An error as RFC 9457."""

    type = fields.String(
        required=True,
        metadata={"format": "uri", "example": "https://go.example.org/docs/errors#VALIDATION_ERROR"},
    )
    title = fields.String(required=True, metadata={"example": "The request is not valid."})
    status = fields.Integer(required=True, metadata={"example": 400})
    detail = fields.String(required=True, metadata={"example": "Must be a web address."})
    instance = fields.String(
        required=True,
        metadata={"format": "uri", "example": "urn:slugline:request:req_8f3a2b1cJd0SKe3hQm7TzA"},
    )
    code = fields.String(required=True, metadata={"example": "VALIDATION_ERROR"})
    field = fields.String(required=True, allow_none=True, metadata={"example": "url"})
    request_id = fields.String(required=True, metadata={"example": "req_8f3a2b1cJd0SKe3hQm7TzA"})
    reason = fields.String(metadata={"description": "Why, where one code has several reasons."})
    details = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "All field errors."})
