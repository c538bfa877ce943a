"""Whether a schema of an OpenAPI document only grew; the calls around it: growth.py.

Input is contravariant (what was accepted still is), output covariant (what is sent is still what was promised); both
may have more. What `allOf` joins is taken as one schema in which the narrower bound holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ANNOTATIONS = {
    *("$ref", "default", "deprecated", "description", "example", "examples", "externalDocs"),
    *("readOnly", "title", "writeOnly", "xml"),
}
_STRUCTURE = {
    "additionalProperties",
    "allOf",
    "anyOf",
    "enum",
    "items",
    "oneOf",
    "properties",
    "required",
    "type",
}
_COUNTS = {"minItems", "minLength", "minProperties"}
_LEAST = {"exclusiveMinimum", "minimum", *_COUNTS}
_MOST = {"exclusiveMaximum", "maximum", "maxItems", "maxLength", "maxProperties"}
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}

Node = Mapping[str, Any]
ANY: Node = {}  # the schema of whatever has none: one object, for pairs of schemas are told apart by identity


@dataclass(frozen=True, order=True)
class Finding:
    """One difference: where, and what of it; `breaks` unless a client must be ready for it anyhow."""

    where: str
    what: str
    breaks: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Shapes:
    """Both documents, and the pairs of schemas that are being compared: they may hold themselves."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new
        self._open: set[tuple[int, int]] = set()

    def compare(self, where: str, old: Any, new: Any, *, comes_in: bool) -> Iterator[Finding]:
        """What of schema `old` is no longer so in `new`; `comes_in` if clients send it, else they read it."""
        pair = (id(old), id(new))
        if pair not in self._open:
            self._open.add(pair)
            yield from self._alternatives(where, old, new, comes_in=comes_in)
            self._open.discard(pair)

    def _alternatives(self, where: str, old: Any, new: Any, *, comes_in: bool) -> Iterator[Finding]:
        """Each alternative of what must fit finds one that it fits; where none does, the nearest tells why."""
        before, after = _any_of(self._old, old), _any_of(self._new, new)
        if not comes_in and _are_null(after) and not _are_null(before):
            yield Finding(where, "is now always null")
        for fitting in before if comes_in else after:
            pairs = [
                (fitting, other) if comes_in else (other, fitting)
                for other in (after if comes_in else before)
            ]
            tries = [list(self._shapes(where, *pair, comes_in=comes_in)) for pair in pairs]
            yield from min(tries, key=lambda found: (sum(finding.breaks for finding in found), len(found)))

    def _shapes(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        wide, narrow = (new, old) if comes_in else (old, new)
        if extra := _types(narrow) - _types(wide):
            told = "no longer takes" if comes_in else "may now be"
            yield Finding(where, f"{told} {', '.join(sorted(extra))}")
        mark = "readOnly" if comes_in else "writeOnly"
        if new.get(mark) and not old.get(mark):
            yield Finding(where, f"is now {mark}")
        yield from _enums(where, old, new, comes_in=comes_in)
        yield from _bounds(where, wide, narrow, comes_in=comes_in)
        if comes_in and old.get("default") != new.get("default"):
            yield Finding(where, f"default {old.get('default')} is now {new.get('default')}")
        if "object" in _types(old) & _types(new):
            yield from self._properties(where, old, new, comes_in=comes_in)
            yield from self._others(where, old, new, comes_in=comes_in)
        if "items" in wide and "array" in _types(narrow):
            yield from self.compare(
                f"{where}[]", old.get("items", ANY), new.get("items", ANY), comes_in=comes_in
            )

    def _properties(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        before, after = old.get("properties", ANY), new.get("properties", ANY)
        for name, schema in before.items():
            if name not in after:
                yield Finding(f"{where}.{name}", "removed")
            else:
                yield from self.compare(f"{where}.{name}", schema, after[name], comes_in=comes_in)
        asked, promised = set(old.get("required", [])), set(new.get("required", []))
        if comes_in:
            for name in sorted(promised - asked):
                yield Finding(f"{where}.{name}", "is now required")
        else:
            for name in sorted(asked - promised - (set(before) - set(after))):
                yield Finding(f"{where}.{name}", "may now be absent")

    def _others(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        """Fields without a name. The next answer may have more than one that is closed (docs/versioning.md)."""
        before, after = (part.get("additionalProperties", True) for part in (old, new))
        if after is False and before is not False and (comes_in or isinstance(before, Mapping)):
            yield Finding(where, f"no longer {'takes' if comes_in else 'has'} other fields")
        elif before is not False and isinstance(after if comes_in else before, Mapping):
            yield from self.compare(f"{where}.*", before, after, comes_in=comes_in)


def _enums(where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
    before, after = old.get("enum"), new.get("enum")
    if before is not None and after is not None:
        for value in (value for value in before if value not in after):
            yield Finding(where, f"value {value} removed")
    if comes_in and before is None and after is not None:
        yield Finding(where, "takes a few values only")
    if not comes_in and before is not None:
        for value in ["any"] if after is None else [value for value in after if value not in before]:
            yield Finding(where, f"new value {value}", breaks=False)


def _bounds(where: str, wide: Node, narrow: Node, *, comes_in: bool) -> Iterator[Finding]:
    """Limits of `wide` that `narrow` does not keep. Longer texts and larger numbers in answers are no break."""
    for name in sorted(set(wide) - _ANNOTATIONS - _STRUCTURE):
        limit, kept = wide[name], narrow.get(name)
        if (
            name.startswith("x-")
            or limit == kept
            or (name in _COUNTS and limit == 0)
            or (name, limit) == ("uniqueItems", False)
        ):
            continue
        if kept is not None and ((name in _LEAST and kept > limit) or (name in _MOST and kept < limit)):
            continue
        before, after = (kept, limit) if comes_in else (limit, kept)
        is_bound = name in _LEAST | _MOST | {"pattern"}
        yield Finding(where, f"{name} {before} is now {after}", breaks=comes_in or not is_bound)


def resolved(document: Node, node: Any) -> Node:
    """`node` with its reference and its `allOf` put in, its own keywords over theirs unless theirs are narrower."""
    if not isinstance(node, Mapping):  # true and false are schemas too
        return ANY if node else {"not": {}}
    found: dict[str, Any] = {}
    parts: list[Any] = list(node.get("allOf", []))
    if "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        parts.append(target)
    for part in [*(resolved(document, part) for part in parts), node]:
        found = {**found, **part, **_joined(found, part)}
    return {name: value for name, value in found.items() if name not in ("$ref", "allOf")}


def _joined(one: Node, other: Node) -> dict[str, Any]:
    """The keywords of which both schemas' values hold."""
    ways: dict[str, Any] = {
        "enum": lambda first, second: [value for value in first if value in second],
        "properties": lambda first, second: {**first, **second},
        "required": lambda first, second: [*first, *second] if isinstance(first, list) else second,
        **dict.fromkeys(_LEAST, max),
        **dict.fromkeys(_MOST, min),
    }
    return {name: ways[name](one[name], other[name]) for name in set(one) & set(other) & set(ways)}


def _any_of(document: Node, node: Any) -> list[Node]:
    """The alternatives of a schema, each with what stands beside them; several types are some, however written."""
    whole = resolved(document, node)
    for word in ("anyOf", "oneOf"):
        if word in whole:
            beside = {name: value for name, value in whole.items() if name != word}
            return [leaf for one in whole[word] for leaf in _any_of(document, {**beside, "allOf": [one]})]
    if isinstance(whole.get("type"), list):
        return [{**whole, "type": name} for name in whole["type"]]
    return [whole]


def _are_null(alternatives: list[Node]) -> bool:
    return all(_types(one) == {"null"} for one in alternatives)


def _types(node: Node) -> set[str]:
    named = node.get("type")
    found = {named} if isinstance(named, str) else _TYPES
    return found | {"integer"} if "number" in found else found
