"""Writing what operators decide about one payment's cancellations."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from decimal import Decimal

from console.context import Context
from console.operations.refresh_payment import refresh_and_wait
from iamport.merchant_clients import MerchantClient
from runtime.policy import policy
from schemas.errors import IamportUnreachable, NotFound
from schemas.payments.cancellations import CancellationRequest, Origin
from schemas.payments.channels import hidden_test_payment
from schemas.payments.decide import Change, Policy, Record, left_to_cancel
from schemas.payments.snapshot import IMP_UID


class PaymentWriter:
    """Reads and changes the record of one payment."""

    def __init__(self, context: Context, merchant: str, imp_uid: str, since: float) -> None:
        self._context = context
        self._policy = policy(context.settings, since)
        self.merchant = merchant
        self.imp_uid = imp_uid

    @classmethod
    async def open(cls, context: Context, merchant: str, imp_uid: str) -> PaymentWriter:
        """The writer of a payment. A payment that was never looked up is looked up first.

        Raises `NotFound`, `HiddenPayment` where it does not exist for the merchant, and `IamportUnreachable`.
        """
        if not IMP_UID.fullmatch(imp_uid):
            raise NotFound(f"there is no payment {imp_uid!r}")
        owner = await context.ledger.merchants.get(merchant)
        writer = cls(context, merchant, imp_uid, owner.since)
        try:
            record = await writer.record()
        except NotFound:
            if not await refresh_and_wait(context, merchant, imp_uid):
                raise IamportUnreachable(f"payment {imp_uid} was never seen, and no look came through") from None
        else:
            if (why := hidden_test_payment(record.snapshot, owner)) is not None:
                raise why
        return writer

    async def record(self) -> Record:
        """What is known of the payment now."""
        return await self._context.ledger.refresh_lane.record(self.merchant, self.imp_uid)

    async def write(self, decide: Callable[[Record, int, Policy], Change]) -> Change:
        """Decide on what is known now, and write the change. `decide` may be called more than once, and may raise."""
        now = int(await self._context.ledger.now())
        return await self._context.ledger.refresh_lane.amend(
            self.merchant, self.imp_uid, lambda record: decide(record, now, self._policy)
        )

    async def mark_dirty(self) -> None:
        """Have the payment refreshed soon."""
        await self._context.ledger.refresh_lane.mark_dirty(self.merchant, self.imp_uid)

    async def account(self) -> MerchantClient:
        """i'mport as the merchant sees it. Raises `WrongCredentials`."""
        return await self._context.accounts.get(self.merchant)


def new_request(
    record: Record, amount: Decimal | None, reason: str | None, origin: Origin, now: int
) -> CancellationRequest:
    """A new cancellation request; of everything that is left where `amount` is None."""
    identity = "can_" + base64.b32encode(secrets.token_bytes(15)).decode().lower()
    wanted = left_to_cancel(record) if amount is None else amount
    return CancellationRequest(identity, wanted, "sending", origin, now, reason)
