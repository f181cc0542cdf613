"""What an entry of the outbox says: one thing that the ledger has written, as it is after that.

Times are in ms, Redis' time, as the script that wrote it knows them. Amounts are decimal numbers as text, in the
currency's major unit, digit for digit as i'mport wrote them. `reason` and `error` are reasons as JSON, put into words
by whoever shows them. Objects and bodies are as `schemas.compression` stores them.

`revision` grows with every change of a thing, in a ledger that was begun anew, too: the greater one wins, whichever
comes first. What has none never changes: the first one stays.

A script that makes an entry of its own writes fields by name, and may leave out those that have a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook as it came (what it says is a claim), and once more when it is settled, with what became of it: the
    first `outcome` stays. `extra` is a JSON object of what else its body held, or ""."""

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
    has to be looked at unasked: None for one that is settled. `silent`: none of its events was delivered; `hidden`: it
    is of a test channel, and does not exist for its merchant.

    `payer` is what the buyer typed, for searching; `contradicts` a JSON list of event ids; `record` the ledger's own
    facts and requests, which history only keeps and gives back. `erased_at` says that a buyer was forgotten.
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
    """i'mport's object as one look found it, where it is too long to stand in each of the look's events."""

    merchant: str
    imp_uid: str
    revision: int
    object: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `body` is the callback's very bytes; where `object_revision` is given, without i'mport's object, which
    is the `SharedObject` of that revision. `about` is the endpoint that an `endpoint.*` event is about; `sandbox`
    says that the payment is of a test channel.

    What follows `about` is said by the body, too, and stands here for lists and sums; `happened_at` is the fact's time,
    `detail` the body's, as JSON.
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
    """An event on its way to an endpoint. `state` is pending, delivered, dead or discarded; that one is held follows
    from its endpoint, which is disabled. `attempts` counts them; `replay` is the replay that queued it."""

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
        """How operators call it."""
        return f"{self.event}.{self.endpoint}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery: the `number`-th, 1 for the first. `response` is the first part of the answer's body."""

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
    """What a merchant expects to be paid for an order; any currency where it is None."""

    merchant: str
    merchant_uid: str
    amount: str
    currency: str | None = None
    changed_at: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay, or one of its parts, from 0 on, and how far it is; `row` is the ledger's own."""

    id: str
    state: str = "running"
    created_at: int = 0
    changed_at: int = 0
    row: bytes = field(default=b"", repr=False)
    revision: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A reconciliation and how far it is; `row` is the ledger's own."""

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
    """A buyer of this payment is forgotten: what history holds of it is blanked. `record` replaces the payment's where
    that is damaged."""

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
