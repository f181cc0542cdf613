"""Check a merchant's credentials with a harmless call of i'mport's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.context import Context
from schemas.errors import IamportError, WrongCredentials
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    """The result of checking a merchant's credentials; `reason` is None if they work."""

    outcome: Literal["ok", "wrong_credentials", "failing"]
    reason: Reason | None = None


async def check_credentials(context: Context, merchant: str) -> CredentialCheck:
    """Ask i'mport which amount was registered for an order that does not exist. Raises `NotFound`."""
    await context.ledger.merchants.get(merchant)
    try:
        account = await context.accounts.get(merchant)
        await account.client.prepared("relay-check")
    except WrongCredentials as error:
        return CredentialCheck("wrong_credentials", error.reason)
    except IamportError as error:
        return CredentialCheck("failing", error.reason)
    return CredentialCheck("ok")
