"""The entries of the outbox. Each holds one object of the ledger as it is after a change.

Times are in ms of Redis' clock. Amounts are decimal numbers as text, in the currency's major unit, digit for digit as
i'mport wrote them. `reason` and `error` are reasons as JSON; the code that shows them puts them into words. Objects and
bodies are stored as `schemas.compression` makes them.

`revision` grows with every change of an object, even in a ledger that was begun anew. The greater revision wins, in
whichever order entries arrive. Objects without a revision never change: the first entry stays.

A script that makes an entry of its own writes fields by name, and may leave out fields that have a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.endpoints.delivery_id import delivery_id_of


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook as it came, whose fields are unverified claims; and once more with its outcome when it is settled. The
    first `outcome` stays. `extra` is a JSON object of the body's other fields, or ""."""

    id: str
    merchant: str
    imp_uid: str
    merchant_uid: str | None = None
    status: str | None = None
    cancellation_id: str | None = None
    source: str | None = None
    verified: bool = False
    received_at: int = 0
    extra: str = field(default="", repr=False)
    outcome: str = "pending"
    reason: str | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment. `first_at` is when it was first recorded, `changed_at` when it last changed. `next_look_at` is when it
    has to be refreshed even if nothing happens to it; None if it is settled. `silent`: none of its events was
    delivered. `hidden`: it is of a test channel, and does not exist for its merchant.

    `payer` is what the buyer typed, for searching. `contradicts` is a JSON list of event ids. `record` has the ledger's
    facts and requests, which history only stores and returns. `erased_at` is set once the buyer was erased.
    """

    merchant: str
    imp_uid: str
    revision: int = 0
    merchant_uid: str = ""
    status: str = "ready"
    pay_method: str | None = None
    pg_provider: str | None = None
    sequence: int = 0
    amount: str = "0"
    cancelled_amount: str = "0"
    currency: str = ""
    first_at: int = 0
    changed_at: int = 0
    fetched_at: int | None = None
    next_look_at: int | None = None
    silent: bool = False
    hidden: bool = False
    contradicts: str = "[]"
    payer: str = field(default="", repr=False)
    snapshot: bytes = field(default=b"", repr=False)
    record: bytes = field(default=b"", repr=False)
    erased_at: int | None = None


@dataclass(frozen=True, slots=True)
class SharedObject:
    """i'mport's object of one look-up, if it is too long to be repeated in each event of that look-up."""

    merchant: str
    imp_uid: str
    revision: int
    object: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `body` has the callback's exact bytes. If `object_revision` is given, i'mport's object is missing from
    it: it is the `SharedObject` of that revision. `about` is the endpoint that an `endpoint.*` event is about.
    `sandbox`: the payment is of a test channel.

    The fields from `happened_at` to `detail` repeat values of the body, for lists and sums. `happened_at` is the fact's
    time; `detail` is JSON.
    """

    id: str
    merchant: str
    imp_uid: str
    type: str
    sequence: int = 0
    recorded_at: int = 0
    silent: bool = False
    sandbox: bool = False
    about: str | None = None
    happened_at: int | None = None
    merchant_uid: str = ""
    status: str | None = None
    amount: str | None = None
    cancelled_amount: str | None = None
    currency: str | None = None
    detail: str = field(default="{}", repr=False)
    object_revision: int | None = None
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint. `state` is pending, delivered, dead or discarded; a pending delivery counts
    as held while its endpoint is disabled. `attempts` is a number; `replay` is the replay that queued the delivery."""

    event: str
    endpoint: str
    merchant: str
    imp_uid: str
    type: str
    sequence: int = 0
    state: str = "pending"
    created_at: int = 0
    changed_at: int = 0
    next_attempt_at: int | None = None
    reason: str | None = None
    attempts: int = 0
    replay: str | None = None
    revision: int = 0

    @property
    def id(self) -> str:
        """The id that operators see."""
        return delivery_id_of(self.event, self.endpoint)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a delivery; `number` is 1 for the first. `response` is the first part of the answer's body."""

    imp_uid: str
    event: str
    endpoint: str
    number: int
    at: int
    status_code: int | None = None
    duration_ms: int = 0
    error: str | None = None
    response: str = field(default="", repr=False)
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint; `row` is the ledger's own, with sealed secrets. `state` is enabled, disabled or deleted."""

    id: str
    merchant: str
    state: str = "enabled"
    created_at: int = 0
    changed_at: int = 0
    description: str = ""
    row: bytes = field(default=b"", repr=False)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant; `row` is the ledger's own, with sealed credentials. `deleted_at` is None unless it was deleted."""

    name: str
    created_at: int = 0
    changed_at: int = 0
    deleted_at: int | None = None
    row: bytes = field(default=b"", repr=False)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """The amount that a merchant expects for an order; in any currency if that is None."""

    merchant: str
    merchant_uid: str
    amount: str
    currency: str | None = None
    changed_at: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """The progress of a replay, or of one of its parts, which are numbered from 0; `row` is the ledger's own."""

    id: str
    state: str = "running"
    created_at: int = 0
    changed_at: int = 0
    row: bytes = field(default=b"", repr=False)
    revision: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The progress of a reconciliation; `row` is the ledger's own."""

    id: str
    merchant: str
    state: str = "running"
    created_at: int = 0
    changed_at: int = 0
    row: bytes = field(default=b"", repr=False)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Audit:
    """What an operator did, or looked at; `detail` is a JSON object."""

    id: str
    at: int
    actor: str
    action: str
    object: str = ""
    detail: str = field(default="{}", repr=False)


@dataclass(frozen=True, slots=True)
class Erasure:
    """The buyer of this payment is erased: history blanks everything it holds of the buyer. `record` replaces the
    payment's record if that is damaged."""

    merchant: str
    imp_uid: str
    at: int
    record: bytes = field(default=b"", repr=False)


Entry = (
    Notification
    | Payment
    | SharedObject
    | Event
    | Delivery
    | Attempt
    | Endpoint
    | Merchant
    | Order
    | Replay
    | Reconciliation
    | Audit
    | Erasure
)
