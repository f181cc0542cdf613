"""Keys: when RELAY_ENCRYPTION_KEY has a new first one, everything that is stored is sealed with it.

Until then an old key cannot be taken away, as what nobody writes again stays sealed with it for good.
"""

from __future__ import annotations

from dataclasses import replace

from console.context import Context
from console.http.models import Nothing, Out, Parameters
from console.http.operation import Call, Operation, OperationResult
from ledger.merchants import Merchant
from ledger.pages import PageRequest
from schemas.endpoints.endpoint import Endpoint
from schemas.errors import NotFound, Unreadable

AT_ONCE = 200


class ResealOut(Out):
    """How many were sealed with another key and are with the first one now; what none of the keys opens, by name."""

    merchants: int
    endpoints: int
    unreadable: list[str]


async def reseal(call: Call[Parameters, Nothing]) -> OperationResult:
    """Seal everything with the first key; what others write meanwhile is sealed with it already, and stays."""
    context = call.context
    merchants, unreadable = await _merchants(context)
    endpoints, also = await _endpoints(context)
    return OperationResult(ResealOut(merchants=merchants, endpoints=endpoints, unreadable=[*unreadable, *also]))


async def _merchants(context: Context) -> tuple[int, list[str]]:
    resealed, unreadable = 0, []
    part = PageRequest(AT_ONCE)
    while True:
        page = await context.ledger.merchants.list(part)
        for merchant in page.rows:
            try:
                resealed += await _merchant(context, merchant)
            except Unreadable:
                unreadable.append(f"merchant {merchant.name}")
        if page.next_cursor is None:
            return resealed, unreadable
        part = PageRequest(AT_ONCE, page.next_cursor)


async def _merchant(context: Context, merchant: Merchant) -> bool:
    imp_key, imp_secret = context.sealer.reseal(merchant.imp_key), context.sealer.reseal(merchant.imp_secret)
    if (imp_key, imp_secret) == (merchant.imp_key, merchant.imp_secret):
        return False
    return await context.ledger.merchants.reseal(merchant, imp_key=imp_key, imp_secret=imp_secret)


async def _endpoints(context: Context) -> tuple[int, list[str]]:
    resealed, unreadable, now = 0, [], await context.ledger.now()

    def anew(endpoint: Endpoint) -> Endpoint:
        """What signs no more needs no key: it leaves, as with the next rotation."""
        valid = [one for one in endpoint.secrets if one.expires_at is None or one.expires_at > now]
        secrets = tuple(replace(one, sealed=context.sealer.reseal(one.sealed)) for one in valid)
        return replace(endpoint, secrets=secrets, headers=context.sealer.reseal(endpoint.headers))

    part = PageRequest(AT_ONCE)
    while True:
        page = await context.ledger.endpoints.list(part)
        for registered in page.rows:
            endpoint = registered.endpoint
            try:
                if anew(endpoint) != endpoint:
                    await context.ledger.endpoints.update(endpoint.id, anew)
                    resealed += 1
            except Unreadable:
                unreadable.append(f"endpoint {endpoint.id}")
            except NotFound:
                continue  # deleted meanwhile
        if page.next_cursor is None:
            return resealed, unreadable
        part = PageRequest(AT_ONCE, page.next_cursor)


OPERATIONS = (
    Operation("POST", "/v1/keys/reseal", "Seal what is stored with the first encryption key", reseal, {200: ResealOut}),
)
