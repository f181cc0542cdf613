"""Refresher and reconciler of one merchant, between a real ledger and an i'mport on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from cryptography.fernet import Fernet

from history import History
from iamport.merchant_clients import MerchantClients
from iamport.transport import production_transport
from ledger import Ledger
from ledger.constants import AUTO
from ledger.reconciliations import Reconciliation
from runtime.encryption import Sealer
from runtime.settings import Settings
from schemas.reasons import stored
from tests.support import stored_payments
from tests.support.histories import sqlite_history
from tests.support.iamport_stub import Asked, Stub, no, payment, well
from tests.support.ledger_driver import REFRESH, Driver, queue_url
from tests.support.reasons import said
from workers.cold_payments import ColdPayments
from workers.metrics import WorkerMetrics
from workers.reconcile import Reconciler
from workers.refresh import Refresher

AUTOMATIC = f"{AUTO}default"


class MerchantWorkers:
    """i'mport shows what is in ``shown``, in its batch and in its list; ``sealer`` seals the merchant's credentials."""

    def __init__(
        self,
        ledger: Ledger,
        history: History,
        stub: Stub,
        sealer: Sealer,
        accounts: MerchantClients,
        settings: Settings,
    ) -> None:
        self.ledger = ledger
        self.driver = Driver(ledger)
        self.stub = stub
        self.shown: dict[str, dict[str, Any]] = {}
        self.sealer = sealer
        self._accounts = accounts
        self._settings = settings
        self.use(history)
        stub.reply = self.show

    def use(self, history: History) -> None:
        """Have workers ask this history from now on."""
        self.history = history
        cold = ColdPayments(self._settings, self.ledger, history)
        self.refresher = Refresher(self._settings, self.ledger, cold, self._accounts, WorkerMetrics(), Random(1))
        self.reconciler = Reconciler(self._settings, self.ledger, cold, self._accounts, Random(1))

    def show(self, asked: Asked) -> bytes:
        """i'mport as it should be: the batch and the list show payments of test channels, too."""
        if asked.path == "/payments":
            found = [self.shown[imp_uid] for imp_uid in asked.imp_uids if imp_uid in self.shown]
            return well(found, 200 if len(found) == len(asked.imp_uids) else 207) if found else no(404)
        if asked.path == "/payments/status/all":
            rows = list(self.shown.values())
            return well({"total": len(rows), "previous": 0, "next": 0, "list": rows})
        return no(404)

    async def put(self, **fields: Any) -> None:
        """The merchant as it is from now on."""
        credentials = {"imp_key": self.sealer.seal("key"), "imp_secret": self.sealer.seal("secret")}
        await self.ledger.merchants.put("default", **{**credentials, **fields})

    async def pay(self, imp_uid: str, *, ago: float = 0, **fields: Any) -> None:
        """Paid at i'mport so many seconds ago, by Redis' clock."""
        at = int(await self.ledger.now() - ago)
        self.shown[imp_uid] = payment(imp_uid, paid_at=at, **fields)

    async def look(self) -> None:
        """Refresh what is due."""
        await self.refresher.refresh(REFRESH.address)

    async def reconcile(self, job: str = AUTOMATIC) -> Reconciliation:
        """A whole run, with the refreshes that it asks for; returns the run."""
        while (await self.reconciler.step(job, await self.ledger.now())) == 0:
            pass
        await self.look()
        await self.reconciler.step(job, await self.ledger.now()) if job != AUTOMATIC else None
        return await self.ledger.reconciliations.get(job)

    async def events(self, imp_uid: str) -> list[tuple[str, bool]]:
        """What was recorded of a payment, and whether silently."""
        rows = await self.ledger.events.of_payment("default", imp_uid)
        return [(row.type.removeprefix("payment."), row.silent) for row in rows]

    async def reason(self, imp_uid: str) -> list[tuple[str, str | None]]:
        """What became of each notification of a payment, and why."""
        pending = await self.ledger.notifications.of_payment("default", imp_uid, 100)
        settled = [one for one in (await stored_payments.settled(self.driver.redis)).values() if one.imp_uid == imp_uid]
        rows = [(one.received_at, one.outcome, said(stored((one.reason or "").encode()))) for one in settled]
        rows += [(round(row.received_at * 1000), row.outcome, said(row.reason)) for row in pending]
        return [(outcome, why) for _, outcome, why in sorted(rows)]


@asynccontextmanager
async def running_merchant(redis_url: str, **environ: str) -> AsyncIterator[MerchantWorkers]:
    """One merchant on an empty ledger and an empty history, with credentials of its own unless the variables have
    some."""
    async with Stub() as stub, sqlite_history() as history:
        settings = Settings.load({"IMP_API_URL": stub.url, "RELAY_RECONCILE_EVERY": "15m", **environ})
        ledger, transport = Ledger.connect(redis_url, queue_url(redis_url)), production_transport()
        sealer = Sealer([Fernet.generate_key().decode()])
        accounts = MerchantClients(settings, sealer, transport, ledger.tokens, ledger.merchants.get)
        shop = MerchantWorkers(ledger, history, stub, sealer, accounts, settings)
        await (ledger.merchants.ensure("default") if "IMP_KEY" in environ else shop.put())
        yield shop
        await accounts.close()
        await ledger.close()
