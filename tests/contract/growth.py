"""Whether an OpenAPI document only grew: what a client that was written for the old one would trip over in the new.

Input is contravariant (what was accepted still is), output covariant (what is sent is still what was promised); both
may have more. Rules in words: docs/versioning.md. None of the tools on PyPI compares bounds, formats and
nullability of OpenAPI 3.1, and what ships as a binary (oasdiff, openapi-changes) is in no registry we install from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
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


@dataclass(frozen=True, order=True)
class Finding:
    """One difference: where, and what of it; `breaks` unless a client must be ready for it anyhow."""

    where: str
    what: str
    breaks: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def compare(old: Node, new: Node) -> list[Finding]:
    """What of `old` is no longer so in `new`, and what clients must be ready for; nothing of what was only added."""
    return sorted(set(_Comparison(old, new).document()))


class _Comparison:
    """Both documents, and the pairs of schemas that are being compared: they may hold themselves."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new
        self._open: set[tuple[int, int]] = set()

    def document(self) -> Iterator[Finding]:
        for server in self._old.get("servers", []):
            if server["url"] not in [other["url"] for other in self._new.get("servers", [])]:
                yield Finding("servers", f"{server['url']} removed")
        schemes = self._new.get("components", {}).get("securitySchemes", {})
        for name, scheme in self._old.get("components", {}).get("securitySchemes", {}).items():
            if _plain(scheme) != _plain(schemes.get(name, {})):
                yield Finding(f"security scheme {name}", "changed")
        for path, item in self._old["paths"].items():
            for method in METHODS:
                if method in item:
                    yield from self._operation(path, method)

    def _operation(self, path: str, method: str) -> Iterator[Finding]:
        where = f"{method.upper()} {path}"
        old_item, new_item = self._old["paths"][path], self._new["paths"].get(path, {})
        if method not in new_item:
            yield Finding(where, "removed")
            return
        old, new = old_item[method], new_item[method]
        if old.get("operationId") != new.get("operationId"):
            yield Finding(where, f"operationId {old.get('operationId')} is now {new.get('operationId')}")
        open_doors = _alternatives_of_access(new, self._new)
        if not all(
            any(ours <= theirs for ours in open_doors) for theirs in _alternatives_of_access(old, self._old)
        ):
            yield Finding(where, "asks for another credential")
        yield from self._parameters(
            where, _parameters(self._old, old_item, old), _parameters(self._new, new_item, new)
        )
        yield from self._body(
            where, self._in_old(old.get("requestBody")), self._in_new(new.get("requestBody"))
        )
        yield from self._responses(where, old["responses"], new["responses"])

    def _parameters(self, where: str, old: Mapping[Any, Node], new: Mapping[Any, Node]) -> Iterator[Finding]:
        for key, parameter in new.items():
            was_required = old[key].get("required") if key in old else False
            if parameter.get("required") and not was_required:
                yield Finding(f"{where} {' '.join(key)}", "is now required")
        for key, parameter in old.items():
            here = f"{where} {' '.join(key)}"
            if key not in new:
                yield Finding(here, "removed")
                continue
            if [parameter.get(part) for part in ("style", "explode")] != [
                new[key].get(part) for part in ("style", "explode")
            ]:
                yield Finding(here, "is written differently")
            yield from self._schema(
                here, parameter.get("schema", {}), new[key].get("schema", {}), comes_in=True
            )

    def _body(self, where: str, old: Node, new: Node) -> Iterator[Finding]:
        if new.get("required") and not old.get("required"):
            yield Finding(f"{where} body", "is now required")
        yield from self._contents(f"{where} body", old, new, comes_in=True)

    def _responses(self, where: str, old: Node, new: Node) -> Iterator[Finding]:
        for status in sorted(set(new) - set(old)):
            if status.startswith("2"):
                yield Finding(f"{where} {status}", "a new success", breaks=False)
        for status, response in old.items():
            here = f"{where} {status}"
            if status not in new:
                yield Finding(here, "removed")
                continue
            before, after = self._in_old(response), self._in_new(new[status])
            for name in sorted(set(before.get("headers", {})) - set(after.get("headers", {}))):
                yield Finding(here, f"header {name} removed")
            yield from self._contents(here, before, after, comes_in=False)

    def _contents(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        for kind, media in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield Finding(where, f"{kind} removed")
                continue
            after = new["content"][kind]
            yield from self._schema(
                where, media.get("schema", {}), after.get("schema", {}), comes_in=comes_in
            )

    def _schema(self, where: str, old: Any, new: Any, *, comes_in: bool) -> Iterator[Finding]:
        pair = (id(old), id(new))
        if pair not in self._open:
            self._open.add(pair)
            yield from self._alternatives(where, self._in_old(old), self._in_new(new), comes_in=comes_in)
            self._open.discard(pair)

    def _alternatives(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        """Each alternative of what must fit finds one that it fits; where none does, the nearest tells why."""
        before, after = _any_of(old), _any_of(new)
        for fitting in before if comes_in else after:
            pairs = [
                (fitting, other) if comes_in else (other, fitting)
                for other in (after if comes_in else before)
            ]
            tries = [list(self._pair(where, *pair, comes_in=comes_in)) for pair in pairs]
            yield from min(tries, key=lambda found: (sum(finding.breaks for finding in found), len(found)))

    def _pair(self, where: str, old: Any, new: Any, *, comes_in: bool) -> Iterator[Finding]:
        if _is_reference(old) or _is_reference(new):
            yield from self._schema(where, old, new, comes_in=comes_in)
        else:
            yield from self._shapes(where, self._in_old(old), self._in_new(new), comes_in=comes_in)

    def _shapes(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        wide, narrow = (new, old) if comes_in else (old, new)
        if extra := _types(narrow) - _types(wide):
            told = "no longer takes" if comes_in else "may now be"
            yield Finding(where, f"{told} {', '.join(sorted(extra))}")
        yield from _enums(where, old, new, comes_in=comes_in)
        yield from _bounds(where, wide, narrow, comes_in=comes_in)
        if comes_in and "default" in old and old["default"] != new.get("default"):
            yield Finding(where, f"default {old['default']} is now {new.get('default')}")
        yield from self._properties(where, old, new, comes_in=comes_in)
        if "items" in wide and "array" in _types(narrow):
            yield from self._schema(
                f"{where}[]", old.get("items", {}), new.get("items", {}), comes_in=comes_in
            )

    def _properties(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield Finding(f"{where}.{name}", "removed")
            else:
                yield from self._schema(f"{where}.{name}", schema, after[name], comes_in=comes_in)
        asked, promised = set(old.get("required", [])), set(new.get("required", []))
        if comes_in:
            for name in sorted(promised - asked):
                yield Finding(f"{where}.{name}", "is now required")
            if (
                new.get("additionalProperties") is False
                and old.get("additionalProperties", True) is not False
            ):
                yield Finding(where, "no longer takes other fields")
        for name in sorted(asked - promised):
            if not comes_in and name in after:
                yield Finding(f"{where}.{name}", "may now be absent")
        kinds = [part.get("additionalProperties") for part in (old, new)]
        if all(isinstance(kind, Mapping) for kind in kinds):
            yield from self._schema(f"{where}.*", *kinds, comes_in=comes_in)

    def _in_old(self, node: Node | None) -> Node:
        return _resolved(self._old, node or {})

    def _in_new(self, node: Node | None) -> Node:
        return _resolved(self._new, node or {})


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
        if name.startswith("x-") or limit == kept or (name in _COUNTS and limit == 0) or limit is False:
            continue
        if kept is not None and ((name in _LEAST and kept > limit) or (name in _MOST and kept < limit)):
            continue
        before, after = (kept, limit) if comes_in else (limit, kept)
        is_bound = name in _LEAST | _MOST | {"pattern"}
        yield Finding(where, f"{name} {before} is now {after}", breaks=comes_in or not is_bound)


def _resolved(document: Node, node: Any) -> Node:
    """`node` with its reference and its `allOf` put in, its own keywords over theirs."""
    if not isinstance(node, Mapping):  # true and false are schemas too
        return {} if node else {"not": {}}
    found: dict[str, Any] = {}
    parts: list[Any] = list(node.get("allOf", []))
    if "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        parts.append(target)
    for part in [*(_resolved(document, part) for part in parts), node]:
        joined = {}
        if "properties" in found and "properties" in part:
            joined = {"properties": {**found["properties"], **part["properties"]}}
        if isinstance(found.get("required"), list) and isinstance(part.get("required"), list):
            joined["required"] = [*found["required"], *part["required"]]
        found = {**found, **part, **joined}
    return {name: value for name, value in found.items() if name not in ("$ref", "allOf")}


def _is_reference(node: Any) -> bool:
    return isinstance(node, Mapping) and "$ref" in node


def _any_of(node: Node) -> Sequence[Any]:
    """The alternatives of a schema; several types are some, however they are written."""
    if isinstance(node.get("type"), list):
        return [{**node, "type": name} for name in node["type"]]
    found: Sequence[Any] = node.get("anyOf") or node.get("oneOf") or [node]
    return found


def _types(node: Node) -> set[str]:
    named = node.get("type")
    found = set([named] if isinstance(named, str) else named or _TYPES)
    return found | {"integer"} if "number" in found else found


def _parameters(document: Node, item: Node, operation: Node) -> dict[tuple[str, str], Node]:
    listed = [
        _resolved(document, part) for part in [*item.get("parameters", []), *operation.get("parameters", [])]
    ]
    return {(parameter["in"], parameter["name"]): parameter for parameter in listed}


def _alternatives_of_access(operation: Node, document: Node) -> list[set[tuple[str, str]]]:
    """What opens the operation: any one of these sets of (scheme, scope); an empty set is anybody."""
    listed = operation.get("security", document.get("security")) or [{}]
    return [{(name, scope) for name, scopes in one.items() for scope in ["", *scopes]} for one in listed]


def _plain(scheme: Node) -> dict[str, Any]:
    return {name: value for name, value in scheme.items() if name != "description"}
