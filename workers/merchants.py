"""Whom to ask i'mport as: one client a merchant, made from its credentials and kept until these change."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from iamport.client import Client
from iamport.tokens import Credentials
from ledger import Ledger
from ledger.merchants import Merchant
from schemas.errors import NotFound, Unreadable, WrongCredentials
from schemas.seal import Sealer
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant as workers need it: what is believed of its payments, and i'mport's API as it sees it."""

    merchant: Merchant
    client: Client


class Accounts:
    """Opens merchants' credentials; each is read again for each batch, so a change counts at once."""

    def __init__(self, settings: Settings, ledger: Ledger, sealer: Sealer, transport: httpx.AsyncBaseTransport) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sealer = sealer
        self._transport = transport
        self._clients: dict[str, tuple[Merchant, Client]] = {}

    async def get(self, name: str) -> Account:
        """The account of a merchant. Raises `WrongCredentials` where it has none that can be used."""
        try:
            merchant = await self._ledger.merchants.get(name)
        except NotFound:
            raise WrongCredentials(
                f"merchant {name} is not set up: give its credentials to the API, or IMP_KEY"
            ) from None
        kept = self._clients.get(name)
        if kept is None or _identity(kept[0]) != _identity(merchant):
            kept = self._clients[name] = (merchant, self._client(merchant))
        return Account(merchant, kept[1])

    def _client(self, merchant: Merchant) -> Client:
        return Client(
            self._transport,
            self._settings.imp_api_url,
            self._credentials(merchant),
            self._ledger.tokens,
            merchant.name,
            include_sandbox=merchant.include_sandbox,
        )

    def _credentials(self, merchant: Merchant) -> Credentials:
        if merchant.imp_key:
            try:
                return Credentials(self._sealer.open(merchant.imp_key), self._sealer.open(merchant.imp_secret))
            except Unreadable as error:
                raise WrongCredentials(f"the credentials of merchant {merchant.name}: {error}") from None
        key, secret = self._settings.imp_key, self._settings.imp_secret
        if merchant.name != "default" or not key or secret is None:
            raise WrongCredentials(
                f"merchant {merchant.name} has no credentials: give them to the API, or set IMP_KEY and IMP_SECRET"
            )
        return Credentials(key, secret.get_secret_value())


def _identity(merchant: Merchant) -> tuple[str, str, bool]:
    return merchant.imp_key, merchant.imp_secret, merchant.include_sandbox
