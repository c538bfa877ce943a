"""app/accounts/users.py: addresses."""

import pytest

from app.accounts.users import checked_email, email_key
from app.errors import ValidationFailed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.org", "ada@example.ORG"),
        (" ada@example.org ", "ada@example.org"),
        ("stra\u00dfe@example.org", "STRASSE@example.org"),
    ],
)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "ada@", "@example.org", "ada@example", "ada@localhost", "a b@example.org", "ada@exa mple.org",
        "ada@@example.org", "ada@example..org", ".ada@example.org", "ada@-example.org", "ada@[127.0.0.1]",
        '"a b"@example.org', "ada@example.org\n", "Ada <ada@example.org>", "ada@example.org, eve@example.org",
        "a" * 243 + "@example.org", "ada@" + "a" * 64 + ".org", "\u0390" * 100 + "@example.org",
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
