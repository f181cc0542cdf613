"""Write operators' decisions about the cancellations of one payment."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from decimal import Decimal

from console.context import Context
from console.operations.refresh_payment import refresh_and_wait
from iamport.merchant_clients import MerchantClient
from runtime.refresh_policy import policy
from schemas.errors import HistoryUnavailable, IamportUnreachable, NotFound
from schemas.payments.cancellations import CancellationRequest, Origin
from schemas.payments.channels import hidden_test_payment
from schemas.payments.decide import Change, Policy, Record, left_to_cancel
from schemas.payments.snapshot import IMP_UID
from schemas.reasons import Reason


class PaymentWriter:
    """Reads and changes the record of one payment."""

    def __init__(self, context: Context, merchant: str, imp_uid: str, since: float) -> None:
        self._context = context
        self._policy = policy(context.settings, since)
        self.merchant = merchant
        self.imp_uid = imp_uid

    @classmethod
    async def open(cls, context: Context, merchant: str, imp_uid: str) -> PaymentWriter:
        """The writer of a payment. A payment that has left the ledger is put back first; a payment that was never
        looked up is looked up first.

        Raises `NotFound`, `HiddenPayment` if the payment does not exist for the merchant, `IamportUnreachable`, and
        `HistoryUnavailable` if only history can know the payment.
        """
        if not IMP_UID.fullmatch(imp_uid):
            raise NotFound(Reason.of("not_found", kind="payment", id=imp_uid))
        owner = await context.ledger.merchants.get(merchant)
        writer = cls(context, merchant, imp_uid, owner.since)
        away = await writer._put_back()
        try:
            record = await writer.record()
        except NotFound:
            if not await refresh_and_wait(context, merchant, imp_uid):
                raise away or IamportUnreachable(Reason.of("payment_never_seen", imp_uid=imp_uid)) from None
        else:
            if (why := hidden_test_payment(record.snapshot, owner)) is not None:
                raise why
        return writer

    async def _put_back(self) -> HistoryUnavailable | None:
        """Put the payment back if it has left the ledger. Returns the error if history is away instead of raising it: a
        new payment does not need history, and a refresh shows whether it is new."""
        try:
            await self._context.ledger.cold.fetch(self._context.history.whole_payments, [(self.merchant, self.imp_uid)])
        except HistoryUnavailable as error:
            return error
        return None

    async def record(self) -> Record:
        """The payment's record as it is now."""
        return await self._context.ledger.refresh_lane.record(self.merchant, self.imp_uid)

    async def write(self, decide: Callable[[Record, int, Policy], Change]) -> Change:
        """Decide from the record, and write the change. `decide` may be called more than once, and may raise."""
        now = int(await self._context.ledger.now())
        return await self._context.ledger.refresh_lane.amend(
            self.merchant, self.imp_uid, lambda record: decide(record, now, self._policy)
        )

    async def mark_dirty(self) -> None:
        """Have the payment refreshed soon."""
        await self._context.ledger.refresh_lane.mark_dirty(self.merchant, self.imp_uid)

    async def account(self) -> MerchantClient:
        """The merchant's client of i'mport. Raises `WrongCredentials`."""
        return await self._context.accounts.get(self.merchant)


def new_request(
    record: Record, amount: Decimal | None, reason: str | None, origin: Origin, now: int
) -> CancellationRequest:
    """A new cancellation request; of everything that is left if `amount` is None."""
    identity = "can_" + base64.b32encode(secrets.token_bytes(15)).decode().lower()
    wanted = left_to_cancel(record) if amount is None else amount
    return CancellationRequest(identity, wanted, "sending", origin, now, reason)
