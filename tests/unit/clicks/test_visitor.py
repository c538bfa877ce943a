"""The visitor's daily hash tells visitors apart, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from app import addresses
from app.clicks import visitor

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
AGENT = "Mozilla/5.0"


def visitor_hash(key: bytes, address: str, user_agent: str) -> bytes:
    return visitor.visitor_hash(key, addresses.kept_and_counted(address)[1], user_agent)


def test_one_visitor_has_one_hash_of_eight_bytes() -> None:
    hashed = visitor_hash(KEY, "203.0.113.7", AGENT)
    assert len(hashed) == 8
    assert hashed == visitor_hash(KEY, "203.0.113.7", AGENT)


def test_another_day_is_another_hash() -> None:
    assert visitor_hash(KEY, "203.0.113.7", AGENT) != visitor_hash(OTHER_KEY, "203.0.113.7", AGENT)


def test_each_ipv4_address_and_each_agent_is_another_visitor() -> None:
    hashes = {
        visitor_hash(KEY, f"203.0.113.{last}", agent) for last in range(256) for agent in (AGENT, "Opera", "")
    }
    assert len(hashes) == 3 * 256


def test_ipv4_inside_ipv6_is_the_same_visitor() -> None:
    assert visitor_hash(KEY, "::ffff:203.0.113.7", AGENT) == visitor_hash(KEY, "203.0.113.7", AGENT)


def test_an_ipv6_household_is_one_visitor_and_its_neighbour_another() -> None:
    hashed = visitor_hash(KEY, "2001:db8:1:2::1", AGENT)
    assert hashed == visitor_hash(KEY, "2001:db8:1:2:ffff:ffff:ffff:ffff", AGENT)
    assert hashed != visitor_hash(KEY, "2001:db8:1:3::1", AGENT)


def test_address_and_agent_do_not_run_into_each_other() -> None:
    assert visitor_hash(KEY, "", "203.0.113.7/32" + AGENT) != visitor_hash(KEY, "203.0.113.7", AGENT)


hostile = st.text(st.characters() | st.characters(categories=["Cs"]))  # with lone surrogates


@given(hostile, hostile)
def test_nothing_a_visitor_sends_makes_it_fail(address: str, user_agent: str) -> None:
    assert len(visitor_hash(KEY, address, user_agent)) == 8
