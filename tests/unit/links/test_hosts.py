import pytest

from app.links.hosts import is_private, is_well_formed, machine


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "example.com.",
        "a_b-c.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "a" * 63 + ".com",
        ".".join(["a" * 49] * 5) + ".co",  # 252 bytes
        "xn--n3h.net",  # ☃
        "xn--fa-hia.de",  # faß: kept apart from fass by IDNA 2008
        "xn--mgbaam7a8h",
        "xn--p1ai",
    ],
)
def test_name_that_dns_could_hold_is_well_formed(host: str) -> None:
    assert is_well_formed(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        ".example.com",
        "a..b",
        "example.com..",
        "a" * 64 + ".com",
        ".".join(["a" * 63] * 4),  # 255 bytes
        'a"b.com',
        "a;b.com",
        "a*b.com",
        "$a.com",
        "xn--",  # decodes to nothing
        "xn--a",  # does not decode
        "xn--a-",  # decodes to plain "a"
        "xn--evil-ud7a.com",  # decodes to U+202E and "evil"
        "xn--qi7ciaj2b.com",  # decodes to full-width letters, which are spelled otherwise
        "xn--ab-5da.com",  # decodes to a soft hyphen, which is dropped
        "xn--wca.com",  # decodes to a capital
    ],
)
def test_name_that_no_dns_holds_is_malformed(host: str) -> None:
    assert not is_well_formed(host)


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("sho.rt", "sho.rt"),
        ("sho.rt.", "sho.rt"),
        ("localhost", "localhost"),
        ("a.localhost.", "localhost"),
        ("127.0.0.1", "localhost"),
        ("127.9.9.9", "localhost"),
        ("0.0.0.0", "localhost"),
        ("[::1]", "localhost"),
        ("[::]", "localhost"),
        ("[::ffff:7f00:1]", "localhost"),
        ("[64:ff9b::7f00:1]", "localhost"),
        ("203.0.113.9", "203.0.113.9"),
        ("[::ffff:cb00:7109]", "203.0.113.9"),
        ("[64:ff9b::cb00:7109]", "203.0.113.9"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("notlocalhost", "notlocalhost"),
    ],
)
def test_spellings_of_one_machine_are_one(host: str, same: str) -> None:
    assert machine(host) == same


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "intranet",
        "printer.local",
        "printer.local.",
        "metadata.google.internal",
        "x.localhost",
        "router.home.arpa",
        "nas.lan",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::7f00:1]",
        "[::ffff:7f00:1]",
        "[::ffff:a00:1]",
        "[64:ff9b::808:808]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[3fff::1]",
        "[5f00::1]",
        "[fc00::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff0e::1]",
    ],
)
def test_host_outside_the_public_internet_is_private(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "example.com.",
        "local.example.com",
        "notlocal.example",
        "8.8.8.8",
        "[::ffff:808:808]",
        "[2001:4860:4860::8888]",
        "[2a00:1450::1]",
    ],
)
def test_host_on_the_public_internet_is_not_private(host: str) -> None:
    assert not is_private(host)
