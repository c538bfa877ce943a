"""Network addresses: what may be kept of one, and what counts as one visitor."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def parse(address: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one inside IPv6 (``::ffff:192.0.2.1``) as IPv4; None for what is no address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def truncated(address: str) -> str:
    """The network (/24 or /48) that may be kept of an address; empty for what is no address."""
    return _network(address, 24, 48)


def counted(address: str) -> str:
    """What limits and visitor hashes count as one client: a full IPv4 address, a /64 of IPv6."""
    return _network(address, 32, 64)


def _network(address: str, v4: int, v6: int) -> str:
    parsed = parse(address)
    if parsed is None:
        return ""
    length = v4 if parsed.version == 4 else v6
    return str(ip_network((parsed, length), strict=False))
