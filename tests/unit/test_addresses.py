"""app/addresses.py"""

import pytest

from app import addresses


@pytest.mark.parametrize(
    ("address", "kept", "counted"),
    [
        ("192.0.2.99", "192.0.2.0/24", "192.0.2.99/32"),
        ("::ffff:192.0.2.99", "192.0.2.0/24", "192.0.2.99/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::ffff", "2001:db8:1::/48", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/48", "fe80::/64"),
        ("::1", "::/48", "::/64"),
        ("", "", ""),
        ("unknown", "", ""),
        ("192.0.2.99:443", "", ""),
        ("192.0.2.999", "", ""),
        ("192.0.2.09", "", ""),
        ("[::1]", "", ""),
        ("192.0.2.1\n", "", ""),
        ("\u0661.2.3.4", "", ""),
    ],
)
def test_only_networks_are_kept_or_counted(address: str, kept: str, counted: str) -> None:
    assert addresses.truncated(address) == kept
    assert addresses.counted(address) == counted


def test_neighbours_are_one_where_they_share_a_network() -> None:
    assert addresses.counted("2001:db8::1") == addresses.counted("2001:db8::ffff:1")
    assert addresses.counted("2001:db8::1") != addresses.counted("2001:db8:0:1::1")
    assert addresses.counted("192.0.2.1") != addresses.counted("192.0.2.2")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("192.0.2.1/24", None),
        ("192.0.2.0/33", None),
        ("192.0.2.010", None),
        ("192.0.2", None),
        ("fe80::1%eth0", None),
        ("\u0661.2.3.4", None),
        ("192.0.2.0/24\n", None),
        ("", None),
    ],
)
def test_network_is_told_by_its_cidr(text: str, network: str | None) -> None:
    found = addresses.network(text)
    assert (found and str(found)) == network


@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("192.0.2.9", True),
        ("192.0.3.9", False),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::9", True),
        ("2001:db9::9", False),
        ("::c000:209", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_address_lies_within_one_of_the_networks(address: str, within: bool) -> None:
    assert addresses.is_within(address, ["192.0.2.0/24", "2001:db8::/32"]) is within
    assert not addresses.is_within(address, [])
