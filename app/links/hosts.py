"""Facts about the host of a parsed URL: is it well formed, which machine does it mean, is it private?

Every `host` here is `ada_url.URL.hostname`: lower case, punycode, IPv4 dotted, IPv6 in brackets. Nothing
is resolved: a public name that points to a private address cannot be told without asking DNS, and the
answer could change a second later (outgoing fetches therefore check when they connect).
"""

import ipaddress
import re

from ada_url import URL

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_NAME = 253  # RFC 1035 §2.3.4, without the root's dot
# WHATWG lets `"`, `;`, `*`, `$` and more stand in a host; no such name is ever resolved, so none is a target.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")

LOOPBACK = "localhost"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052

# What Python 3.11's `is_global` takes for public and is not (seen with 3.11.7). Of IPv6 only 2000::/3 is
# assigned for the open internet, so all the rest goes: NAT64, IPv4-compatible, site-local, multicast.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments; is_global is True for 192.0.0.8
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "224.0.0.0/4",  # multicast
        "::/3",
        "4000::/2",
        "8000::/1",
        "2002::/16",  # 6to4 carries any IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
)
# RFC 6761, 6762 (with its appendix G), 8375, and ICANN's reservation of .internal.
_LOCAL_SUFFIXES = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".home.arpa",
    ".intranet",
    ".private",
    ".corp",
    ".home",
    ".lan",
)


def is_well_formed(host: str) -> bool:
    """Tell whether `host` is an IP address or a name that DNS could hold; one dot at the end is allowed.

    Longer labels are what makes Werkzeug's idna codec raise while a response starts (a 500 on each click).
    """
    if host.startswith("["):
        return True
    name = host.removesuffix(".")
    return len(name) <= _MAX_NAME and all(map(_is_label, name.split(".")))


def machine(host: str) -> str:
    """Return one spelling for all hosts that reach the same machine as `host`, for comparing only.

    The root's dot goes; IPv4 wrapped in IPv6 (mapped, or NAT64) is unwrapped; loopback and unspecified
    addresses and the `localhost` names (RFC 6761 §6.3) become `localhost`.
    """
    name = _bare(host)
    address = _address(name)
    if address is None:
        return LOOPBACK if name.endswith(".localhost") else name
    address = _unwrapped(address)
    return LOOPBACK if address.is_loopback or address.is_unspecified else str(address)


def is_private(host: str) -> bool:
    """Tell whether `host` means something outside the public internet; a name without a dot does too."""
    name = _bare(host)
    address = _address(name)
    if address is None:
        return "." not in name or name.endswith(_LOCAL_SUFFIXES)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return not address.is_global or any(address in network for network in _NOT_PUBLIC)


def _bare(host: str) -> str:
    return host.strip("[]").removesuffix(".")


def _address(name: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _unwrapped(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    return not label.startswith("xn--") or _is_punycode(label)


def _is_punycode(label: str) -> bool:
    """Tell whether `label` decodes to text whose own spelling it is.

    ada passes any lower-case `xn--` label through unread; browsers refuse what does not decode, and what
    decodes to characters that IDNA forbids (U+202E) or spells otherwise.
    """
    try:
        text = label[4:].encode("ascii").decode("punycode")
        return URL(f"http://{text}/").hostname == label
    except ValueError:
        return False
