"""Merchants as operators see them; their secrets are never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.context import Context
from ledger.merchants import Merchant
from ledger.pages import Page, PageRequest
from schemas.errors import NotFound


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A merchant and where its credentials are; `imp_key` is masked, None where it is in the environment."""

    stored: Merchant
    source: Literal["api", "environment"]
    imp_key: str | None

    @property
    def merchant(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def has_webhook_token(self) -> bool:
        """Whether its webhooks have to name a token."""
        return self.stored.token_hash is not None


async def read_merchant(context: Context, name: str) -> MerchantView:
    """One merchant. Raises `NotFound`."""
    return _view(context, await context.ledger.merchants.get(name))


async def find_merchant(context: Context, name: str) -> MerchantView | None:
    """The merchant of this name; None where there is none."""
    try:
        return await read_merchant(context, name)
    except NotFound:
        return None


async def list_merchants(context: Context, part: PageRequest) -> Page[MerchantView]:
    """Merchants, newest first."""
    page = await context.ledger.merchants.list(part)
    return Page(tuple(_view(context, merchant) for merchant in page.rows), page.next_cursor)


def _view(context: Context, merchant: Merchant) -> MerchantView:
    if not merchant.imp_key:
        return MerchantView(merchant, "environment", None)
    return MerchantView(merchant, "api", _masked(context.sealer.open(merchant.imp_key)))


def _masked(credential: str) -> str:
    """Enough of a credential to tell it from another, not enough to use it."""
    return f"{credential[:4]}…" if len(credential) >= 12 else "…"
