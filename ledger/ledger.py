"""The ledger: what is known of payments, and what is still to be done about them."""

from __future__ import annotations

from ledger.accept import Intake
from ledger.connection import connect
from ledger.deliveries import Deliveries
from ledger.delivery_lane import DeliveryLane
from ledger.durability import Durability, durability
from ledger.endpoints import Endpoints
from ledger.events import Events
from ledger.heartbeats import Heartbeats
from ledger.jobs import Jobs
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Leases
from ledger.merchants import Merchants
from ledger.notifications import Notifications
from ledger.payments import Payments
from ledger.queue import Queue
from ledger.reconciliations import Reconciliations
from ledger.refresh_lane import RefreshLane
from ledger.replays import Replays
from ledger.retention import Retention
from ledger.store import Store
from ledger.tokens import TokenCache


class Ledger:
    """One ledger, seen from one event loop. Every call raises `LedgerUnavailable` when Redis cannot be relied on.

    ``intake`` accepts · ``refreshing`` and ``delivering`` are what workers live on · ``merchants`` and ``endpoints``
    are registries · ``workers`` are those that run · ``payments``, ``events``, ``deliveries``, ``notifications`` are
    read.
    """

    def __init__(self, store: Store, queue: Queue) -> None:
        self.store = store
        self.queue = queue
        self.intake = Intake(store, queue)
        self.refresh_lane = RefreshLane(store, queue)
        self.delivery_lane = DeliveryLane(store, queue)
        self.leases = Leases(store, queue)
        self.jobs = Jobs(store, queue)
        self.reconciliations = Reconciliations(store, queue, self.jobs)
        self.tokens = TokenCache(store)
        self.retention = Retention(store)
        self.merchants = Merchants(store)
        self.endpoints = Endpoints(store)
        self.payments = Payments(store)
        self.events = Events(store)
        self.deliveries = Deliveries(store)
        self.notifications = Notifications(store)
        self.replays = Replays(store, queue)
        self.heartbeats = Heartbeats(store)
        self.accept = self.intake.accept
        self.takes_webhooks = self.intake.takes_webhooks
        self.known_merchants = self.intake.known_merchants
        self.count_refusals = self.intake.count_refusals

    @classmethod
    def connect(cls, url: str, queue_url: str, *, replica_acks: int = 0, max_connections: int = 64) -> Ledger:
        """The ledger at ``url``, its kicks at ``queue_url``; nothing is connected yet. Raises `BadSetting`."""
        return cls(Store(connect(url, max_connections=max_connections), replica_acks=replica_acks), Queue(queue_url))

    async def durability(self) -> Durability:
        """How safe this Redis keeps what it is given."""
        return await durability(self.store)

    async def sweep(self, owner: str, limit: int = 500) -> list[Lane]:
        """Tell the workers of every lane with due work that they were not told of; one ``owner`` at a time does it."""
        lanes = await self.store.run("sweep", limit, owner, 2_000, LEASE_MS)
        self.queue.kick_all(lanes)
        return [Lane.parse(lane.decode()) for lane in lanes]

    async def close(self) -> None:
        """Close the connections."""
        await self.queue.close()
        await self.store.close()
