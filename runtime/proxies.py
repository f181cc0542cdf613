"""Where a request comes from, behind the proxies that an operator has named.

`X-Forwarded-*` is believed only from RELAY_TRUSTED_PROXIES. Each proxy appends the address that it saw, so the
right-most hop that is not a trusted proxy is the source. Everything left of it could be forged. `Forwarded` (RFC 7239)
is never believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_TRAIL = 2048
"""The most bytes of `X-Forwarded-For` that are read, from its right end."""


class TrustedProxies:
    """The proxies in these networks; a `peer` is the address of a connection's other end."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, peer: str) -> bool:
        """Whether this peer is one of them."""
        address = parse(peer)
        return address is not None and within(address, self._networks)

    def source(self, peer: str, trail: bytes) -> Address | None:
        """The source of a request; None if the peer, or the hop that counts, is not an address. `trail` is the value of
        all its `X-Forwarded-For` headers joined by commas, or empty."""
        address = parse(peer)
        if not trail or address is None or not within(address, self._networks):
            return address
        return self._right_most(trail[-LONGEST_TRAIL:].decode("latin-1"))

    def _right_most(self, trail: str) -> Address | None:
        """The right-most hop that is not a trusted proxy; the first hop if all are; None if that hop is not an
        address, since nothing left of it can be trusted."""
        address = None
        for hop in reversed(trail.split(",")):
            address = parse(hop)
            if address is None or not within(address, self._networks):
                break
        return address


def parse(text: str) -> Address | None:
    """The address in a text that may have a port or brackets; IPv4 inside IPv6 counts as IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of these networks."""
    return any(address in network for network in networks)
