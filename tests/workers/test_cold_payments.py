"""From which sequence on a payment counts that neither ledger nor history knows."""

from __future__ import annotations

import pytest

from schemas.payments.decide import Record
from tests.support.ledger_driver import THEN, paid
from workers.cold_payments import LARGEST_SKEW, counted

LOST_AT = THEN - 3600


@pytest.mark.parametrize(
    ("began_at", "sequence"),
    [
        (LOST_AT - 86_400, LOST_AT),
        (LOST_AT + int(LARGEST_SKEW), LOST_AT),
        (LOST_AT + int(LARGEST_SKEW) + 1, 0),
        (0, LOST_AT),
    ],
)
def test_a_payment_that_began_after_a_loss_counts_from_one(began_at: int, sequence: int) -> None:
    """Whatever was lost can have announced nothing of it; of any older one it can, and of one that shows no time."""
    shown = paid("imp_1", paid_at=began_at, started_at=began_at)
    assert counted(Record("default", "imp_1", sequence=LOST_AT), shown).sequence == sequence


def test_a_known_payment_goes_on() -> None:
    """Its sequence is what its events have come to."""
    known = Record("default", "imp_1", sequence=LOST_AT + 2, version=1)
    assert counted(known, paid("imp_1", started_at=THEN)) is known
