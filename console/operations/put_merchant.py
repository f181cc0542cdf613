"""Add, replace and delete merchants."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from console.context import Context
from console.operations.read_merchants import MerchantView, read_merchant
from schemas.errors import Conflict, Invalid
from schemas.reasons import Reason
from schemas.webhook_address import DEFAULT_MERCHANT, MERCHANT_NAME, token_hash


@dataclass(frozen=True, slots=True)
class MerchantSettings:
    """A merchant's settings, with its credentials in clear text, as given. Facts before `since` (UNIX seconds) are
    recorded silently."""

    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)
    include_sandbox: bool = False
    since: float | None = None
    webhook_token: str | None = field(default=None, repr=False)
    check_prepared: bool = False
    tier: str | None = None


async def put_merchant(context: Context, name: str, given: MerchantSettings) -> tuple[MerchantView, bool]:
    """Add a merchant, or replace all its settings; returns it, and whether it is new. Raises `Invalid`."""
    if not re.fullmatch(MERCHANT_NAME, name):
        raise Invalid("merchant", Reason.of("not_a_merchant_name"))
    is_new = await context.ledger.merchants.put(
        name,
        imp_key=context.sealer.seal(given.imp_key),
        imp_secret=context.sealer.seal(given.imp_secret),
        include_sandbox=given.include_sandbox,
        check_prepared=given.check_prepared,
        since=given.since,
        token_hash=token_hash(given.webhook_token.encode()) if given.webhook_token else None,
        tier=given.tier,
    )
    return await read_merchant(context, name), is_new


async def delete_merchant(context: Context, name: str) -> None:
    """Delete a merchant. `default` exists again at once if its credentials are in the environment.

    Raises `NotFound`; `Conflict` while the merchant has endpoints, and if it exists only in the environment.
    """
    merchants = context.ledger.merchants
    in_environment = name == DEFAULT_MERCHANT and context.settings.imp_key is not None
    if in_environment and not (await merchants.get(name)).imp_key:
        raise Conflict(Reason.of("merchant_in_environment"))
    await merchants.delete(name)
    if in_environment:
        await merchants.ensure(name)
