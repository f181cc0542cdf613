"""The ledger: everything the relay knows about payments, and everything it still has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ledger import compatibility
from ledger.accept import Intake
from ledger.access_tokens import TokenCache
from ledger.acl import AclProblem, ledger_problem
from ledger.acl_watch import AclWatch
from ledger.cells import Cells
from ledger.cold_payments import ColdPayments
from ledger.deliveries import Deliveries
from ledger.delivery_lane import DeliveryLane
from ledger.durability import Durability, durability
from ledger.endpoints import Endpoints
from ledger.erasing import Erasing
from ledger.events import Events
from ledger.heartbeats import Heartbeats
from ledger.idempotency import Idempotency
from ledger.jobs import Jobs
from ledger.keys import Lane
from ledger.kick_broker import KickBroker
from ledger.leases import Leases
from ledger.memory import Memory, memory
from ledger.merchants import Merchants
from ledger.minute_counts import Minute, minutes
from ledger.notifications import Notifications
from ledger.opening import OwnedHistory, is_open, is_open_with, open_with
from ledger.operators import Operators
from ledger.outbox import Outbox
from ledger.payments import Payments
from ledger.queue import Queue
from ledger.reconciliations import Reconciliations
from ledger.redis_connection import connect
from ledger.refresh_lane import RefreshLane
from ledger.replays import Replays
from ledger.restoring import Restoring
from ledger.retention import Retention
from ledger.rewriting import Rewriting
from ledger.stats import Stats, stats
from ledger.sweep import Sweep
from runtime.encryption import Sealer
from runtime.settings import Settings


class Ledger:
    """One ledger, used from one event loop. Its methods kick lanes themselves: callers never have to.

    Every call raises `LedgerUnavailable` when Redis is unavailable.

    ===================  ===========================================================================================
    part                 verbs
    ===================  ===========================================================================================
    ``intake``           accept a notification; check whether a merchant takes webhooks; list merchants; count refusals;
                         report a spool
    ``refresh_lane``     claim dirty payments, commit what a refresh found, postpone, hide; pause and resume a
                         merchant; mark a payment dirty; amend a record
    ``delivery_lane``    claim due deliveries, settle attempts, read and replace an endpoint's health
    ``leases``           hold, renew, drop, release what this process has claimed
    ``jobs``             schedule, claim, settle long work in steps
    ``reconciliations``  begin, save, read runs; mark what differs; count what was repaired and which webhooks were lost
    ``replays``          create, take turns, queue, stop, read
    ``restoring``        put a lost ledger back from history
    ``erasing``          forget the buyer of a payment
    ``rewriting``        write a lost history again
    ``retention``        remove old payments, events and notifications
    ``cold``             put back payments that have left
    ``merchants``        put, reseal, delete, read
    ``endpoints``        create, update, enable, disable, delete, read
    ``payments``         read; expect an amount for an order
    ``events``           read
    ``deliveries``       read; retry; send and end a test
    ``notifications``    read
    ``heartbeats``       report, sign off, read workers
    ``tokens``           share i'mport's access tokens between processes
    ``outbox``           read and trim what history does not have yet; append to it
    ``idempotency``      begin and end requests that must not be carried out twice
    ``operators``        try to sign in, end a session, note and read when tokens were used
    ``acl_watch``        check whether this process may still use ledger and queue; log what is wrong
    ===================  ===========================================================================================

    ``cells`` and ``queue`` are for ledger/ itself and its tests.
    """

    def __init__(self, cells: Cells, queue: Queue) -> None:
        self.cells = cells
        self.queue = queue
        self.acl_watch = AclWatch(cells, queue)
        self.intake = Intake(cells)
        self.delivery_lane = DeliveryLane(cells)
        self.refresh_lane = RefreshLane(cells, self.delivery_lane)
        self._sweep = Sweep(cells)
        self.leases = Leases(cells, self._sweep.swept)
        self.jobs = Jobs(cells)
        self.reconciliations = Reconciliations(cells, self.jobs)
        self.outbox = Outbox(cells)
        self.retention = Retention(cells, self.outbox)
        self.cold = ColdPayments(cells)
        self.merchants = Merchants(cells)
        self.endpoints = Endpoints(cells)
        self.replays = Replays(cells)
        self.payments = Payments(cells)
        self.events = Events(cells)
        self.deliveries = Deliveries(cells, self.endpoints)
        self.notifications = Notifications(cells)
        self.heartbeats = Heartbeats(cells.shared)
        self.tokens = TokenCache(cells.shared)
        self.idempotency = Idempotency(cells.shared)
        self.operators = Operators(cells.shared)
        self.erasing = Erasing(cells, self.cold)
        self.rewriting = Rewriting(cells, self.outbox)
        self.restoring = Restoring(cells, self.intake, self.reconciliations, self.jobs)

    @classmethod
    def connect(
        cls, url: str, queue_url: str, *, cells: int = 1, replica_acks: int = 0, max_connections: int = 64
    ) -> Ledger:
        """The ledger at ``url`` with this number of cells, which sends its kicks to ``queue_url``. Nothing is connected
        yet. Raises `BadSetting`."""
        servers, queue = connect(url, max_connections=max_connections), Queue(queue_url)
        return cls(Cells(servers, queue.kick_all, cells=cells, replica_acks=replica_acks), queue)

    @classmethod
    def of(cls, settings: Settings) -> Ledger:
        """The ledger that the settings name. Raises `BadSetting`."""
        return cls.connect(
            settings.redis_url, settings.queue_url, cells=settings.cells, replica_acks=settings.replica_acks
        )

    @property
    def broker(self) -> KickBroker:
        """Dramatiq's broker, through which kicks reach the actors."""
        return self.queue.broker

    @property
    def refused(self) -> int:
        """How many unexpected errors Redis has answered this process with."""
        return self.cells.scripting.refused

    async def check_usable(self) -> None:
        """Check that Redis gives this process the rights that ledger and queue need; log it if the queue is only away.

        Raises `BadSetting` for a problem that lasts until an operator changes something.
        """
        compatibility.check_usable(await self.ledger_problem(), await self.queue_problem())

    async def begin(self, sealer: Sealer) -> str:
        """Check what a process must know before it works with a ledger and opens its sealed values: Redis is usable,
        these are the ledger's encryption keys, and this version reads its stored shapes. The first process stores a
        canary of its keys and its version. Returns the ledger's name. Raises `BadSetting`."""
        await self.check_usable()
        return await compatibility.begin(self.cells, sealer)

    async def stored_version(self) -> int | None:
        """The version of the stored shapes; None if no process has begun the ledger yet."""
        return await compatibility.stored_version(self.cells)

    async def open_with(self, history: OwnedHistory, sealer: Sealer) -> None:
        """Begin, and open the ledger if ``history`` is its own (see `ledger.opening`).

        Raises `BadSetting`, `LedgerNotOpen` and `HistoryUnavailable`.
        """
        await history.prepare()  # lists can be read even while Redis does not take writes
        await open_with(self.cells, await self.begin(sealer), history)

    async def is_open(self) -> bool:
        """Whether the ledger accepts webhooks and hands out work."""
        return await is_open(self.cells)

    async def is_open_with(self, history: OwnedHistory) -> bool:
        """Whether the ledger is open and ``history`` is its own. Raises `BadSetting` if a newer release has begun to
        store what this one cannot read, and `HistoryUnavailable`."""
        return await is_open_with(self.cells, history)

    async def now(self) -> float:
        """Redis' time in UNIX seconds."""
        return await self.cells.shared.now()

    async def ledger_problem(self) -> AclProblem | None:
        """The problem that keeps the ledger from working although Redis answers, if there is one."""
        return await ledger_problem(self.cells)

    async def queue_problem(self) -> AclProblem | None:
        """The problem that keeps kicks from being sent or fetched, if any; never raises `LedgerUnavailable`."""
        return await self.queue.problem()

    async def durability(self) -> Durability:
        """Whether this Redis is durable."""
        return await durability(self.cells)

    async def memory(self) -> Memory:
        """How full Redis is; a full Redis answers this, too."""
        return await memory(self.cells)

    async def stats(self) -> Stats:
        """How much work waits, and for how long."""
        return await stats(self.cells)

    async def minutes(self, count: int) -> tuple[Minute, ...]:
        """What happened in each of the last ``count`` minutes, the oldest first; the last one is under way."""
        return await minutes(self.cells, count)

    async def sweep(self, owner: str) -> None:
        """Kick every lane that has due work and no kick under way. Only one ``owner`` sweeps at a time."""
        await self._sweep.kick(owner)

    def offer_kicks(self, actor: str, take: Callable[[str], bool]) -> None:
        """Before this process kicks a lane of ``actor``, ask ``take`` whether it works on the lane at once itself."""
        self.queue.offer(actor, take)

    def wake(self, lane: Lane) -> None:
        """Kick the lane, as it may have more work than its last claim returned; returns at once."""
        self.queue.kick_all([lane.address])

    def hand_back(self, lanes: Iterable[str]) -> None:
        """Kick lanes again whose kicks this process has fetched but will not act on. Returns at once."""
        self.queue.kick_all(lanes)

    async def rest(self) -> None:
        """Wait until a lane may be due that the last sweep did not kick."""
        await self._sweep.rest()

    async def close(self) -> None:
        """Close the connections."""
        await self.queue.close()
        await self.cells.close()
