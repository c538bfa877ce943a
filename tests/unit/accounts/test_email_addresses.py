"""app/accounts/users.py: addresses."""

import pytest

from app.accounts.users import checked_email, email_key
from app.errors import ValidationFailed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.org", "ada@example.ORG"),
        (" ada@example.org ", "ada@example.org"),
        ("\u00c4da@B\u00dcCHER.example", "\u00e4da@xn--bcher-kva.example"),
        ("a\u0308da@example.org", "\u00c4da@example.org"),
    ],
)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ceo@stra\u00dfe.de", "ceo@strasse.de"),
        ("ceo@\u03b2\u03cc\u03bb\u03bf\u03c2.com", "ceo@\u03b2\u03cc\u03bb\u03bf\u03c3.com"),
        ("stra\u00dfe@example.org", "strasse@example.org"),
        ("\ufb01x@example.org", "fix@example.org"),
        ("ada+x@example.org", "ada@example.org"),
    ],
)
def test_addresses_of_two_owners_have_two_keys(one: str, other: str) -> None:
    """Under IDNA 2008 (RFC 5894, section 7.2) the domains may be two; so may the mailboxes of a server."""
    assert email_key(one) != email_key(other)


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "ada@", "@example.org", "ada@example", "ada@localhost", "a b@example.org", "ada@exa mple.org",
        "ada@@example.org", "ada@example..org", ".ada@example.org", "ada@-example.org", "ada@[127.0.0.1]",
        '"a b"@example.org', "ada@example.org\n", "Ada <ada@example.org>", "ada@example.org, eve@example.org",
        "a" * 243 + "@example.org", "ada@" + "a" * 64 + ".org", "a" * 236 + "\u00e4@b\u00fccher.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(email: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_email(email)
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    ("given", "stored"),
    [("Ada@EXAMPLE.org", "Ada@example.org"), ("ada+x@b\u00fccher.example", "ada+x@b\u00fccher.example")],
)
def test_address_is_normalised(given: str, stored: str) -> None:
    assert checked_email(given) == stored
