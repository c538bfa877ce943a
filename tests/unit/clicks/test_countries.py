"""The country of a network, by the registries' tables and by an owner's database."""

from pathlib import Path

import maxminddb
import pytest

from app.clicks.countries import countries
from tests.unit.clicks import mmdb

NOWHERE = ["", "10.0.0.0/24", "127.0.0.0/24", "192.168.1.0/24", "fe80::/48", "nonsense", "203.0.113.0/24"]


@pytest.mark.parametrize(
    ("network", "country"),
    [
        ("193.99.144.0/24", "DE"),
        ("8.8.8.0/24", "US"),
        ("2a02:2e0:3fe::/48", "DE"),
        ("2001:4860:4860::/48", "US"),
    ],
)
def test_the_registries_know_public_networks(network: str, country: str) -> None:
    assert countries()(network) == country


@pytest.mark.parametrize("network", NOWHERE)
def test_private_reserved_and_broken_networks_have_no_country(network: str) -> None:
    assert countries()(network) == ""


@pytest.mark.parametrize(
    "record",
    [
        {"country": {"iso_code": "NL"}},
        {"registered_country": {"iso_code": "nl"}},
        {"country": {}, "registered_country": {"iso_code": "NL"}},
    ],
)
def test_an_owners_database_replaces_the_registries(tmp_path: Path, record: dict[str, object]) -> None:
    (tmp_path / "own.mmdb").write_bytes(mmdb.database("193.99.144.0/24", record))
    country_of = countries(str(tmp_path / "own.mmdb"))
    assert country_of("193.99.144.0/24") == "NL"
    assert country_of("8.8.8.0/24") == ""
    assert country_of("2001:4860:4860::/48") == ""
    assert [country_of(network) for network in NOWHERE] == [""] * len(NOWHERE)


@pytest.mark.parametrize(
    "record",
    [
        {"city": "Delft"},
        {"country": {"iso_code": "Netherlands"}},
        {"country": {"iso_code": 7}},
        {"country": "NL"},
    ],
)
def test_a_record_of_another_shape_has_no_country(tmp_path: Path, record: dict[str, object]) -> None:
    (tmp_path / "own.mmdb").write_bytes(mmdb.database("193.99.144.0/24", record))
    assert countries(str(tmp_path / "own.mmdb"))("193.99.144.0/24") == ""


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "own.mmdb").write_bytes(b"nonsense")
    with pytest.raises(maxminddb.InvalidDatabaseError):
        countries(str(tmp_path / "own.mmdb"))
