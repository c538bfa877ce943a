"""What a batch of lines becomes, before a database is asked."""

from datetime import UTC, datetime, timedelta

from app.clicks.agents import agent_facts
from app.clicks.batch import Count, Facets, batch_of
from app.clicks.line import ClickLine, Kind, encode
from app.clicks.times import DAY, QUARTER

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
VISITOR = "00ff00ff00ff00ff"
SIGNED = 0x00FF00FF00FF00FF
AT = datetime(2026, 5, 1, 23, 59, 59, 999_000, UTC)


def ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


QUARTER_OF_AT = ms(AT) // QUARTER
DAY_OF_AT = ms(AT) // DAY


def raw(
    at: datetime = AT,
    *,
    link_id: int = 1,
    kind: Kind = "click",
    visitor: str = VISITOR,
    user_agent: str = FIREFOX,
    referrer: str = "https://www.example.org/page",
) -> bytes:
    return encode(
        ClickLine(ms(at), link_id, kind, visitor, "193.99.144.0/24", user_agent, referrer, query="id=7")
    )


def country_of(network: str) -> str:
    return {"193.99.144.0/24": "DE"}[network]


def test_a_click_becomes_a_row() -> None:
    facts = ("193.99.144.0/24", "DE", "Firefox", "Linux", "desktop", False, "example.org", "id=7")
    assert batch_of([raw()], country_of).clicks == [
        (1, "2026-05-01 23:59:59.999000", b"\0\xff" * 4, *facts),
    ]


def test_counts_go_by_link_and_quarter() -> None:
    next_day = datetime(2026, 5, 2, tzinfo=UTC)
    batch = batch_of([raw(), raw(next_day), raw(), raw(link_id=2), raw(user_agent="curl/8")], country_of)
    assert batch.links.counts == {
        (1, QUARTER_OF_AT): Count(humans=2, bots=1, last=ms(AT)),
        (1, QUARTER_OF_AT + 1): Count(humans=1, last=ms(next_day)),
        (2, QUARTER_OF_AT): Count(humans=1, last=ms(AT)),
    }


def test_facets_count_humans_only_by_utc_day() -> None:
    batch = batch_of([raw(), raw(), raw(user_agent="curl/8"), raw(kind="prefetch")], country_of)
    assert batch.links.facets.keys() == {(1, DAY_OF_AT)}
    assert batch.links.facets[1, DAY_OF_AT].dimensions() == {
        "referrer": {"example.org": 2},
        "country": {"DE": 2},
        "browser": {"Firefox": 2},
        "os": {"Linux": 2},
        "device": {"desktop": 2},
    }


def test_what_agents_have_in_common_is_added_up() -> None:
    android = FIREFOX.replace("X11; Linux x86_64", "Android 14; Mobile")
    batch = batch_of(
        [raw(), raw(user_agent=FIREFOX.replace("128", "127")), raw(user_agent=android)], country_of
    )
    dimensions = batch.links.facets[1, DAY_OF_AT].dimensions()
    assert dimensions["browser"] == {"Firefox": 2, "Firefox Mobile": 1}
    assert dimensions["os"] == {"Linux": 2, "Android": 1}
    assert dimensions["device"] == {"desktop": 2, "mobile": 1}


def test_a_prefetch_is_counted_apart_and_is_no_click() -> None:
    batch = batch_of([raw(kind="prefetch")], country_of)
    assert (batch.clicks, batch.firsts) == ([], {})
    assert batch.links.counts == {(1, QUARTER_OF_AT): Count(prefetches=1)}


def test_the_last_click_is_the_latest_whatever_the_order() -> None:
    early = AT.replace(minute=45)
    batch = batch_of([raw(early), raw(AT), raw(early)], country_of)
    assert [count.last for count in batch.links.counts.values()] == [ms(AT)]


def test_the_first_click_of_a_visitor_is_the_earliest_whatever_the_order() -> None:
    early = AT.replace(hour=3)
    batch = batch_of([raw(AT), raw(early), raw(AT)], country_of)
    assert batch.firsts == {(DAY_OF_AT, 1): {SIGNED: ms(early)}}


def test_visitors_are_new_on_each_link_and_day_and_bots_never() -> None:
    next_day = AT + timedelta(days=1)
    lines = [
        raw(),
        raw(link_id=2),
        raw(next_day),
        raw(visitor="f" * 16),
        raw(visitor="8" * 16, user_agent=""),
    ]
    assert batch_of(lines, country_of).firsts == {
        (DAY_OF_AT, 1): {SIGNED: ms(AT), -1: ms(AT)},
        (DAY_OF_AT, 2): {SIGNED: ms(AT)},
        (DAY_OF_AT + 1, 1): {SIGNED: ms(next_day)},
    }


def test_of_a_private_click_only_time_link_and_bot_are_kept() -> None:
    batch = batch_of([raw(visitor=""), raw(visitor="", user_agent="curl/8")], country_of)
    start = (1, "2026-05-01 23:59:59.999000", b"", "", "", "", "", "")
    assert batch.clicks == [(*start, False, "", ""), (*start, True, "", "")]
    assert batch.links.counts == {(1, QUARTER_OF_AT): Count(humans=1, bots=1, last=ms(AT))}
    assert (batch.links.facets, batch.firsts) == ({}, {})


def test_bad_lines_are_put_aside_and_the_others_taken() -> None:
    batch = batch_of([b"nonsense", raw(), b""], country_of)
    assert batch.bad == [b"nonsense", b""]
    assert len(batch.clicks) == 1


def test_times_are_exact_to_the_millisecond_up_to_the_last() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
    assert batch_of([raw(last)], country_of).clicks[0][1] == "9999-12-31 23:59:59.999000"


def test_an_account_has_the_clicks_of_its_links_added_up() -> None:
    early = AT.replace(minute=50)
    lines = [
        raw(),
        raw(early, link_id=2),
        raw(link_id=2, kind="prefetch"),
        raw(link_id=3, user_agent="curl/8"),
    ]
    batch = batch_of([*lines, raw(link_id=4), raw(link_id=5, referrer="")], country_of)
    accounts = batch.links.by_owner({1: 7, 2: 7, 3: 7, 5: 8})
    assert accounts.counts == {
        (7, QUARTER_OF_AT): Count(humans=2, bots=1, prefetches=1, last=ms(AT)),
        (8, QUARTER_OF_AT): Count(humans=1, last=ms(AT)),
    }
    agent = agent_facts(FIREFOX)
    assert accounts.facets == {
        (7, DAY_OF_AT): Facets({agent: 2}, {"DE": 2}, {"example.org": 2}),
        (8, DAY_OF_AT): Facets({agent: 1}, {"DE": 1}, {"": 1}),
    }
    assert batch.links.counts[1, QUARTER_OF_AT].humans == 1
