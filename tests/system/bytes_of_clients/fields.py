"""Header fields: those that frame a message, those that browsers and proxies send, too many, too large."""

from collections.abc import Iterator

from tests.e2e.vectors import BROWSER, SECOND_HOST, get
from tests.system.bytes_of_clients.vector import Vector, whole


def framing() -> Iterator[tuple[str, Vector]]:
    hidden, chunks = get(target="/s/moved"), b"5\r\n12345\r\n0\r\n\r\n"
    chunked = "Transfer-Encoding: chunked"
    lines: dict[str, tuple[tuple[str, ...], bytes]] = {
        "no length": (("Content-Length: 0",), b""),
        "length": (("Content-Length: 5",), b"12345"),
        "length and too much": (("Content-Length: 5",), b"12345" + hidden),
        "length and too little": (("Content-Length: 500",), b"12345"),
        "length that hides a request": ((f"Content-Length: {len(hidden)}",), hidden),
        "same length twice": (("Content-Length: 5", "Content-Length: 5"), b"12345"),
        "two lengths": (("Content-Length: 5", "Content-Length: 0"), b"12345"),
        "list of lengths": (("Content-Length: 5, 5",), b"12345"),
        "chunks": ((chunked,), chunks),
        "no chunks": ((chunked,), b"0\r\n\r\n"),
        "chunks that end before a request": ((chunked,), chunks + hidden),
        "bad chunks": ((chunked,), b"x\r\n12345\r\n"),
        "chunk extension": ((chunked,), b"5;a=b\r\n12345\r\n0\r\n\r\n"),
        "chunk by bare LF": ((chunked,), b"5\n12345\n0\n\n\r\n"),
        "length, then chunked": (("Content-Length: 5", chunked), chunks),
        "chunked, then length": ((chunked, "Content-Length: 5"), chunks),
        "CL.TE": (("Content-Length: 6", chunked), b"0\r\n\r\nG"),
        "TE.CL": (("Content-Length: 3", chunked), b"1\r\nZ\r\n0\r\n\r\n"),
        "body without a length": ((), b"12345"),
        "body that is a request without a length": (("X-A: 1",), hidden),
        "length in an underscore": (("Content_Length: 5",), b"12345"),
        "coding in an underscore": (("Transfer_Encoding: chunked",), chunks),
        "coding with a blank": (("Transfer-Encoding : chunked",), chunks),
        "coding folded": (("Transfer-Encoding:", " chunked"), chunks),
    }
    for value in (
        "+5",
        "-5",
        "0x5",
        "5.0",
        "5 5",
        "",
        "\xb5",
        "٥".encode().decode("latin-1"),
        "99999999999999999999",
    ):
        lines[f"length {value!a}"] = ((f"Content-Length: {value}",), b"12345")
    for value in (
        *(
            "Chunked",
            "xchunked",
            "chunked, identity",
            "chunked, chunked",
            "identity",
            "gzip",
            "gzip, chunked",
            "",
        ),
        *("\x0bchunked", '"chunked"', "chunked;q=1", "chunked,", ",chunked", "chunked\t"),
    ):
        lines[f"coding {value!a}"] = ((f"Transfer-Encoding: {value}",), chunks)
    for name, (headers, body) in lines.items():
        yield f"framing: {name}", whole(get(*headers, body=body), 0)


def headers() -> Iterator[tuple[str, Vector]]:
    yield "browser", whole(get(*BROWSER), 1)
    yield "browser of another domain", whole(get(*BROWSER).replace(b"sho.rt", SECOND_HOST.encode()), 1)
    for line in (
        *(
            "Connection: close",
            "Connection: Close",
            "Connection: close, keep-alive",
            "Connection: keep-alive, Upgrade",
        ),
        *("Connection: upgrade", "Connection: X-A", "Connection: ", "Connection: TE", "Expect: 100-continue"),
        *("Expect: 100-Continue", "Expect: more", "Upgrade: websocket", "Upgrade: h2c", "Range: bytes=0-1"),
        *("Authorization: Bearer a.b.c", "Authorization: Basic YTpi"),
    ):
        yield line, whole(get(line), 0)
    for line in (
        *(
            "Connection: keep-alive",
            "Connection: Keep-Alive",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: close",
            "TE: trailers",
        ),
        *(
            "Trailer: X-A",
            'If-None-Match: "1"',
            "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT",
            "Cache-Control: no-cache",
        ),
        *(
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: second.example",
            "X-Real-IP: 192.0.2.1",
        ),
        *(
            "Forwarded: for=192.0.2.1;proto=https",
            "X-Request-ID: abcdefgh",
            "X-HTTP-Method-Override: DELETE",
            "Via: 1.1 x",
        ),
        *(
            "Accept: application/json",
            "Accept: */*",
            "Accept: text/html;q=0.1, application/json",
            "Accept: \xff",
        ),
        *(
            "Sec-Purpose: prefetch",
            "Sec-Purpose: prefetch;prerender",
            "Sec-Purpose: x",
            "Purpose: prefetch",
            "X-Moz: PREFETCH",
        ),
        *(
            "DNT: 1",
            "DNT: 0",
            "DNT: null",
            "Sec-GPC: 1",
            "Sec-GPC: 0",
            "Sec-GPC: 1 ",
            "Origin: https://a.example",
        ),
        *(
            "User-Agent: ",
            "User-Agent: Twitterbot/1.0",
            "User-Agent: " + "u" * 600,
            "User-Agent: \xc3\xa9\xe2\x82\xac",
        ),
        *(
            "User-Agent: \xc3",
            "User-Agent: \xff\xfe",
            'User-Agent: "\\<script>',
            "User-Agent: facebookexternalhit/1.1",
        ),
        *(
            "Referer: ",
            "Referer: https://a.example/\xe2\x82\xac",
            "Referer: " + "r" * 1100,
            "Referer: \xf0\x9f",
        ),
        *(
            "Cookie: a=" + "c" * 4090,
            "Content-Type: application/json",
            "Content-Type: ",
            "HTTP2-Settings: AAMAAABkAAQAAP__",
        ),
    ):
        yield line[:40], whole(get(line))
        yield f"{line[:40]}, limited", whole(get(line, target="/s/limited"))
    for twice in (
        *(
            ("User-Agent: a", "User-Agent: b"),
            ("Referer: a", "Referer: b"),
            ("DNT: 0", "DNT: 1"),
            ("DNT: 1", "Sec-GPC: 1"),
        ),
        *(("Connection: close", "Connection: keep-alive"), ("Connection: keep-alive", "Connection: close")),
        *(
            ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"),
            ("Sec-Purpose: x", "Sec-Purpose: prefetch"),
        ),
        *(
            ("Accept: text/html", "Accept: application/json"),
            ("X-A: 1", "X-A: 2"),
            ("Content-Type: a/b", "Content-Type: a/b"),
        ),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        (
            *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
    ):
        yield " and ".join(twice)[:70], whole(get(*twice))
    for count in (62, 63, 64, 119):  # and Host
        yield (
            f"{count + 1} headers",
            whole(get(*(f"X-{number}: 1" for number in range(count))), 0 if count > 63 else None),
        )
    for size in (8187, 8188, 8189, 8190, 8191, 9000):
        yield f"header of {size} bytes", whole(get("X-A: " + "a" * (size - len("X-A: "))))
    yield "head of 60 KB", whole(get(*(f"X-{number}: " + "a" * 1000 for number in range(60))))
    yield "oversized head", whole(get(*(f"X-{number}: " + "a" * 500 for number in range(90))), 0)
