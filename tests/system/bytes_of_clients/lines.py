"""Request lines, targets and hosts, and what is wrong with them."""

from collections.abc import Iterator

from tests.e2e.vectors import PLAIN, get
from tests.system.bytes_of_clients.vector import Vector, whole


def syntax() -> Iterator[tuple[str, Vector]]:
    sent: dict[str, bytes | str] = {
        "bare LF": PLAIN.replace(b"\r\n", b"\n"),
        "bare LF after the line": PLAIN.replace(b"\r\n", b"\n", 1),
        "bare LF at the end": PLAIN[:-2] + b"\n",
        "bare LF between headers": get("X-A: 1\nX-B: 2"),
        "LF LF CRLF": get("X-A: 1\n"),
        "bare CR": PLAIN.replace(b"\r\n", b"\r"),
        "bare CR between headers": get("X-A: 1\rX-B: 2"),
        "CR in a value": get("X-A: a\rb"),
        "CR CR LF": PLAIN.replace(b"\r\n", b"\r\r\n"),
        "CR before the end": get("X-A: 1\r"),
        "folded by a blank": get("X-A: 1", " 2"),
        "folded by a tab": get("X-A: 1", "\t2"),
        "folded Host": PLAIN.replace(b"Host: sho.rt", b"Host:\r\n sho.rt"),
        "first header indented": PLAIN.replace(b"Host", b" Host"),
        "blank before the colon": get("X-A : 1"),
        "blank before Host's colon": PLAIN.replace(b"Host:", b"Host :"),
        "tab before the colon": get("X-A\t: 1"),
        "no blank after the colon": PLAIN.replace(b"Host: ", b"Host:"),
        "tabs around a value": PLAIN.replace(b"Host: sho.rt", b"Host:\t sho.rt \t"),
        "no name": get(": 1"),
        "no colon": get("X-A"),
        "no value": get("X-A:"),
        "only blanks for a value": get("X-A:  \t "),
        "odd token for a name": get("!#$%&'*+-.^`|~: 1"),
        "bracket in a name": get("X(A): 1"),
        "NUL in a name": get("X\x00A: 1"),
        "NUL in a value": get("X-A: a\x00b"),
        "NUL in a User-Agent": get("User-Agent: a\x00b"),
        "DEL in a value": get("X-A: a\x7fb"),
        "vertical tab in a value": get("X-A: a\x0bb"),
        "tab in a value": get("User-Agent: a\tb"),
        "high bytes in a name": get("X-\xe9: 1"),
        "high bytes in a value": get("X-A: \xe9\xff\x80"),
        "name in lower case": PLAIN.replace(b"Host", b"host"),
        "name in mixed case": PLAIN.replace(b"Host", b"hOsT"),
        "underscore in a name": get("X_Forwarded_For: 192.0.2.1"),
        "lower-case method": PLAIN.replace(b"GET", b"get"),
        "mixed-case method": PLAIN.replace(b"GET", b"Get"),
        "longer method": PLAIN.replace(b"GET", b"GETT"),
        "bad method": PLAIN.replace(b"GET", b"G@T"),
        "two blanks before the target": PLAIN.replace(b"GET ", b"GET  "),
        "two blanks before the version": PLAIN.replace(b" HTTP", b"  HTTP"),
        "blank after the version": PLAIN.replace(b"1.1\r\n", b"1.1 \r\n"),
        "tab for a blank": PLAIN.replace(b"GET ", b"GET\t"),
        "no target": "GET HTTP/1.1\r\nHost: sho.rt\r\n\r\n",
        "no version": "GET /s/plain\r\nHost: sho.rt\r\n\r\n",
        "version in lower case": get(version="http/1.1"),
        "HTTP/0.9": get(version="HTTP/0.9"),
        "HTTP/1.0": get(version="HTTP/1.0"),
        "HTTP/1.0 to be kept": get("Connection: keep-alive", version="HTTP/1.0"),
        "HTTP/1.2": get(version="HTTP/1.2"),
        "HTTP/1.10": get(version="HTTP/1.10"),
        "HTTP/01.1": get(version="HTTP/01.1"),
        "HTTP/1": get(version="HTTP/1"),
        "HTTP/2.0": get(version="HTTP/2.0"),
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)) + b"\r\n\r\n",
        "PROXY line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + PLAIN,
        "empty line before": b"\r\n" + PLAIN,
        "two empty lines before": b"\r\n\r\n" + PLAIN,
        "LF before": b"\n" + PLAIN,
        "blank before": b" " + PLAIN,
        "NUL before": b"\0" + PLAIN,
        "empty lines alone": b"\r\n\r\n",
        "line alone": b"GET /s/plain HTTP/1.1\r\n\r\n",
    }
    hot = {
        "no blank after the colon",
        "name in lower case",
    }
    either = {
        *(
            "tabs around a value",
            "no value",
            "only blanks for a value",
            "odd token for a name",
            "tab in a value",
        ),
        *("high bytes in a value", "name in mixed case"),
    }
    for name, bytes_ in sent.items():
        yield name, whole(bytes_, None if name in either or name in hot else 0)


def targets() -> Iterator[tuple[str, Vector]]:
    odd = (
        *(
            "/s/%70lain",
            "/s/plai%6E",
            "/s/plain%20",
            "/s/plain%00",
            "/s/plain%0d%0aX:1",
            "/s/plain%2B",
            "//s/plain",
        ),
        *(
            "/s//plain",
            "/s/plain/",
            "/s/plain/x",
            "/S/plain",
            "/s/PLAIN",
            "/s/",
            "/s",
            "/",
            "*",
            "sho.rt:80",
            "s/plain",
        ),
        *(
            "/s/plain;x",
            "/s/plain&x",
            "/s/plain,",
            "/s/./plain",
            "/s/../s/plain",
            "/s/plain\\",
            "/s/pla\x00in",
        ),
        *(
            "/s/pla\xefin",
            "/s/pla\x7fin",
            "/s/plain#top",
            "/s/plain?a#b",
            "/s/plain#b?a",
            "http://sho.rt/s/plain",
        ),
        *(
            "http://second.example/s/plain",
            "HTTP://sho.rt/s/plain",
            "https://sho.rt/s/plain",
            "http:///s/plain",
        ),
        *("/s/plain?a=\xe9", "/s/plain?a=\x00", "/s/plain?a=\x80", "/s/plain?a=\tb"),
    )
    for target in odd:
        yield f"target {target!a}", whole(get(target=target), 0)
    for code in ("plain", "forwarding"):
        for query in (
            *(
                "",
                "?",
                "a",
                "=",
                "&&",
                "a=b;c",
                "a=%00",
                "a=%ff",
                "a=%0d%0a",
                "a=%",
                "a=%zz",
                "a+b",
                "own=2",
                "\\",
            ),
            *(
                "<script>alert(1)</script>",
                "\"'`{}|^[]",
                "http://evil.example/",
                "fbclid=" + "x" * 600,
                "%F0%9F%98%80",
            ),
        ):
            yield f"{code}?{query[:40]}", whole(get(target=f"/s/{code}?{query}"))
    for size in (4094, 4095, 4096, 4097, 4098, 8160, 8190 - len(" HTTP/1.1"), 8190, 8192):
        yield f"target of {size} bytes", whole(get(target="/s/plain?" + "q" * (size - len("/s/plain?"))))


def hosts() -> Iterator[tuple[str, Vector]]:
    bare = "GET /s/plain HTTP/1.1\r\n"
    yield "no Host", whole(f"{bare}\r\n", 0)
    yield "no Host but others", whole(f"{bare}X-A: 1\r\n\r\n", 0)
    yield "no Host, HTTP/1.0", whole("GET /s/plain HTTP/1.0\r\n\r\n", 0)
    yield "two Hosts", whole(f"{bare}Host: sho.rt\r\nHost: sho.rt\r\n\r\n", 0)
    yield "two different Hosts", whole(f"{bare}Host: sho.rt\r\nX-A: 1\r\nhost: second.example\r\n\r\n", 0)
    good = (
        "sho.rt",
        "second.example",
        "SECOND.example",
        "second.example:8080",
        "second.example.",
        "127.0.0.1:80",
        "[::1]:80",
        "unknown.example",
        "xn--bcher-kva.example",
        "_",
        "x" * 60 + ".example",
    )
    for host in good:
        yield f"Host {host}", whole(f"{bare}Host: {host}\r\n\r\n", 1)
    for host in (
        *(
            "",
            "a b",
            "[::1",
            "<script>",
            "sho.rt:99999999",
            "sho.rt:x",
            "a..b",
            "second.example..",
            "[::1].",
            "sho.rt/x",
            "u@sho.rt",
            "\xe9",
            "\xff",
        ),
        *(
            "second.example, sho.rt",
            "second.example\x00",
            "second.example:80:80",
            "x" * 300,
            ":80",
            ".",
            "%73econd.example",
        ),
    ):
        yield f"Host {host[:30]!a}", whole(f"{bare}Host: {host}\r\n\r\n", 0)
