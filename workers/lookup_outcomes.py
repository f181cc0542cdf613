"""The outcome of one look-up for each of its payments."""

from __future__ import annotations

from iamport.merchant_clients import MerchantCredentials
from iamport.responses import LookupResult
from ledger.offload import offload
from ledger.refresh_lane import ClaimedPayments
from schemas.errors import MalformedPayment, RelayError
from schemas.payments.channels import hidden_test_payment
from schemas.payments.decide import Record
from schemas.payments.snapshot import Snapshot, history_rows

LookupOutcome = Snapshot | RelayError | None
"""A payment's snapshot, the error that stands in its place, or None if i'mport does not know the payment."""


async def outcomes_of(
    claimed: ClaimedPayments, answer: LookupResult, merchant: MerchantCredentials
) -> dict[str, LookupOutcome]:
    """The outcome of the look-up for each claimed payment, by imp_uid."""
    return {
        one.record.imp_uid: await offload(
            _outcome_of, one.record, answer, merchant, rows=history_rows(answer.found.get(one.record.imp_uid, {}))
        )
        for one in claimed.payments
    }


def _outcome_of(record: Record, answer: LookupResult, merchant: MerchantCredentials) -> LookupOutcome:
    imp_uid = record.imp_uid
    # A payment once known as a test payment stays one, even if i'mport leaves it out or its object is unreadable now.
    if (hidden := hidden_test_payment(record.snapshot, merchant)) is not None:
        return hidden
    if imp_uid in answer.unknown:
        return None
    error = answer.malformed.get(imp_uid) or answer.failed.get(imp_uid)
    if error is not None:
        return error
    try:
        snapshot = Snapshot.parse(answer.found[imp_uid])
    except MalformedPayment as malformed:
        return malformed
    return hidden_test_payment(snapshot, merchant) or snapshot
