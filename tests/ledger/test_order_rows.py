"""What merchants expect for orders, as a ledger stores it: read, recorded again and put back as it was."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ledger import Ledger, order_rows
from schemas.outbox.entries import Order
from schemas.payments.facts import ExpectedAmount
from tests.ledger.rewriting import written_again

EXPECTED = [
    ExpectedAmount(Decimal(1000), None),
    ExpectedAmount(Decimal("1E+3"), "KRW"),
    ExpectedAmount(Decimal("0.50"), "USD"),
]


@pytest.mark.parametrize("one", EXPECTED)
def test_an_amount_is_read_as_it_was(one: ExpectedAmount) -> None:
    """Also where history had it."""
    row = order_rows.dump(one)
    assert order_rows.load(row) == one
    entry = order_rows.to_entry("shop", "order", row)
    assert entry == Order("shop", "order", f"{one.amount:f}", one.currency)
    assert order_rows.of_entry(entry) == row


def test_a_damaged_amount_is_no_amount() -> None:
    """A restore names such a row and goes on."""
    with pytest.raises(ValueError, match="no amount"):
        order_rows.of_entry(Order("shop", "order", "many"))


async def test_amounts_are_written_to_history_again_as_they_were(ledger: Ledger, tmp_path: Path) -> None:
    """Whichever way the operator wrote them."""
    await ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    for number, one in enumerate(EXPECTED):
        await ledger.payments.expect("shop", f"order_{number}", one.amount, one.currency)
    was, again = await written_again(ledger, tmp_path)
    assert len(was["order_expectation"]) == len(EXPECTED)
    assert again["order_expectation"] == was["order_expectation"]
