"""A ledger as plain Python: what the real one must agree with, whatever receivers and workers do to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from ledger.leases import Lease
from ledger.refresh_lane import ClaimedPayment
from schemas.payments.decide import Change, Record


@dataclass
class Webhook:
    """An accepted notification: which payment, when it came (by count), what became of it."""

    imp_uid: str
    at: int
    outcome: str = "pending"


@dataclass
class Sending:
    """A delivery at one endpoint."""

    imp_uid: str
    sequence: int
    endpoint: str
    state: str = "pending"
    retried: bool = False
    """An operator asked for it: it goes out of order, and past its endpoint's room."""


@dataclass
class Model:
    """Payments, webhooks, deliveries and who holds what; ``clock`` only counts what happens."""

    records: dict[str, Record] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    deliveries: dict[str, Sending] = field(default_factory=dict)
    holders: dict[tuple[Lane, str], int] = field(default_factory=dict)
    ended: set[tuple[Lane, str]] = field(default_factory=set)
    claimed_at: dict[int, int] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    fresh_from: dict[str, int] = field(default_factory=dict)
    clock: int = 0

    def record(self, imp_uid: str) -> Record:
        return self.records.get(imp_uid, Record("default", imp_uid))

    def accept(self, identity: str, imp_uid: str) -> None:
        self.clock += 1
        self.webhooks.setdefault(identity, Webhook(imp_uid, self.clock))

    def begin_claim(self, *lanes: Lane) -> None:
        """A claim finds the leases that have ended."""
        self.clock += 1
        for place in [place for place in self.ended if place[0] in lanes]:
            self.ended.discard(place)
            del self.holders[place]

    def claim(self, lease: Lease) -> None:
        """A lease that nobody else may have."""
        place = (lease.lane, lease.member)
        assert place not in self.holders, f"{place} is in other hands"
        self.holders[place] = lease.token
        self.claimed_at[lease.token] = self.clock

    def holds(self, lease: Lease) -> bool:
        return self.holders.get((lease.lane, lease.member)) == lease.token

    def is_alive(self, lease: Lease) -> bool:
        return self.holds(lease) and (lease.lane, lease.member) not in self.ended

    def release(self, lease: Lease) -> bool:
        """Whether the lease was still held; it is not any more."""
        if not self.holds(lease):
            return False
        del self.holders[lease.lane, lease.member]
        self.ended.discard((lease.lane, lease.member))
        return True

    def end(self, lease: Lease) -> None:
        """The lease's time is over; it counts until somebody claims."""
        if self.holds(lease):
            self.ended.add((lease.lane, lease.member))

    def renew(self, lease: Lease) -> None:
        if self.holds(lease):
            self.ended.discard((lease.lane, lease.member))

    def end_all(self) -> None:
        self.ended |= self.holders.keys()

    def write(self, change: Change, endpoints: dict[str, bool]) -> None:
        """A commit's record and deliveries."""
        imp_uid = change.record.imp_uid
        self.records[imp_uid] = change.record
        for event in change.events:
            for name in endpoints:
                self.deliveries[f"{event.id}.{name}"] = Sending(imp_uid, event.sequence, name)

    def answer(self, claimed: ClaimedPayment, outcome: str) -> None:
        """What a look says to the webhooks that came before its claim."""
        since = self.claimed_at[claimed.lease.token]
        for webhook in self.webhooks.values():
            if (webhook.imp_uid, webhook.outcome) == (claimed.record.imp_uid, "pending") and webhook.at < since:
                webhook.outcome = outcome

    def is_anything_left(self) -> bool:
        webhooks = [webhook.outcome for webhook in self.webhooks.values()]
        return "pending" in webhooks + [one.state for one in self.deliveries.values()]

    def may_go(self, delivery: ClaimedDelivery, ordered: bool) -> bool:
        """Whether nothing before it at this endpoint is still to come."""
        this = self.deliveries[delivery.id]
        if not ordered or this.retried:
            return this.state == "pending"
        earlier = [
            one
            for one in self.deliveries.values()
            if (one.endpoint, one.imp_uid) == (this.endpoint, this.imp_uid)
            and one.sequence < this.sequence
            and not one.retried
        ]
        return this.state == "pending" and all(one.state in ("delivered", "dead") for one in earlier)
