"""Which requests a sum of money is made up of, when that can be said at all."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from schemas.payments.cancellations import LARGEST_COMBINATION, CancellationRequest, only_combination

amounts = st.integers(1, 12).map(Decimal) | st.sampled_from([Decimal("0.10"), Decimal("2.50")])
requests = st.lists(amounts, max_size=7).map(
    lambda given: [CancellationRequest(f"r{place}", amount, "open", "record", 0) for place, amount in enumerate(given)]
)


def _ways(pending: list[CancellationRequest], amount: Decimal) -> list[set[str]]:
    """Every way to make the amount up of two or more requests."""
    return [
        {request.id for request in chosen}
        for size in range(2, len(pending) + 1)
        for chosen in combinations(pending, size)
        if sum(request.amount or 0 for request in chosen) == amount
    ]


@given(requests, amounts | st.integers(10, 40).map(Decimal))
def test_they_are_named_exactly_when_there_is_one_way(pending: list[CancellationRequest], amount: Decimal) -> None:
    """However the requests are ordered, and however the numbers are written."""
    ways = _ways(pending, amount)
    expected = ways[0] if len(ways) == 1 else set()
    for order in (pending, pending[::-1]):
        assert {request.id for request in only_combination(order, amount)} == expected
        assert {request.id for request in only_combination(order, amount * Decimal("1.00"))} == expected


@given(requests)
def test_they_come_in_the_order_they_were_asked_for(pending: list[CancellationRequest]) -> None:
    """All of them together, where no part makes up as much."""
    amount = sum((request.amount or Decimal() for request in pending), Decimal())
    assert only_combination(pending, amount) == (pending if len(pending) > 1 else [])


def test_too_many_say_nothing() -> None:
    """The ways are counted one by one, so there is an end to it."""
    pending = [
        CancellationRequest(f"r{place}", Decimal(2**place), "open", "record", 0)
        for place in range(LARGEST_COMBINATION + 1)
    ]
    assert only_combination(pending, Decimal(3)) == []
    assert only_combination(pending[:-1], Decimal(3)) == pending[:2]


def test_one_without_an_amount_could_be_any_part() -> None:
    """A reported cancellation has no amount, so no combination is certain."""
    claimed = CancellationRequest("c1", None, "open", "webhook", 0)
    pending = [
        CancellationRequest("r1", Decimal(3), "open", "record", 0),
        CancellationRequest("r2", Decimal(2), "open", "record", 0),
    ]
    assert only_combination([*pending, claimed], Decimal(5)) == []
