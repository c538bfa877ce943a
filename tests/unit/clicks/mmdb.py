"""A MaxMind database of one IPv4 network, written for tests (format: maxmind.github.io/MaxMind-DB)."""

from dataclasses import dataclass
from ipaddress import IPv4Network

_UINT16, _UINT32, _UINT64 = 5, 6, 9


@dataclass
class _Number:
    """The C library wants each number in its own type."""

    value: int
    kind: int = _UINT16


def database(network: str, record: dict[str, object]) -> bytes:
    """The bytes of an .mmdb that holds `record` for `network`, and nothing else."""
    net = IPv4Network(network)
    bits = f"{int(net.network_address):032b}"[: net.prefixlen]
    nothing, data = len(bits), len(bits) + 16  # the data section begins after 16 zero bytes
    tree = b""
    for depth, bit in enumerate(bits):
        onwards = depth + 1 if depth + 1 < len(bits) else data
        left, right = (onwards, nothing) if bit == "0" else (nothing, onwards)
        tree += left.to_bytes(3, "big") + right.to_bytes(3, "big")
    metadata = {
        "binary_format_major_version": _Number(2, _UINT16),
        "binary_format_minor_version": _Number(0, _UINT16),
        "build_epoch": _Number(1, _UINT64),
        "database_type": "Test-Country",
        "description": {},
        "ip_version": _Number(4, _UINT16),
        "languages": [],
        "node_count": _Number(len(bits), _UINT32),
        "record_size": _Number(24, _UINT16),
    }
    return tree + bytes(16) + _encoded(record) + b"\xab\xcd\xefMaxMind.com" + _encoded(metadata)


def _encoded(value: object) -> bytes:
    if isinstance(value, str):
        return _control(2, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(_encoded(part) for item in value.items() for part in item)
    if isinstance(value, int):
        value = _Number(value)
    if isinstance(value, _Number):
        return _control(value.kind, 2) + value.value.to_bytes(2, "big")
    assert value == []
    return _control(11, 0)


def _control(kind: int, size: int) -> bytes:
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
