"""What schemas of one kind share."""

from typing import Any, ClassVar

from marshmallow import Schema, pre_load


class Editable(Schema):
    """A body of PUT or PATCH: takes the read-only fields of its resource and ignores them, so that what GET
    gave can be changed and sent back."""

    READ_ONLY: ClassVar[frozenset[str]] = frozenset()

    @pre_load
    def _drop_read_only(self, data: Any, **_kwargs: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in self.READ_ONLY}


class Alternatives(Schema):
    """An answer that has one of several shapes, by the class of what is told; documented as `oneOf`.

    `ASKED_FOR_BY` names, for a shape that only some get, what they send to get it: fields of the body, credentials.
    Whoever does not know these is never answered so, and `make spec-check` goes by that.
    """

    SHAPES: ClassVar[dict[type, type[Schema]]] = {}
    ASKED_FOR_BY: ClassVar[dict[type[Schema], list[str]]] = {}

    def dump(self, obj: Any, **options: Any) -> Any:
        return self.SHAPES[type(obj)]().dump(obj, **options)

    @classmethod
    def described(cls) -> dict[str, Any]:
        """As flask-smorest takes it for the document."""
        asked = {f"#/components/schemas/{shape.__name__}": names for shape, names in cls.ASKED_FOR_BY.items()}
        return {"oneOf": [*cls.SHAPES.values()], "x-asked-for-by": asked}
