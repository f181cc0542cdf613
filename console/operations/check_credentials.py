"""Check a merchant's credentials with a harmless question to i'mport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.context import Context
from schemas.errors import IamportError, WrongCredentials


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    """What i'mport answers to a merchant's credentials; `reason` is None where all is well."""

    outcome: Literal["ok", "wrong_credentials", "failing"]
    reason: str | None = None


async def check_credentials(context: Context, merchant: str) -> CredentialCheck:
    """Ask i'mport which amount is prepared for an order that does not exist. Raises `NotFound`."""
    await context.ledger.merchants.get(merchant)
    try:
        account = await context.accounts.get(merchant)
        await account.client.prepared("relay-check")
    except WrongCredentials as error:
        return CredentialCheck("wrong_credentials", str(error))
    except IamportError as error:
        return CredentialCheck("failing", str(error))
    return CredentialCheck("ok")
