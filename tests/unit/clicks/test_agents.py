"""Browser, system, device and bot out of User-Agents, told by the real tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clicks.agents import Agent, agent_facts

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"


@pytest.mark.parametrize(
    ("user_agent", "browser", "os", "device"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/130.0.0.0 Safari/537.36",
         "Chrome", "Windows", "desktop"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
         "Edge", "Windows", "desktop"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1.15",
         "Safari", "Mac OS X", "desktop"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
         "Firefox", "Linux", "desktop"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/129.0.0.0 Safari/537.36",
         "Chrome", "Chrome OS", "desktop"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
         "Mobile Safari", "iOS", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/129.0.0.0 Mobile Safari/537.36",
         "Chrome Mobile", "Android", "mobile"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
         "Firefox Mobile", "Android", "mobile"),
        (f"Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
         "Mobile Safari", "iOS", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 14; SM-X910) {WEBKIT} Chrome/129.0.0.0 Safari/537.36",
         "Chrome", "Android", "tablet"),
        ("Mozilla/5.0 (Android 13; Tablet; rv:128.0) Gecko/128.0 Firefox/128.0",
         "Firefox Mobile", "Android", "tablet"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/538.1 (KHTML, like Gecko) Version/6.0 TV Safari/538.1",
         "Safari", "Tizen", "tv"),
        (f"Mozilla/5.0 (Linux; Android 12; AFTKA Build/PS7633) {WEBKIT} Chrome/120.0.0.0 Mobile Safari/537.36",
         "Chrome Mobile", "Android", "tv"),
        (f"Mozilla/5.0 (PlayStation; PlayStation 5/2.26) {SAFARI} Safari/605.1.15",
         "Safari", "", "console"),
    ],
)  # fmt: skip
def test_a_persons_browser_is_told(user_agent: str, browser: str, os: str, device: str) -> None:
    assert agent_facts(user_agent) == Agent(browser, os, device, bot=False)


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "   ",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {WEBKIT} Chrome/130.0.0.0 "
        "Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "WhatsApp/2.23.20.0 A",
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/130.0.0.0 Safari/537.36",
    ],
)
def test_a_program_is_a_bot(user_agent: str) -> None:
    assert agent_facts(user_agent).bot


def test_what_nobody_knows_is_empty() -> None:
    assert agent_facts("My own browser") == Agent("", "", "", bot=False)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=512))
def test_hostile_text_gives_facts_that_fit_their_columns(user_agent: str) -> None:
    facts = agent_facts(user_agent)
    assert len(facts.browser) <= 64
    assert len(facts.os) <= 64
