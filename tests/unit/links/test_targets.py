import dataclasses

import pytest
from ada_url import URL
from hypothesis import example, given
from hypothesis import strategies as st

from app.links.location import redirect_to
from app.links.targets import MAX_TARGET, InvalidTarget, TargetRules, canonical_target

OPEN = TargetRules.of(["https://sho.rt"], short_prefix="s", allow_private=True)
STRICT = dataclasses.replace(OPEN, allow_private=False)

START = "must start with http:// or https://"
USERINFO = "user name or password"
CONTROL = "control characters"
DIRECTION = "direction of text"
UNICODE = "not valid Unicode"
UNREADABLE = "cannot be read"
NAME = "not a valid name"
LONG = "longer than 2,048 bytes\\.$"
LONG_HREF = "longer than 2,048 bytes once it is percent-encoded"
OWN = "short link of this service"
PRIVATE = "private or local address"

HOSTILE = [
    # no http or https URL with a host of its own
    ("", START),
    ("   ", START),
    ("example.com", START),
    ("//evil.example/", START),
    ("/\\evil.example", START),
    ("\\\\evil.example", START),
    ("/path", START),
    ("?q", START),
    ("http:", START),
    ("http://", START),
    ("http:evil.example", START),
    ("http:/evil.example", START),
    ("http:///evil.example", START),
    ("http:////evil.example", START),
    ("http:\\\\evil.example", START),
    ("http:/\\evil.example", START),
    ("http://\\evil.example", START),
    ("http ://evil.example", START),
    ("javascript:alert(1)", START),
    ("javascript://evil.example/%0aalert(1)", START),
    ("data:text/html,<script>", START),
    ("ftp://example.com/", START),
    ("file:///etc/passwd", START),
    ("ws://example.com/", START),
    ("mailto:a@example.com", START),
    ("view-source:http://example.com/", START),
    ("http\u017f://example.com/", START),
    ("ｈｔｔｐ://example.com/", START),
    ("\ufeffhttp://example.com/", START),
    # control characters, which the parser drops or encodes
    ("java\tscript:alert(1)", CONTROL),
    ("ht\ntp://example.com/", CONTROL),
    ("http://exa\tmple.com/", CONTROL),
    ("http://example.com/a\r\nSet-Cookie: a=b", CONTROL),
    ("http://example.com/\x00", CONTROL),
    ("http://example.com\x00.evil.example/", CONTROL),
    ("http://example.com/\x1f", CONTROL),
    ("\x00http://example.com/", CONTROL),
    ("\fhttp://example.com/", CONTROL),
    ("http://example.com/\x7f", CONTROL),
    ("http://example.com/\x85", CONTROL),
    ("http://example.com/?\u2028", CONTROL),
    ("http://exam%0aple.com/", CONTROL),
    ("http://exam%00ple.com/", CONTROL),
    # characters that turn text around
    ("http://example.com/\u202egnp.exe", DIRECTION),
    ("http://example.com/?q=\u2066", DIRECTION),
    ("http://example.com/#\u200f", DIRECTION),
    ("http://exam\u202eple.com/", DIRECTION),
    ("http://exam%E2%80%AEple.com/", DIRECTION),
    ("http://example.com\u200e/", DIRECTION),
    # half characters
    ("http://example.com/\ud800", UNICODE),
    ("http://\udfff.example/", UNICODE),
    # credentials
    ("http://user:pw@example.com/", USERINFO),
    ("http://user@example.com/", USERINFO),
    ("http://:pw@example.com/", USERINFO),
    ("http://@example.com/", USERINFO),
    ("http://:@example.com/", USERINFO),
    ("http://good.example@evil.example/", USERINFO),
    ("http://good.example:80@evil.example/", USERINFO),
    ("http://a@b@c/", USERINFO),
    # hosts and ports that no browser takes
    ("http://?q", UNREADABLE),
    ("http://#f", UNREADABLE),
    ("http://:80/", UNREADABLE),
    ("http://a b/", UNREADABLE),
    ("http://a<b>/", UNREADABLE),
    ("http://a^b/", UNREADABLE),
    ("http://a|b/", UNREADABLE),
    ("http://a%2fb/", UNREADABLE),
    ("http://a%40b/", UNREADABLE),
    ("http://a%zz/", UNREADABLE),
    ("http://a\uff0fb/", UNREADABLE),
    ("http://[::1/", UNREADABLE),
    ("http://[fe80::1%25eth0]/", UNREADABLE),
    ("http://256.256.256.256/", UNREADABLE),
    ("http://1.2.3.4.5/", UNREADABLE),
    ("http://0x100000000/", UNREADABLE),
    ("http://\u00ad/", UNREADABLE),
    ("http://example.com:65536/", UNREADABLE),
    ("http://example.com:-1/", UNREADABLE),
    ("http://example.com:80x/", UNREADABLE),
    # names that no DNS holds
    ("http://.example.com/", NAME),
    ("http://example..com/", NAME),
    ("http://example.com../", NAME),
    ("http://./", NAME),
    ("http://%2e/", NAME),
    ("http://" + "a" * 64 + ".com/", NAME),
    ("http://" + "é" * 60 + ".com/", NAME),
    ("http://" + "a." * 127 + "com/", NAME),
    ('http://a"b.com/', NAME),
    ("http://a;b.com/", NAME),
    ("http://*.example.com/", NAME),
    ("http://xn--/", NAME),
    ("http://xn--a-/", NAME),
    ("http://xn--evil-ud7a.example/", NAME),
    # too long, as text and as what is stored
    ("http://example.com/" + "a" * MAX_TARGET, LONG),
    ("http://example.com/" + "a" * 100_000, LONG),
    ("http://example.com/" + "é" * 1_020, LONG),
    ("http://a" + "\u00ad" * 1_020 + ".com/", LONG),  # 1,033 characters, and none of them left when parsed
    ("http://example.com/" + "é" * 500, LONG_HREF),
    ("http://example.com/" + " x" * 700, LONG_HREF),
]

REPAIRED = [
    ("http://example.com", "http://example.com/"),
    ("  https://example.com/ \r\n", "https://example.com/"),
    ("\u3000https://example.com/\u00a0", "https://example.com/"),
    ("HTTPS://EXAMPLE.COM:443/A", "https://example.com/A"),
    ("http://example.com:/", "http://example.com/"),
    ("http://example.com:8080", "http://example.com:8080/"),
    ("http://example.com./", "http://example.com./"),
    ("http://good.example\\@evil.example/", "http://good.example/@evil.example/"),
    ("http://example.com/a@b:c", "http://example.com/a@b:c"),
    ("http://example.com?u=a@b", "http://example.com/?u=a@b"),
    ("http://%65vil.example/", "http://evil.example/"),
    ("http://evil。example/", "http://evil.example/"),
    ("http://ｅｖｉｌ．ｅｘａｍｐｌｅ/", "http://evil.example/"),
    ("http://127.1", "http://127.0.0.1/"),
    ("http://0x7f.1/", "http://127.0.0.1/"),
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://localhost:3000/dashboard", "http://localhost:3000/dashboard"),
    ("http://[::FFFF:10.0.0.1]/", "http://[::ffff:a00:1]/"),
    ("https://faß.de/", "https://xn--fa-hia.de/"),
    ("https://bücher.example/ü?q=ü#ü", "https://xn--bcher-kva.example/%C3%BC?q=%C3%BC#%C3%BC"),
    ("http://example.com/a/../b/./c", "http://example.com/b/c"),
    ("http://example.com/%2e%2e/b", "http://example.com/b"),
    ("http://example.com/a b?c d#e f", "http://example.com/a%20b?c%20d#e%20f"),
    ("http://example.com/a|b?x=[1]&y={2}|#f|", "http://example.com/a|b?x=[1]&y={2}|#f|"),
    ("http://example.com/?a=%zz%", "http://example.com/?a=%zz%"),
    ("http://example.com/?text=a%0Ab%E2%80%AEc%00", "http://example.com/?text=a%0Ab%E2%80%AEc%00"),
    ("http://example.com/\u200c👨\u200d👩", "http://example.com/%E2%80%8C%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9"),
    ("http://example.com/?", "http://example.com/?"),
    ("http://example.com/#", "http://example.com/#"),
    ("https://example.com/p?a=1&a=2#:~:text=x,y", "https://example.com/p?a=1&a=2#:~:text=x,y"),
    ("http://sho.rt/", "http://sho.rt/"),
    ("http://sho.rt/about", "http://sho.rt/about"),
    ("http://sho.rt/s", "http://sho.rt/s"),
    ("http://sho.rt/S/abc", "http://sho.rt/S/abc"),
    ("http://sho.rt/surplus/abc", "http://sho.rt/surplus/abc"),
    ("http://sho.rt/?x=/s/abc#/s/abc", "http://sho.rt/?x=/s/abc#/s/abc"),
    ("http://sho.rt/%2573/abc", "http://sho.rt/%2573/abc"),
    ("http://sho.rt:8080/s/abc", "http://sho.rt:8080/s/abc"),
    ("http://sho.rt.example/s/abc", "http://sho.rt.example/s/abc"),
    ("http://other.example/s/abc", "http://other.example/s/abc"),
]


@pytest.mark.asvs("1.2.2")
@pytest.mark.parametrize(("raw", "reason"), HOSTILE)
def test_hostile_url_is_refused_with_its_reason(raw: str, reason: str) -> None:
    with pytest.raises(InvalidTarget, match=reason):
        canonical_target(raw, OPEN)


@pytest.mark.asvs("1.1.1")
@pytest.mark.parametrize(("raw", "href"), REPAIRED)
def test_good_url_becomes_what_a_browser_reads(raw: str, href: str) -> None:
    assert canonical_target(raw, OPEN) == href


def test_refusal_is_400_and_names_url() -> None:
    with pytest.raises(InvalidTarget) as refusal:
        canonical_target("x", OPEN)
    error = refusal.value
    assert (error.status, error.code, error.field) == (400, "VALIDATION_ERROR", "url")
    assert [(detail.field, detail.message) for detail in error.details] == [("url", error.message)]
    assert error.message.isascii()


def test_refusal_names_the_callers_field() -> None:
    with pytest.raises(InvalidTarget) as refusal:
        canonical_target("x", OPEN, field="links.3.url")
    assert refusal.value.field == "links.3.url"


def test_longest_url_is_accepted_and_one_byte_more_is_not() -> None:
    assert MAX_TARGET == 2_048
    longest = "http://example.com/".ljust(MAX_TARGET, "a")
    assert canonical_target(f" {longest} ", OPEN) == longest
    with pytest.raises(InvalidTarget, match=LONG):
        canonical_target(longest + "a", OPEN)


OWN_HOSTS = ["https://sho.rt", "bücher.example", "http://203.0.113.9:8000", "http://localhost:8000"]


@pytest.mark.parametrize(
    "raw",
    [
        "https://sho.rt/s/abc",
        "http://sho.rt/s/abc",
        "http://SHO.RT/s/abc",
        "http://sho.rt./s/abc",
        "http://sho.rt:80/s/abc",
        "https://sho.rt:443/s/abc",
        "http://sho.rt:443/s/abc",
        "http://ｓｈｏ．ｒｔ/s/abc",
        "http://sho。rt/s/abc",
        "http://%73ho.rt/s/abc",
        "http://sh\u00ado.rt/s/abc",
        "https://bücher.example/s/abc",
        "https://BÜCHER.example./s/abc",
        "https://bu\u0308cher.example/s/abc",
        "https://xn--bcher-kva.example/s/abc",
        "https://XN--BCHER-KVA.example/s/abc",
        "http://203.0.113.9:8000/s/abc",
        "http://203.0.28937:8000/s/abc",
        "http://0xcb007109:8000/s/abc",
        "http://3405803785/s/abc",
        "http://203.0.113.9.:8000/s/abc",
        "http://[::ffff:203.0.113.9]:8000/s/abc",
        "http://[64:ff9b::203.0.113.9]:8000/s/abc",
        "http://localhost:8000/s/abc",
        "http://x.localhost:8000/s/abc",
        "http://127.0.0.1:8000/s/abc",
        "http://127.1:8000/s/abc",
        "http://①②⑦.0.0.1:8000/s/abc",
        "http://[::1]:8000/s/abc",
        "http://0:8000/s/abc",
        "https://sho.rt/s/abc?x=1#f",
        "https://sho.rt/s/abc+",
        "https://sho.rt/s/abc/",
        "https://sho.rt/s/a/b",
        "https://sho.rt//s//abc",
        "https://sho.rt\\s\\abc",
        "https://sho.rt/%73/abc",
        "https://sho.rt/s%2Fabc",
        "https://sho.rt/%2Fs/abc",
        "https://sho.rt/x/../s/abc",
        "https://sho.rt/x/%2e%2e/s/abc",
        "https://sho.rt/x%2F..%2Fs/abc",
        "https://sho.rt/./s/abc",
    ],
)
def test_own_short_link_is_refused_in_any_spelling(raw: str) -> None:
    rules = TargetRules.of(OWN_HOSTS, short_prefix="s", allow_private=True)
    with pytest.raises(InvalidTarget, match=OWN):
        canonical_target(raw, rules)


@pytest.mark.parametrize("prefix", ["go/to", "/go/to/"])
def test_prefix_of_two_segments_is_matched_whole(prefix: str) -> None:
    rules = TargetRules.of(["sho.rt"], short_prefix=prefix, allow_private=True)
    assert canonical_target("http://sho.rt/go/abc", rules) == "http://sho.rt/go/abc"
    with pytest.raises(InvalidTarget, match=OWN):
        canonical_target("http://sho.rt/go/to/abc", rules)


@pytest.mark.parametrize("path", ["/abc", "/abc/", "//abc", "/%61bc", "/abc+", "/abc?x#y", "/x/../abc"])
def test_with_an_empty_prefix_one_segment_is_a_short_link(path: str) -> None:
    rules = TargetRules.of(["sho.rt"], short_prefix="", allow_private=True)
    with pytest.raises(InvalidTarget, match=OWN):
        canonical_target(f"https://sho.rt{path}", rules)


@pytest.mark.parametrize("rest", ["/", "", "/?abc", "/docs/about", "/a%2Fb", ":8080/abc"])
def test_with_an_empty_prefix_other_pages_are_fine(rest: str) -> None:
    rules = TargetRules.of(["sho.rt"], short_prefix="", allow_private=True)
    assert canonical_target(f"https://sho.rt{rest}", rules)


def test_own_url_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="Invalid"):
        TargetRules.of(["https://"], short_prefix="s", allow_private=True)


@pytest.mark.parametrize(
    "raw",
    [
        "http://localhost/",
        "http://LOCALHOST:3000/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://intranet/",
        "http://192.0.0.8/",
        "http://224.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::8.8.8.8]/",
        "http://[2002:7f00:1::]/",
    ],
)
def test_private_target_is_refused_only_where_the_setting_says_so(raw: str) -> None:
    assert canonical_target(raw, OPEN)
    with pytest.raises(InvalidTarget, match=PRIVATE):
        canonical_target(raw, STRICT)


def test_public_target_passes_where_private_ones_do_not() -> None:
    assert canonical_target("https://example.com/", STRICT) == "https://example.com/"


PIECES = [
    "http://",
    "https://",
    "HTTP:",
    "//",
    "/",
    "\\",
    "@",
    ":",
    "?",
    "#",
    "%",
    "%2e",
    "..",
    "xn--",
    "[",
    "]",
    "::1",
]
ANY_TEXT = st.text(st.characters())  # lone surrogates included
URLISH = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=4), max_size=12).map("".join)


@pytest.mark.asvs("1.1.1")
@given(ANY_TEXT | URLISH | URLISH.map("http://".__add__) | URLISH.map("https://example.com".__add__))
@example("http://a|b?x|[y]")
@example("http://" + "a" * 64)
def test_any_text_is_refused_or_becomes_a_stable_sendable_href(raw: str) -> None:
    try:
        href = canonical_target(raw, OPEN)
    except InvalidTarget:
        return
    url = URL(href)
    assert url.href == href
    assert href.isascii() and href.isprintable() and len(href) <= MAX_TARGET
    assert url.protocol in {"http:", "https:"}
    assert (url.username, url.password) == ("", "")
    response = redirect_to(href, 302).get_wsgi_response({"REQUEST_METHOD": "GET"})
    assert dict(response[2])["Location"] == href
    assert canonical_target(href, OPEN) == href
