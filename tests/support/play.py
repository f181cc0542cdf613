"""A payment played by hand: what i'mport shows changes, time passes, looks are made, operators act."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from schemas import wire
from schemas.payments import cancel_steps
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change, Policy, Record, decide, record_request, reject_request
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import ExpectedAmount
from schemas.payments.snapshot import Snapshot
from tests.support.payments import ACCOUNT, IMP_UID, OPEN_POLICY, T0, deposit, entry, payment, seen

DAY = 86400


class Play:
    """One payment at i'mport and in the ledger. Every verb but `show` and `later` makes a change that is written."""

    def __init__(self, **fields: Any) -> None:
        self.now = T0
        self.fields = payment(**fields)
        self.record = Record("default", IMP_UID)
        self.policy: Policy = OPEN_POLICY
        self.escrow_changes: tuple[EscrowChange, ...] = ()
        self.bodies: list[dict[str, Any]] = []
        self.next_refresh: float | None = None

    @property
    def shown(self) -> Snapshot:
        """What a look would find now."""
        return seen(**self.fields)

    def show(self, **fields: Any) -> Play:
        """What i'mport shows from now on."""
        self.fields |= fields
        return self

    def later(self, seconds: int = 60) -> Play:
        """Time passes."""
        self.now += seconds
        return self

    def look(self, *reported: str, **fields: Any) -> Play:
        """Looks the payment up as it is now, or was where ``fields`` say so; webhooks have ``reported`` these ids."""
        self.looked(*reported, **fields)
        return self

    def looked(self, *reported: str, **fields: Any) -> Change:
        """The same; what it changed."""
        changes, self.escrow_changes = self.escrow_changes, ()
        change = decide(self.record, seen(**(self.fields | fields)), self.now, self.policy, reported, changes)
        self._write(change)
        return change

    def tell(self, *changes: EscrowChange) -> Play:
        """Verified webhooks tell of escrow changes; the next look gets them."""
        self.escrow_changes += changes
        return self

    def pay(self, **fields: Any) -> Play:
        """Approved, and looked at."""
        return self.later().show(status="paid", paid_at=self.now, **fields).look()

    def issue(self, deadline: int = T0 + DAY, **fields: Any) -> Play:
        """A virtual account is issued, and looked at."""
        return self.show(**ACCOUNT, vbank_date=deadline, vbank_issued_at=self.now, **fields).look()

    def deposit(self, amount: int, name: str) -> Play:
        """A deposit into a fixed account, not looked at."""
        rows = [*(self.fields["deposit_history"] or ()), deposit(amount, self.later().now, name)]
        paid = {"status": "paid", "paid_at": self.now} if self.fields["status"] == "ready" else {}
        return self.show(deposit_history=rows, **paid)

    def take_back(
        self, amount: Any, cancellation_id: str | None = "c1", pg_tid: str | None = None, **fields: Any
    ) -> Play:
        """Money goes back at i'mport, not looked at; `cancelled` when nothing is left."""
        at, given = self.later().now, self.fields["cancel_amount"] + amount
        rows = [*self.fields["cancel_history"], entry(amount, at, cancellation_id, pg_tid)]
        status = "cancelled" if given >= self.fields["amount"] else self.fields["status"]
        return self.show(
            **{"cancel_amount": given, "cancel_history": rows, "cancelled_at": at, "status": status} | fields
        )

    def expect(self, amount: Any, currency: str | None = None) -> Play:
        """The merchant says what it expects."""
        self.policy = replace(self.policy, expected=ExpectedAmount(Decimal(amount), currency))
        return self

    def ask(self, amount: Any, request_id: str = "r1") -> Play:
        """The merchant asks for a cancellation through the relay, and i'mport takes the request."""
        self.intend(amount, request_id)
        return self._write(cancel_steps.mark_sent(self.record, request_id, self.now, self.policy))

    def intend(self, amount: Any, request_id: str = "r1") -> Play:
        """The intent is on disk, i'mport not called yet."""
        return self._write(cancel_steps.intend(self.record, self._request(amount, request_id), self.now, self.policy))

    def note(self, amount: Any, request_id: str = "r1") -> Play:
        """The merchant tells of a cancellation that it has asked for elsewhere."""
        request = replace(self._request(amount, request_id), origin="record")
        return self._write(record_request(self.record, request, self.now, self.policy))

    def reject(self, request_id: str = "r1", reason: str | None = None) -> Play:
        """An operator closes a pending cancellation."""
        return self._write(reject_request(self.record, request_id, self.now, self.policy, reason))

    @property
    def types(self) -> list[str]:
        """The types of all events so far."""
        return [body["type"] for body in self.bodies]

    @property
    def details(self) -> list[dict[str, Any]]:
        """The details of all events so far."""
        return [body["data"]["detail"] for body in self.bodies]

    def statuses(self) -> list[str]:
        """The statuses that all events so far told."""
        return [body["data"]["status"] for body in self.bodies]

    def _request(self, amount: Any, request_id: str) -> CancellationRequest:
        return CancellationRequest(request_id, Decimal(amount), "sending", "api", self.now, "changed my mind")

    def _write(self, change: Change) -> Play:
        self.record = change.record
        self.next_refresh = change.next_refresh
        self.bodies += [wire.loads(event.body) for event in change.events]
        return self
