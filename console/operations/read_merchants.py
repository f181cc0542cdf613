"""Merchants as operators see them; their secrets are never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.context import Context
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.merchants import Merchant
from schemas.errors import NotFound
from schemas.webhook_address import DEFAULT_MERCHANT


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A merchant and where its credentials are; `imp_key` is masked, and None if it is in the environment."""

    stored: Merchant
    source: Literal["api", "environment"]
    imp_key: str | None

    @property
    def merchant(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def has_webhook_token(self) -> bool:
        """Whether its webhooks must have a token in their path."""
        return self.stored.token_hash is not None


async def read_merchant(context: Context, name: str) -> MerchantView:
    """One merchant. Raises `NotFound`."""
    return _view(context, await context.ledger.merchants.get(name))


async def find_merchant(context: Context, name: str) -> MerchantView | None:
    """The merchant with this name; None if there is none."""
    try:
        return await read_merchant(context, name)
    except NotFound:
        return None


async def check_merchant(context: Context, name: str) -> None:
    """Raise `NotFound` if there is no such merchant; `default` exists even before it is added."""
    if name != DEFAULT_MERCHANT:
        await context.ledger.merchants.get(name)


async def list_merchants(context: Context, part: PageRequest) -> HistoryPage[MerchantView]:
    """Merchants, newest first. History has the list; each merchant is shown as it is now. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context)
    page = await context.history.merchants.list(part)
    now = await context.ledger.merchants.some([row.name for row in page.rows])
    return HistoryPage(tuple(_view(context, merchant) for merchant in now), page.next_cursor, behind)


async def newest_merchants(context: Context, most: int) -> tuple[MerchantView, ...]:
    """The merchants that were added last, to choose from. Works while history is away."""
    return tuple(_view(context, merchant) for merchant in await context.ledger.merchants.newest(most))


async def newest_merchant_names(context: Context, most: int) -> list[str]:
    """The names of the merchants that were added last."""
    return [merchant.name for merchant in await context.ledger.merchants.newest(most)]


def _view(context: Context, merchant: Merchant) -> MerchantView:
    if not merchant.imp_key:
        return MerchantView(merchant, "environment", None)
    return MerchantView(merchant, "api", _masked(context.sealer.open(merchant.imp_key)))


def _masked(credential: str) -> str:
    """A credential shortened so that it can be recognised but not used."""
    return f"{credential[:4]}…" if len(credential) >= 12 else "…"
