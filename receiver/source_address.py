"""Where a webhook comes from: the address behind trusted proxies, and whether it is verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from runtime.proxies import LONGEST_TRAIL, Network, TrustedProxies, within
from schemas.payments.source_budget import budget_name

IAMPORT = frozenset(map(ip_address, ("52.78.100.19", "52.78.48.223", "52.78.5.241")))
"""The addresses that webhooks come from, by i'mport's documentation. They have changed before."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """A source of webhooks.

    `allowed`: RELAY_ALLOWED_IPS admits it. `verified`: it is i'mport's or in RELAY_ALLOWED_IPS. `iamport`: it is one of
    i'mport's own addresses. `limited`: the rate limit applies to it, under the name `budget`.
    """

    address: str
    allowed: bool
    verified: bool
    iamport: bool
    limited: bool
    budget: str


class SourceAddresses:
    """Finds sources by the connection's address and its `X-Forwarded-For`."""

    def __init__(self, allowed: Sequence[Network], proxies: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)
        self._proxies = TrustedProxies(proxies)
        self._judged = lru_cache(maxsize=4096)(self._judge)

    def of(self, client: tuple[str, int] | None, forwarded: bytes) -> Source:
        """The source of a request; `forwarded` is all of its `X-Forwarded-For` joined by commas, or nothing."""
        return self._judged(client[0] if client else "", forwarded[-LONGEST_TRAIL:])

    def _judge(self, peer: str, forwarded: bytes) -> Source:
        address = self._proxies.source(peer, forwarded)
        if address is None:
            return Source(UNKNOWN, not self._allowed, verified=False, iamport=False, limited=True, budget=UNKNOWN)
        listed = within(address, self._allowed)
        verified = listed or address in IAMPORT
        return Source(
            address=str(address),
            allowed=listed or not self._allowed,
            verified=verified,
            iamport=address in IAMPORT,
            limited=not verified and not address.is_loopback,
            budget=budget_name(address),
        )
