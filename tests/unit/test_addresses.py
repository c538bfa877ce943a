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
