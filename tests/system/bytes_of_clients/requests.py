"""Well-formed requests of every kind: links, methods, cut in pieces, several at once."""

from collections.abc import Iterator

from tests.e2e.vectors import PAGE, PLAIN, SLOW, STATES, get, request
from tests.system.bytes_of_clients.vector import Vector, whole


def states() -> Iterator[tuple[str, Vector]]:
    hot = {"plain", "moved", "kept", "keptmoved"}
    for code in STATES:
        path = f"/s/{code}"
        yield code, whole(get(target=path), 1 if code in hot else None)
        yield f"{code} with a query", whole(get(target=f"{path}?utm=x&b=%20"), 1 if code in hot else None)
        yield f"{code} preview", whole(get(target=f"{path}+"), 0)
        yield f"{code} for a program", whole(get("Accept: application/json", target=path))
        yield f"{code} HEAD", whole(request(f"HEAD {path} HTTP/1.1"), 0)
        yield f"{code} ahead of time", whole(get("Sec-Purpose: prefetch", target=path))
    yield "unlocking", whole(SLOW, 0)


def splits() -> Iterator[tuple[str, Vector]]:
    sent = get("User-Agent: somebody", "Referer: https://a.example/", target="/s/plain?a=b")
    places = {
        "one byte": 1,
        "method": 3,
        "method and blank": 4,
        "half a target": 9,
        "target": sent.index(b" HTTP"),
        "half a version": sent.index(b"/1.1"),
        "line without CRLF": sent.index(b"\r\n"),
        "line and CR": sent.index(b"\r\n") + 1,
        "line": sent.index(b"\r\n") + 2,
        "half a name": sent.index(b"ser-Agent"),
        "colon": sent.index(b": somebody") + 1,
        "half a value": sent.index(b"body"),
        "header": sent.index(b"Referer"),
        "all but CRLF CRLF": len(sent) - 4,
        "all but CRLF": len(sent) - 2,
        "all but LF": len(sent) - 1,
    }
    for name, place in places.items():
        yield f"split after {name}", Vector((sent[:place], sent[place:]))
    yield "byte by byte", Vector(tuple(bytes((byte,)) for byte in PLAIN))
    yield "body in the next segment", Vector((get("Content-Length: 5"), b"12345"), 0)
    yield "two and a half", Vector((PLAIN + PLAIN + PLAIN[:20], PLAIN[20:]))
    yield "half, and one and a half", Vector((PLAIN[:20], PLAIN[20:] + PLAIN))
    yield "incomplete", whole(PLAIN[:-1], 0)
    yield "method alone", whole(b"GET", 0)
    yield "nothing", Vector((), 0)


def pipelines() -> Iterator[tuple[str, Vector]]:
    close = get("Connection: close")
    lines = {
        "two": PLAIN * 2,
        "ten": PLAIN * 10,
        "ten of several links": b"".join(get(target=f"/s/{code}") for code in STATES[:10]),
        "page in the middle": PLAIN + PAGE + PLAIN,
        "slow one in the middle": PLAIN + SLOW + PLAIN,
        "slow one first": SLOW + PLAIN * 2,
        "closing in the middle": PLAIN + close + PLAIN,
        "closing at the end": PLAIN + close,
        "HEAD before": request("HEAD /s/plain HTTP/1.1") + PLAIN,
        "old one before": get(version="HTTP/1.0") + PLAIN,
        "bad one behind": PLAIN + b"BAD\r\n\r\n",
        "bad one before": b"BAD\r\n\r\n" + PLAIN,
        "garbage behind": PLAIN + b"\x00\xff\x00\xff",
        "blank line behind": PLAIN + b"\r\n",
        "two blank lines behind": PLAIN + b"\r\n\r\n",
        "LF behind": PLAIN + b"\n",
        "TLS behind": PLAIN + b"\x16\x03\x01\x02\x00",
    }
    for name, sent in lines.items():
        yield f"pipelined: {name}", whole(sent, 0)


def methods() -> Iterator[tuple[str, Vector]]:
    for method in (
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "HEAD",
        "PROPFIND",
        "QUERY",
    ):
        yield f"{method} plain", whole(request(f"{method} /s/plain HTTP/1.1"), 0)
    yield "OPTIONS *", whole(request("OPTIONS * HTTP/1.1"), 0)
    yield "CONNECT authority", whole(request("CONNECT sho.rt:443 HTTP/1.1"), 0)
    yield "POST with a body", whole(request("POST /s/plain HTTP/1.1", "Content-Length: 3", body=b"a=b"), 0)
