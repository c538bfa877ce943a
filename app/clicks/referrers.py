"""The referring site of a click: a host, since the rest of a Referer is nobody's business."""

import re
from functools import lru_cache

import ada_url

_SCHEMES = ("http:", "https:", "android-app:")
_MAX_HOST = 255
# A name as DNS has them, or an address in brackets: the WHATWG's parser lets `a;=1` pass.
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:]+\]")


@lru_cache(maxsize=4096)
def referrer_host(referrer: str) -> str:
    """Return the host in lower case and punycode, without `www.`; "" for a direct visit or nonsense.

    `referrer` is hostile text. Apps refer as android-app://com.example/ (their package name is the host).
    """
    try:
        url = ada_url.URL(referrer)
    except ValueError:  # a lone surrogate is one, too
        return ""
    if url.protocol not in _SCHEMES:
        return ""
    host = url.hostname.lower().removesuffix(".").removeprefix("www.")
    return host if len(host) <= _MAX_HOST and _HOST.fullmatch(host) else ""
