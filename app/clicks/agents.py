"""What a User-Agent says of browser, system and device, and whether a program sent it.

Only the worker calls this. The parsers' tables (26 MB, 0.3 s) are built on the first call, so that a web
process, which imports this through the command line's door, does not pay for them.
"""

import re
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import crawleruseragents
import ua_parser

Device = Literal["", "desktop", "mobile", "tablet", "tv", "console"]

_MAX_NAME = 64
_DESKTOPS = re.compile(r"Windows NT|Macintosh|X11|CrOS|Linux (?:x86_64|i686)")
_TELEVISIONS = re.compile(
    r"\bTV\b|SmartTV|SMART-TV|GoogleTV|AppleTV|HbbTV|BRAVIA|\bAFT[A-Z]|Roku|CrKey|Web0S"
)
_CONSOLES = re.compile(r"PlayStation|Nintendo|Xbox")
_TABLETS = re.compile(r"iPad|Tablet|Kindle|Silk/|PlayBook")
_MOBILES = re.compile(r"Mobi|iPhone|iPod|Android.+Mobile|Opera Mini|Windows Phone|BlackBerry|KAIOS")


class Agent(NamedTuple):
    """Names as ua-parser gives them (Mobile Safari, Mac OS X), "" when unknown."""

    browser: str
    os: str
    device: Device
    bot: bool


@lru_cache(maxsize=4096)  # 0.3 ms without: 1,500 patterns to try
def agent_facts(user_agent: str) -> Agent:
    """Look at one User-Agent, at most 512 characters of hostile text. Who sends none is a program."""
    found = _resolver()(user_agent, ua_parser.Domain.USER_AGENT | ua_parser.Domain.OS)
    return Agent(
        browser=found.user_agent.family[:_MAX_NAME] if found.user_agent else "",
        os=found.os.family[:_MAX_NAME] if found.os else "",
        device=_device(user_agent),
        bot=not user_agent.strip() or crawleruseragents.is_crawler(user_agent),
    )


@cache
def _resolver() -> ua_parser.Resolver:
    """The parser without a cache of its own."""
    return ua_parser.BestAvailableResolver(ua_parser.load_lazy_builtins())


def _device(user_agent: str) -> Device:
    """The kind of device. ua-parser names models, of which there are thousands, and no kinds.

    The order matters: an Android television says Linux, a tablet Android without Mobile, a phone may say X11.
    """
    if _CONSOLES.search(user_agent):
        return "console"
    if _TELEVISIONS.search(user_agent):
        return "tv"
    if _TABLETS.search(user_agent):
        return "tablet"
    if _MOBILES.search(user_agent):
        return "mobile"
    if "Android" in user_agent:
        return "tablet"  # https://developer.chrome.com/docs/multidevice/user-agent: phones say Mobile
    return "desktop" if _DESKTOPS.search(user_agent) else ""
