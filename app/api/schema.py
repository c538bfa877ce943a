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
