"""The client of each merchant, made from its credentials and reused until these change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import httpx

from iamport.access_tokens import Credentials, TokenStore
from iamport.client import Client
from iamport.sealed_tokens import SealedTokens
from runtime.encryption import Sealer
from runtime.settings import Settings
from schemas.errors import NotFound, Unreadable, WrongCredentials
from schemas.payments import channels
from schemas.reasons import Reason
from schemas.webhook_address import DEFAULT_MERCHANT

MOST_CLIENTS = 10_000
"""Clients that a process keeps: those that it used most recently."""


class MerchantCredentials(channels.ChannelPolicy, Protocol):
    """A merchant as it is registered; its credentials are sealed, or "" if they are in the environment."""

    @property
    def check_prepared(self) -> bool: ...
    @property
    def tier(self) -> str | None: ...
    @property
    def imp_key(self) -> str: ...
    @property
    def imp_secret(self) -> str: ...


@dataclass(frozen=True, slots=True)
class MerchantClient:
    """A merchant and its client of i'mport's API."""

    merchant: MerchantCredentials
    client: Client


class MerchantClients:
    """Makes the clients. ``find`` reads the merchant each time, so that a change takes effect at once."""

    def __init__(
        self,
        settings: Settings,
        sealer: Sealer,
        transport: httpx.AsyncBaseTransport,
        tokens: TokenStore,
        find: Callable[[str], Awaitable[MerchantCredentials]],
    ) -> None:
        self._settings = settings
        self._sealer = sealer
        self._transport = transport
        self._tokens = SealedTokens(tokens, sealer)
        self._find = find
        self._clients: OrderedDict[str, tuple[tuple[str, str, bool, str | None], Client]] = OrderedDict()

    async def get(self, name: str) -> MerchantClient:
        """The client of a merchant. Raises `WrongCredentials` if its credentials are missing or unusable."""
        try:
            merchant = await self._find(name)
        except NotFound:
            self._clients.pop(name, None)
            raise not_set_up(name) from None
        return self.of(merchant)

    def of(self, merchant: MerchantCredentials) -> MerchantClient:
        """The client of a merchant that was read just now. Raises `WrongCredentials` if its credentials are missing or
        unusable."""
        identity = (merchant.imp_key, merchant.imp_secret, merchant.include_sandbox, merchant.tier)
        cached = self._clients.get(merchant.name)
        if cached is None or cached[0] != identity:
            cached = self._clients[merchant.name] = (identity, self._client(merchant))
        self._clients.move_to_end(merchant.name)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return MerchantClient(merchant, cached[1])

    async def close(self) -> None:
        """Close the connections to i'mport."""
        await self._transport.aclose()

    def _client(self, merchant: MerchantCredentials) -> Client:
        return Client(
            self._transport,
            self._settings.imp_api_url,
            self._credentials(merchant),
            self._tokens,
            tier=merchant.tier,
            include_sandbox=merchant.include_sandbox,
        )

    def _credentials(self, merchant: MerchantCredentials) -> Credentials:
        if merchant.imp_key:
            try:
                return Credentials(self._sealer.open(merchant.imp_key), self._sealer.open(merchant.imp_secret))
            except Unreadable as error:
                raise WrongCredentials(
                    Reason.of("merchant_credentials_unreadable", error.reason, merchant=merchant.name)
                ) from None
        key, secret = self._settings.imp_key, self._settings.imp_secret
        if merchant.name != DEFAULT_MERCHANT or not key or secret is None:
            raise WrongCredentials(Reason.of("merchant_without_credentials", merchant=merchant.name))
        return Credentials(key, secret.get_secret_value())


def not_set_up(merchant: str) -> WrongCredentials:
    """The error for a merchant that does not exist."""
    return WrongCredentials(Reason.of("merchant_not_set_up", merchant=merchant))
