"""Where a webhook comes from: the address behind trusted proxies, and whether it is verified.

`X-Forwarded-For` is believed only from RELAY_TRUSTED_PROXIES. Each proxy appends the address it saw, so the right-most
hop that is not a trusted proxy is the source; anyone could have written what stands left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from schemas.payments.source import budget_name

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IAMPORT = frozenset(map(ip_address, ("52.78.100.19", "52.78.48.223", "52.78.5.241")))
"""Where i'mport's documentation says its webhooks come from. These addresses have changed before."""
LONGEST_TRAIL = 2048
"""Bytes of `X-Forwarded-For` that are read, from its right end."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """A source of webhooks. `allowed` by RELAY_ALLOWED_IPS; `verified` as i'mport's; `iamport` is one of i'mport's own
    addresses; `limited` by the rate limit, under the name `budget`; `local` is this machine with no proxy between."""

    address: str
    allowed: bool
    verified: bool
    iamport: bool
    limited: bool
    local: bool
    budget: str


class SourceAddresses:
    """Finds sources by the connection's address and its `X-Forwarded-For`."""

    def __init__(self, allowed: Sequence[Network], proxies: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)
        self._proxies = tuple(proxies)
        self._judged = lru_cache(maxsize=4096)(self._judge)

    def of(self, client: tuple[str, int] | None, forwarded: bytes) -> Source:
        """The source of a request; `forwarded` is all of its `X-Forwarded-For` joined by commas, or nothing."""
        return self._judged(client[0] if client else "", forwarded[-LONGEST_TRAIL:])

    def _judge(self, peer: str, forwarded: bytes) -> Source:
        address = _address(peer)
        local = address is not None and address.is_loopback and not forwarded
        if forwarded and address is not None and _within(address, self._proxies):
            address = self._origin(forwarded.decode("latin-1"))
        if address is None:
            return Source(
                UNKNOWN, not self._allowed, verified=False, iamport=False, limited=True, local=False, budget=UNKNOWN
            )
        listed = _within(address, self._allowed)
        verified = listed or address in IAMPORT
        return Source(
            address=str(address),
            allowed=listed or not self._allowed,
            verified=verified,
            iamport=address in IAMPORT,
            limited=not verified and not address.is_loopback,
            local=local,
            budget=budget_name(address),
        )

    def _origin(self, trail: str) -> Address | None:
        """The right-most hop that is not a trusted proxy; the first of all where all are; None for one that is no
        address, since nothing left of it can be believed."""
        address = None
        for hop in reversed(trail.split(",")):
            address = _address(hop)
            if address is None or not _within(address, self._proxies):
                break
        return address


def _address(text: str) -> Address | None:
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


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
