"""The delivery lanes: claim due deliveries of an endpoint, and settle each with the result of its attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, cast

import structlog

from ledger import attempt_rows, endpoint_rows
from ledger.bodies import stored_body
from ledger.cells import Cells, by
from ledger.endpoint_rows import filters
from ledger.group_commit import GroupCommit
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Lease
from ledger.places import SharedPlaces
from ledger.rows import paired
from ledger.scripting import Argument
from ledger.store import Store
from runtime.repeated_lines import Repeats
from schemas.endpoints.delivery import Attempt, Dead, Delivered, Disable, Hold, Retry, Verdict
from schemas.endpoints.delivery_id import event_and_endpoint
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import EndpointEvent
from schemas.endpoints.health import EndpointHealth, enabled, probe_capacity
from schemas.endpoints.places import FIRST, Answer
from schemas.outbox.codec import pack
from schemas.outbox.of_endpoint import of_attempt, of_endpoint_event
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason, dump

log = structlog.get_logger()

Settled = Literal["ok", "was_failing", "lost"]
"""``was_failing``: settled, and the endpoint had failed before. ``lost``: the lease had ended; nothing is written."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One callback to send, with ``attempts`` of its schedule used up. When it was claimed, ``in_flight`` callbacks to
    the endpoint were under way, this one among them. ``webhook_at`` is when the webhook came that led to its event
    (UNIX seconds; None if none did). Its attempts continue the span ``traceparent``, "" if it is not traced."""

    lease: Lease
    event: str
    type: str
    imp_uid: str
    callback: CallbackBody
    attempts: int
    replay: bool
    in_flight: int
    webhook_at: float | None
    traceparent: str

    @property
    def body(self) -> bytes:
        """The event's recorded body: the same bytes at every attempt."""
        return self.callback.full

    @property
    def id(self) -> str:
        """The delivery's id: ``{event id}.{endpoint id}``."""
        return self.lease.member


@dataclass(frozen=True, slots=True)
class ClaimedDeliveries:
    """The result of a claim: the endpoint as it is now (None if nothing is claimed), and as many deliveries as its
    limits allow."""

    lane: Lane
    endpoint: Endpoint | None
    deliveries: tuple[ClaimedDelivery, ...]


class DeliveryLane:
    """Claim due deliveries, and settle them by what their endpoints answered."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._settles: GroupCommit[_Result, bytes] = GroupCommit(self._settle_all, most=200)
        self._places = SharedPlaces()
        self._failed_claims = Repeats()
        self._most: Callable[[], int] = lambda: 0
        self._take: Callable[[ClaimedDeliveries], None] = lambda _: None

    def pass_to(self, take: Callable[[ClaimedDeliveries], None], most: Callable[[], int]) -> None:
        """From now on, a commit of this process also claims what is due in the lanes that it fills, and ``take`` is
        called with each claim; it returns at once. ``most`` says how many deliveries of an endpoint it takes now.
        Otherwise the lanes are kicked, and another call claims them."""
        self._take, self._most = take, most

    def claim_of_commit(self) -> tuple[Argument, ...]:
        """What a commit may claim, as the script's arguments."""
        return (self._most(), LEASE_MS, FIRST)

    def pass_on(self, cell: int, claims: Sequence[Any], objects: Sequence[bytes], failed: Sequence[bytes]) -> None:
        """Pass on what a commit has claimed, and log which lanes failed (lane, error, …). The commit itself is done,
        whatever is wrong with an endpoint or a delivery."""
        for claim in claims:
            lane = claim[0].decode()
            try:
                self._take(self._read(Lane.of(lane, cell), claim, objects))
            except Exception:
                log.exception("claim_crashed", lane=lane, hint="what it has claimed is due again when its leases end")
        texts = [text.decode(errors="replace") for text in failed]
        for lane, error in zip(texts[::2], texts[1::2], strict=True):
            if (times := self._failed_claims.times(f"{lane}: {error}")) is not None:
                log.warning("claim_failed", lane=lane, error=error, times=times, hint="the lane is kicked instead")

    async def claim(self, lane: Lane, limit: int = 100) -> ClaimedDeliveries:
        """Lease due deliveries of an endpoint, as many as its capacity allows. Raises `LedgerUnavailable`."""
        claim, objects = await self._cells[lane.cell].run_and_kick(
            "claim_deliveries", str(lane), limit, LEASE_MS, FIRST
        )
        return self._read(lane, claim, objects)

    def _read(self, lane: Lane, claim: Sequence[Any], objects: Sequence[bytes]) -> ClaimedDeliveries:
        """A claim as the scripts return it (``ledger/scripts/shared/claiming.lua``)."""
        _, token, flat, rows, in_flight = claim
        if not rows:
            return ClaimedDeliveries(lane, None, ())
        self._cells.learn(lane.name, lane.cell)
        fields = paired(flat)
        self._places.read(lane.name, fields)
        claimed = tuple(
            ClaimedDelivery(
                Lease(lane, delivery.decode(), int(token)), event.decode(), kind.decode(), imp_uid.decode(),
                stored_body(text, objects, place), int(attempts), replay == b"1", in_flight,
                int(webhook_at) / 1000 if webhook_at else None, trace.decode(),
            )
            for delivery, event, attempts, replay, imp_uid, kind, text, place, webhook_at, trace in rows
        )  # fmt: skip
        return ClaimedDeliveries(lane, endpoint_rows.load(fields), claimed)

    def answered(self, delivery: ClaimedDelivery, answer: Answer) -> None:
        """Let the endpoint's places learn from an answer. They are written when a delivery to the endpoint, this or
        another, is settled next."""
        self._places.answered(delivery.lease.lane.name, delivery.lease.token, answer)

    async def settle(self, lease: Lease, verdict: Verdict, attempts: Sequence[Attempt] = ()) -> Settled:
        """Write the result of a delivery after these attempts, all but the last of which have failed.

        Raises `LedgerUnavailable`.
        """
        answer = await self._settles.add(_Result(lease.lane, _settle_args(lease, verdict, attempts)))
        return cast(Settled, answer.decode())

    async def note_health(
        self,
        endpoint: str,
        before: EndpointHealth,
        after: EndpointHealth,
        event: EndpointEvent | None = None,
        disabled: Reason | None = None,
    ) -> bool:
        """Replace an endpoint's health; False if it was replaced since ``before`` was read. In the same step
        ``event`` is recorded and delivered to its subscribers, and the endpoint is ``disabled`` for the reason given.

        Raises `LedgerUnavailable`.
        """
        announced: tuple[Argument, ...] = ("", "", "", b"", b"")
        if event is not None:
            entry = pack(of_endpoint_event(event.id, event.type, event.body, about=endpoint))
            announced = (event.id, event.type, filters(event.type), event.body, entry)
        store = await self._store_of(endpoint)
        answer = await store.run_and_kick(
            "note_health",
            endpoint,
            endpoint_rows.dump_health(before),
            endpoint_rows.dump_health(after),
            endpoint_rows.dump_health(enabled(after)),
            round(after.open_until * 1000),
            probe_capacity(after) or "",
            b"" if disabled is None else dump(disabled),
            *announced,
        )
        return bool(answer == b"noted")

    async def health(self, endpoint: str) -> tuple[EndpointHealth, float, int]:
        """An endpoint's health, Redis' time in UNIX seconds, and the first fencing token whose attempts count: older
        ones were claimed before it was enabled or changed. Raises `LedgerUnavailable`."""
        now, health, fresh_from = await (await self._store_of(endpoint)).run("read_health", endpoint)
        return endpoint_rows.load_health(health), int(now) / 1000, fresh_from

    async def _store_of(self, endpoint: str) -> Store:
        """The cell of an endpoint; any cell if there is no such endpoint."""
        return await self._cells.of_endpoint(endpoint) or self._cells[0]

    async def _settle_all(self, results: Sequence[_Result]) -> Sequence[bytes | Exception]:
        changes = {
            store: self._places.changes({result.lane.name for result in mine})
            for store, mine in by(results, self._cell).items()
        }

        def pack(mine: Sequence[_Result]) -> list[Argument]:
            of_places = changes[self._cell(mine[0])]
            written = (result.args for result in mine)
            return [len(mine), *chain(*written), len(of_places), *chain(*(change.args() for change in of_places))]

        def read(store: Store, answer: Any) -> Sequence[bytes]:
            answers, places = answer
            self._places.written(changes[store], places)
            return list(answers)

        return await self._cells.spread("settle_deliveries", results, self._cell, pack, read=read)

    def _cell(self, result: _Result) -> Store:
        return self._cells[result.lane.cell]


class _Result(NamedTuple):
    """The lane of a delivery, and its result as the script's arguments."""

    lane: Lane
    args: list[Argument]


def _settle_args(lease: Lease, verdict: Verdict, attempts: Sequence[Attempt]) -> list[Argument]:
    event, endpoint = event_and_endpoint(lease.member)
    written = chain.from_iterable(
        (attempt_rows.dump(attempt), pack(of_attempt(attempt, event, endpoint))) for attempt in attempts
    )
    return [str(lease.lane), lease.member, lease.token, *_verdict(verdict), len(attempts), *written]


def _verdict(verdict: Verdict) -> tuple[Argument, Argument, Argument, Argument]:
    """Its name, wait (ms), stored reason and the lane's wait (ms)."""
    match verdict:
        case Delivered():
            return "delivered", "", "", ""
        case Retry(at_in, reason, lane_wait):
            return "again", round(at_in * 1000), dump(reason), _ms(lane_wait)
        case Dead(reason, lane_wait):
            return "dead", "", dump(reason), _ms(lane_wait)
        case Disable(reason):
            return "disable", "", dump(reason), ""
        case Hold(reason):
            return "hold", _HELD_FOR_MS, dump(reason), ""


_HELD_FOR_MS = 60_000


def _ms(seconds: float | None) -> Argument:
    return "" if seconds is None else round(seconds * 1000)
