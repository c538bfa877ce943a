"""The rules as one table: what a link is and what is asked of it, to what the visitor gets."""

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import AppError, NotFound
from app.links.resolve import Resolved
from app.redirects import rules
from app.redirects.rules import (
    Asked,
    LinkBlocked,
    LinkDeleted,
    LinkDisabled,
    LinkExhausted,
    LinkExpired,
    Page,
    PasswordRequired,
    Redirection,
)

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
LATER, BEFORE = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
TARGET = "https://example.com/p?own=1#top"

PLAIN = Resolved(
    id=7,
    url=TARGET,
    redirect_status=302,
    forward_query=False,
    enabled=True,
    starts_at=None,
    expires_at=None,
    max_clicks=None,
    clicks_used=0,
    password_hash=None,
    blocked_reason=None,
    deleted_at=None,
)
LIMITED = PLAIN._replace(max_clicks=5, clicks_used=4)
PROTECTED = PLAIN._replace(password_hash="pbkdf2:…")
GET, HEAD = Asked(), Asked(head=True)
PREFETCH, PREVIEW_AGENT = Asked(prefetch=True), Asked(preview_agent=True)

# In the order in which they win; each is set here together with all that come after it.
CLOSED: dict[type[AppError], dict[str, object]] = {
    LinkBlocked: {"blocked_reason": "phishing"},
    LinkDeleted: {"deleted_at": BEFORE},
    LinkDisabled: {"enabled": False},
    NotFound: {"starts_at": LATER},
    LinkExpired: {"expires_at": NOW},
    LinkExhausted: {"max_clicks": 5, "clicks_used": 5},
}


@pytest.mark.parametrize("refusal", CLOSED)
def test_earlier_state_wins_over_all_later_ones(refusal: type[AppError]) -> None:
    order = list(CLOSED)
    columns: dict[str, object] = {"password_hash": "pbkdf2:…"}
    for later in order[order.index(refusal) :]:
        columns |= CLOSED[later]
    with pytest.raises(AppError) as caught:
        rules.opened(PLAIN._replace(**columns), NOW)  # type: ignore[arg-type]  # any column
    assert type(caught.value) is refusal


@pytest.mark.parametrize("refusal", CLOSED)
def test_each_state_refuses_by_itself(refusal: type[AppError]) -> None:
    with pytest.raises(refusal):
        rules.opened(PLAIN._replace(**CLOSED[refusal]), NOW)  # type: ignore[arg-type]  # any column


def test_scheduled_link_answers_as_one_that_does_not_exist() -> None:
    answers = []
    for link in (None, PLAIN._replace(starts_at=LATER)):
        with pytest.raises(NotFound) as caught:
            rules.opened(link, NOW)
        answers.append((caught.value.status, caught.value.code, caught.value.message))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (LinkBlocked, 451, "BLOCKED"),
        (LinkDeleted, 410, "LINK_DELETED"),
        (LinkDisabled, 410, "LINK_DISABLED"),
        (LinkExpired, 410, "LINK_EXPIRED"),
        (LinkExhausted, 410, "LINK_EXHAUSTED"),
        (PasswordRequired, 401, "PASSWORD_REQUIRED"),
    ],
)
def test_refusals_have_the_contracts_status_and_code(refusal: type[AppError], status: int, code: str) -> None:
    assert (refusal().status, refusal().code) == (status, code)


@pytest.mark.parametrize(
    "link",
    [
        PLAIN,
        PLAIN._replace(starts_at=NOW),
        PLAIN._replace(expires_at=LATER),
        PLAIN._replace(starts_at=BEFORE, expires_at=LATER),
        LIMITED,
    ],
)
def test_open_link_passes(link: Resolved) -> None:
    assert rules.opened(link, NOW) is link


@pytest.mark.parametrize(
    ("link", "asked", "answer"),
    [
        # plain
        (PLAIN, GET, Redirection(302, TARGET, "no-store", records="click")),
        (PLAIN, HEAD, Redirection(302, TARGET, "no-store")),
        (PLAIN, PREFETCH, Redirection(302, TARGET, "no-store", records="prefetch")),
        (PLAIN, Asked(head=True, prefetch=True), Redirection(302, TARGET, "no-store")),
        (PLAIN, PREVIEW_AGENT, Redirection(302, TARGET, "no-store", records="click")),
        (PLAIN, Asked(json=True), Redirection(302, TARGET, "no-store", records="click")),
        # limited: what carries the target spends, and nothing else
        (LIMITED, GET, Redirection(302, TARGET, "no-store", spends=True, records="click")),
        (LIMITED, Asked(json=True), Redirection(302, TARGET, "no-store", spends=True, records="click")),
        (LIMITED, HEAD, Redirection(302, None, "no-store")),
        (LIMITED, PREFETCH, Page.LIMITED),
        (LIMITED, PREVIEW_AGENT, Page.LIMITED),
        (LIMITED, Asked(head=True, preview_agent=True), Page.LIMITED),
        # protected: never the target
        (PROTECTED, GET, Page.PASSWORD),
        (PROTECTED, HEAD, Page.PASSWORD),
        (PROTECTED, PREFETCH, Page.PASSWORD),
        (PROTECTED, PREVIEW_AGENT, Page.PASSWORD),
        (PROTECTED._replace(max_clicks=5), GET, Page.PASSWORD),
        (PROTECTED._replace(max_clicks=5), PREFETCH, Page.PASSWORD),
    ],
)
def test_follow(link: Resolved, asked: Asked, answer: Redirection | Page) -> None:
    assert rules.followed(link, asked) == answer


@pytest.mark.parametrize(
    "asked", [Asked(json=True), Asked(json=True, head=True), Asked(json=True, prefetch=True)]
)
def test_program_is_told_that_a_password_is_required(asked: Asked) -> None:
    with pytest.raises(PasswordRequired) as caught:
        rules.followed(PROTECTED, asked)
    assert caught.value.headers == {"WWW-Authenticate": "LinkPassword"}


@pytest.mark.parametrize(
    ("status", "columns", "cache_control"),
    [
        (302, {}, "no-store"),
        (307, {}, "no-store"),
        (301, {}, "private, max-age=90"),
        (308, {}, "private, max-age=90"),
        (301, {"starts_at": BEFORE}, "private, max-age=90"),
        (301, {"expires_at": LATER}, "no-store"),
        (308, {"max_clicks": 5}, "no-store"),
        (301, {"max_clicks": 5, "expires_at": LATER}, "no-store"),
    ],
)
@pytest.mark.parametrize("asked", [GET, HEAD])
def test_cache_control(status: int, columns: dict[str, object], cache_control: str, asked: Asked) -> None:
    link = PLAIN._replace(redirect_status=status, **columns)  # type: ignore[arg-type]  # any column
    answer = rules.followed(link, asked)
    assert isinstance(answer, Redirection)
    assert (answer.status, answer.cache_control) == (status, cache_control)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_right_password_gets_303_that_nobody_keeps(status: int) -> None:
    link = PROTECTED._replace(redirect_status=status)
    assert rules.unlocked(link, b"") == Redirection(303, TARGET, "no-store", records="click")
    spending = rules.unlocked(link._replace(max_clicks=5), b"")
    assert spending == Redirection(303, TARGET, "no-store", spends=True, records="click")


def test_query_is_forwarded_only_when_the_link_says_so() -> None:
    query, forwarded = b"fbclid=1", "https://example.com/p?own=1&fbclid=1#top"
    forwarding = PLAIN._replace(forward_query=True)
    assert _location(rules.followed(PLAIN, Asked(query=query))) == TARGET
    assert _location(rules.followed(forwarding, Asked(query=query))) == forwarded
    assert _location(rules.followed(forwarding, Asked(query=query, head=True))) == forwarded
    assert _location(rules.followed(forwarding._replace(max_clicks=5), Asked(query=query))) == forwarded
    assert _location(rules.unlocked(forwarding._replace(password_hash="x"), query)) == forwarded
    assert _location(rules.unlocked(PROTECTED, query)) == TARGET


def test_headers_of_a_redirect_are_these_and_no_more() -> None:
    fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    assert Redirection(302, TARGET, "no-store").headers == {"Location": TARGET, **fixed}
    assert Redirection(302, None, "no-store").headers == fixed
    assert set(Redirection(302, TARGET, "no-store").headers) <= rules.REDIRECT_HEADERS


@pytest.mark.parametrize(
    ("link", "shown"),
    [(PLAIN, True), (LIMITED, False), (PROTECTED, False), (PROTECTED._replace(max_clicks=5), False)],
)
def test_target_is_shown_only_where_it_costs_and_betrays_nothing(link: Resolved, shown: bool) -> None:
    assert rules.shows_target(link) is shown


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"sec_purpose": "prefetch"}, True),
        ({"sec_purpose": "prefetch;prerender"}, True),
        ({"sec_purpose": "prefetch; anonymous-client-ip"}, True),
        ({"sec_purpose": " Prefetch "}, True),
        ({"purpose": "prefetch"}, True),
        ({"x_moz": "prefetch"}, True),
        ({"sec_purpose": "prefetched"}, False),
        ({"sec_purpose": "navigate;prefetch"}, False),
        ({"purpose": "", "x_moz": "livebookmarks"}, False),
    ],
)
def test_prefetch_is_recognised(headers: dict[str, str], expected: bool) -> None:
    values = {"sec_purpose": "", "purpose": "", "x_moz": ""} | headers
    assert rules.is_prefetch(**values) is expected


@pytest.mark.parametrize(
    "user_agent",
    [
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "Twitterbot/1.0",
        "WhatsApp/2.23.20.0 A",
        "TelegramBot (like TwitterBot)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/)",
        "TWITTERBOT",
    ],
)
def test_link_preview_agent_is_recognised(user_agent: str) -> None:
    assert rules.is_preview_agent(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "curl/7.88.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        # people, in the browsers inside the apps
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Mobile/15E148 [FBAN/FBIOS;FBAV/440.0.0]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 [LinkedInApp]/9.29",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 [Pinterest/iOS]",
    ],
)
def test_people_and_crawlers_are_no_link_preview_agents(user_agent: str) -> None:
    assert not rules.is_preview_agent(user_agent)


def _location(answer: Redirection | Page) -> str | None:
    assert isinstance(answer, Redirection)
    return answer.location
