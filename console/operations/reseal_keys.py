"""Seal everything that is stored with the first encryption key of RELAY_ENCRYPTION_KEY.

Until then an old key cannot be removed: a value that is never written again stays sealed with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from console.context import Context
from ledger.merchants import Merchant
from schemas.endpoints.endpoint import Endpoint
from schemas.errors import NotFound, Unreadable

AT_ONCE = 200
"""Rows that are read at once."""


@dataclass(frozen=True, slots=True)
class ResealedCounts:
    """How many values were sealed with another key and are with the first now; the names of those that no key opens."""

    merchants: int
    endpoints: int
    unreadable: tuple[str, ...]


async def reseal_keys(context: Context) -> ResealedCounts:
    """Seal everything with the first key. Other processes seal with it already, so nothing is missed meanwhile."""
    merchants, unreadable = await _reseal_merchants(context)
    endpoints, also = await _reseal_endpoints(context)
    return ResealedCounts(merchants, endpoints, (*unreadable, *also))


async def _reseal_merchants(context: Context) -> tuple[int, list[str]]:
    resealed, unreadable = 0, []
    names = await context.ledger.merchants.names()
    for start in range(0, len(names), AT_ONCE):
        for merchant in await context.ledger.merchants.some(names[start : start + AT_ONCE]):
            try:
                resealed += await _reseal_merchant(context, merchant)
            except Unreadable:
                unreadable.append(f"merchant {merchant.name}")
    return resealed, unreadable


async def _reseal_merchant(context: Context, merchant: Merchant) -> bool:
    imp_key, imp_secret = context.sealer.reseal(merchant.imp_key), context.sealer.reseal(merchant.imp_secret)
    if (imp_key, imp_secret) == (merchant.imp_key, merchant.imp_secret):
        return False
    return await context.ledger.merchants.reseal(merchant, imp_key=imp_key, imp_secret=imp_secret)


async def _reseal_endpoints(context: Context) -> tuple[int, list[str]]:
    resealed, unreadable, now = 0, [], await context.ledger.now()

    def with_first_key(endpoint: Endpoint) -> Endpoint:
        """The endpoint, sealed with the first key. Expired secrets are removed, as the next rotation would do: they
        sign nothing."""
        valid = [one for one in endpoint.secrets if one.expires_at is None or one.expires_at > now]
        secrets = tuple(replace(one, sealed=context.sealer.reseal(one.sealed)) for one in valid)
        return replace(endpoint, secrets=secrets, headers=context.sealer.reseal(endpoint.headers))

    names = [name for name, state in (await context.ledger.endpoints.states()).items() if state != "deleted"]
    for start in range(0, len(names), AT_ONCE):
        for registered in (await context.ledger.endpoints.some(names[start : start + AT_ONCE])).values():
            endpoint = registered.endpoint
            try:
                if with_first_key(endpoint) != endpoint:
                    await context.ledger.endpoints.update(endpoint.id, with_first_key)
                    resealed += 1
            except Unreadable:
                unreadable.append(f"endpoint {endpoint.id}")
            except NotFound:
                continue  # deleted meanwhile
    return resealed, unreadable
