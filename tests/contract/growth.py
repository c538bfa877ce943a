"""Whether an OpenAPI document only grew: what a client that was written for the old one would trip over in the new.

Calls, parameters, bodies, answers; their schemas: shapes.py. Rules in words: docs/versioning.md. None of the tools on
PyPI compares bounds, formats and nullability of OpenAPI 3.1, and what ships as a binary (oasdiff, openapi-changes) is
in no registry we install from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.shapes import ANY, Finding, Node, Shapes, resolved

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def compare(old: Node, new: Node) -> list[Finding]:
    """What of `old` is no longer so in `new`, and what clients must be ready for; nothing of what was only added."""
    return sorted(set(_Comparison(old, new).document()))


class _Comparison:
    """Both documents."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new
        self._shapes = Shapes(old, new)

    def document(self) -> Iterator[Finding]:
        schemes = self._new.get("components", {}).get("securitySchemes", {})
        for name, scheme in self._old.get("components", {}).get("securitySchemes", {}).items():
            if _plain(scheme) != _plain(schemes.get(name, {})):
                yield Finding(f"security scheme {name}", "changed")
        for path, item in self._old["paths"].items():
            for method in METHODS:
                if method in self._in_old(item):
                    yield from self._operation(path, method)

    def _operation(self, path: str, method: str) -> Iterator[Finding]:
        where = f"{method.upper()} {path}"
        old_item = self._in_old(self._old["paths"][path])
        new_item = self._in_new(self._new["paths"].get(path))
        if method not in new_item:
            yield Finding(where, "removed")
            return
        old, new = old_item[method], new_item[method]
        if old.get("operationId") != new.get("operationId"):
            yield Finding(where, f"operationId {old.get('operationId')} is now {new.get('operationId')}")
        served = _servers(self._new, new_item, new)
        for url in sorted(_servers(self._old, old_item, old) - served):
            yield Finding(where, f"server {url} removed")
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
        known, taken = _ways_to_ask(self._old, old), _ways_to_ask(self._new, new)
        yield from self._responses(where, old["responses"], _met(self._new, new, known, taken))

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
            yield from self._value(here, parameter, new[key], comes_in=True)

    def _value(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        """Of a parameter or a header."""
        if _writing(old) != _writing(new):
            yield Finding(where, "is written differently")
        yield from self._shapes.compare(
            where, old.get("schema", ANY), new.get("schema", ANY), comes_in=comes_in
        )
        yield from self._contents(where, old, new, comes_in=comes_in)

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
            yield from self._headers(here, before.get("headers", ANY), after.get("headers", ANY))
            yield from self._contents(here, before, after, comes_in=False)

    def _headers(self, where: str, old: Node, new: Node) -> Iterator[Finding]:
        for name, header in old.items():
            if name not in new:
                yield Finding(where, f"header {name} removed")
                continue
            before, after = self._in_old(header), self._in_new(new[name])
            if before.get("required") and not after.get("required"):
                yield Finding(f"{where} header {name}", "may now be absent")
            yield from self._value(f"{where} header {name}", before, after, comes_in=False)

    def _contents(self, where: str, old: Node, new: Node, *, comes_in: bool) -> Iterator[Finding]:
        for kind, media in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield Finding(where, f"{kind} removed")
                continue
            after = new["content"][kind]
            if media.get("encoding") != after.get("encoding"):
                yield Finding(where, f"{kind} is written differently")
            yield from self._shapes.compare(
                where, media.get("schema", ANY), after.get("schema", ANY), comes_in=comes_in
            )

    def _in_old(self, node: Node | None) -> Node:
        return resolved(self._old, node or {})

    def _in_new(self, node: Node | None) -> Node:
        return resolved(self._new, node or {})


def _ways_to_ask(document: Node, operation: Node) -> set[str]:
    """The fields of the body, and the credentials, that the operation takes."""
    contents = resolved(document, operation.get("requestBody", ANY)).get("content", ANY).values()
    bodies = [resolved(document, media.get("schema", ANY)) for media in contents]
    fields = {name for body in bodies for name in body.get("properties", ANY)}
    return fields | {name for one in operation.get("security", []) for name in one}


def _met(document: Node, operation: Node, known: set[str], taken: set[str]) -> Node:
    """The responses without the alternatives (`x-asked-for-by`) that come only to who asks by what is `taken` now and
    was not `known`: a client of the old document never does."""

    def met(schema: Node) -> Node:
        asked = {ref: set(names) for ref, names in schema.get("x-asked-for-by", {}).items()}
        unmet = {ref for ref, names in asked.items() if names & taken and not names & known}
        left = [one for one in schema.get("oneOf", []) if one.get("$ref") not in unmet]
        return {**schema, "oneOf": left} if unmet else schema

    found = {}
    for status, response in operation["responses"].items():
        whole = resolved(document, response)
        contents = {
            kind: {**media, "schema": met(media.get("schema", ANY))}
            for kind, media in whole.get("content", ANY).items()
        }
        found[status] = {**whole, "content": contents}
    return found


def _parameters(document: Node, item: Node, operation: Node) -> dict[tuple[str, str], Node]:
    listed = [
        resolved(document, part) for part in [*item.get("parameters", []), *operation.get("parameters", [])]
    ]
    return {(parameter["in"], parameter["name"]): parameter for parameter in listed}


def _writing(parameter: Node) -> tuple[Any, ...]:
    """How the value is put into the request or the answer (OpenAPI 3.1.1 section 4.8.12, with its defaults)."""
    style = parameter.get("style", "form" if parameter.get("in") in ("query", "cookie") else "simple")
    return style, parameter.get("explode", style == "form"), "content" in parameter


def _servers(document: Node, item: Node, operation: Node) -> set[str]:
    found = operation.get("servers") or item.get("servers") or document.get("servers") or [{"url": "/"}]
    return {server["url"] for server in found}


def _alternatives_of_access(operation: Node, document: Node) -> list[set[tuple[str, str]]]:
    """What opens the operation: any one of these sets of (scheme, scope); an empty set is anybody."""
    listed = operation.get("security", document.get("security")) or [{}]
    return [{(name, scope) for name, scopes in one.items() for scope in ["", *scopes]} for one in listed]


def _plain(scheme: Node) -> dict[str, Any]:
    return {name: value for name, value in scheme.items() if name != "description"}
