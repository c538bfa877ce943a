"""What a batch of lines becomes, before a database is asked."""

from datetime import UTC, date, datetime

from app.clicks.batch import Count, batch_of
from app.clicks.line import ClickLine, Kind, encode

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
AT = datetime(2026, 5, 1, 23, 59, 59, 999_000, UTC)


def raw(at: datetime = AT, *, link_id: int = 1, kind: Kind = "click", user_agent: str = FIREFOX) -> bytes:
    return encode(
        ClickLine(
            time=int(at.timestamp() * 1000),
            link_id=link_id,
            kind=kind,
            visitor="00ff00ff00ff00ff",
            address="193.99.144.0/24",
            user_agent=user_agent,
            referrer="https://www.example.org/page",
            query="id=7",
        )
    )


def country_of(network: str) -> str:
    return {"193.99.144.0/24": "DE"}[network]


def test_a_click_becomes_a_row() -> None:
    (row,) = batch_of([raw()], country_of).clicks
    assert row == {
        "link_id": 1,
        "at": AT,
        "visitor": b"\0\xff" * 4,
        "address": "193.99.144.0/24",
        "country": "DE",
        "browser": "Firefox",
        "os": "Linux",
        "device": "desktop",
        "bot": False,
        "referrer": "example.org",
        "query": "id=7",
    }


def test_counts_go_by_link_and_hour() -> None:
    next_hour = datetime(2026, 5, 2, tzinfo=UTC)
    batch = batch_of([raw(), raw(next_hour), raw(), raw(link_id=2), raw(user_agent="curl/8")], country_of)
    hour = datetime(2026, 5, 1, 23, tzinfo=UTC)
    assert batch.counts == {
        (1, hour): Count(humans=2, bots=1, last_at=AT),
        (1, next_hour): Count(humans=1, last_at=next_hour),
        (2, hour): Count(humans=1, last_at=AT),
    }


def test_facets_count_humans_only_by_utc_day() -> None:
    batch = batch_of([raw(), raw(), raw(user_agent="curl/8"), raw(kind="prefetch")], country_of)
    day = date(2026, 5, 1)
    assert batch.facets == {
        (1, day, "referrer", "example.org"): 2,
        (1, day, "country", "DE"): 2,
        (1, day, "browser", "Firefox"): 2,
        (1, day, "os", "Linux"): 2,
        (1, day, "device", "desktop"): 2,
    }


def test_a_prefetch_is_counted_apart_and_is_no_click() -> None:
    batch = batch_of([raw(kind="prefetch")], country_of)
    assert batch.clicks == []
    assert batch.counts == {(1, datetime(2026, 5, 1, 23, tzinfo=UTC)): Count(prefetches=1)}


def test_the_last_click_is_the_latest_whatever_the_order() -> None:
    early = AT.replace(minute=0)
    batch = batch_of([raw(early), raw(AT), raw(early)], country_of)
    assert [count.last_at for count in batch.counts.values()] == [AT]


def test_bad_lines_are_put_aside_and_the_others_taken() -> None:
    batch = batch_of([b"nonsense", raw(), b""], country_of)
    assert batch.bad == [b"nonsense", b""]
    assert len(batch.clicks) == 1


def test_times_are_exact_to_the_millisecond_up_to_the_last() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
    line = ClickLine(253_402_300_799_999, 1, "click", "0" * 16, "193.99.144.0/24", FIREFOX, "", "")
    (row,) = batch_of([encode(line)], country_of).clicks
    assert row["at"] == last
