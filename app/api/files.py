"""Answers that are files: CSV, JSON and NDJSON, made row by row.

A file is complete before its first byte is sent. So an error on the way is an error answer, never half a file that
looks whole; its length is known; and no database transaction waits for a slow client. It takes memory up to 1 MiB,
then a temporary file.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile

from flask import Response
from werkzeug.wsgi import FileWrapper

Row = Sequence[str | int]
NDJSON = "application/x-ndjson"

# Made once: `json.dumps` with options makes one for each call.
_encoded = json.JSONEncoder(ensure_ascii=False).encode
_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024
# Where a spreadsheet sees the beginning of a formula (OWASP, CSV Injection): at the beginning of a cell, which with
# other list separators than ours is also amid the text (`;` where `,` is the decimal mark).
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t])|^(?=[\r\n])")


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Row]) -> Response:
    """A file of RFC 4180 in UTF-8, with a header line. What a spreadsheet would run gets a `'` before it.

    Strangers' text belongs in the first column: in another its quotes are none to who separates by `;`.
    """
    return _attachment(f"{name}.csv", "text/csv; charset=utf-8", _csv_lines(columns, rows))


def json_file(name: str, head: Mapping[str, str], columns: Sequence[str], rows: Iterable[Row]) -> Response:
    """An object of `head` and `items`, an object for each row."""
    items = (dict(zip(columns, row, strict=True)) for row in rows)
    return json_object(name, [*head.items(), ("items", items)])


def json_object(name: str, members: Iterable[tuple[str, object]]) -> Response:
    """An object. A member that is an iterator becomes an array, item by item."""
    return _attachment(f"{name}.json", "application/json", _json_lines(members))


def ndjson_file(name: str, rows: Iterable[Mapping[str, object]]) -> Response:
    """A line of JSON for each row (github.com/ndjson/ndjson-spec)."""
    lines = (_encoded(row) + "\n" for row in rows)
    return _attachment(f"{name}.ndjson", NDJSON, lines)


def _attachment(name: str, kind: str, lines: Iterable[str]) -> Response:
    """`name` is of ASCII letters, digits, dots, dashes and underscores."""
    headers = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}
    with ExitStack() as stack:
        file = stack.enter_context(SpooledTemporaryFile(_IN_MEMORY))
        # Not writelines, which keeps all in memory until the last one (Python before 3.13).
        for line in lines:
            file.write(line.encode())
        length = file.tell()
        file.seek(0)
        if length <= _IN_MEMORY:
            return Response(file.read(), headers=headers)
        response = Response(FileWrapper(file, _CHUNK), headers=headers)
        response.content_length = length
        response.call_on_close(stack.pop_all().close)
    return response


class _Line:
    """Where a csv.writer writes to: hands the line back."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Line())  # ends lines with CRLF
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_harmless(cell) for cell in row])


def _harmless(cell: str | int) -> str | int:
    return _FORMULA.sub("'", cell) if isinstance(cell, str) else cell


def _json_lines(members: Iterable[tuple[str, object]]) -> Iterator[str]:
    before = "{"
    for name, value in members:
        yield f"{before}\n{json.dumps(name)}: "
        if isinstance(value, Iterator):
            yield from _array_lines(value)
        else:
            yield _encoded(value)
        before = ","
    yield "\n}\n"


def _array_lines(items: Iterator[object]) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}\n{_encoded(item)}"
        before = ","
    yield "[]" if before == "[" else "\n]"
