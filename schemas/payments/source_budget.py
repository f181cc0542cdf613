"""Which source a webhook is counted under in budgets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network


def budget_name(address: IPv4Address | IPv6Address) -> str:
    """The name under which webhooks from this address share a budget: an IPv4 address, or the /64 of IPv6 that one
    customer gets."""
    return str(address) if isinstance(address, IPv4Address) else str(IPv6Network((int(address), 64), strict=False))
