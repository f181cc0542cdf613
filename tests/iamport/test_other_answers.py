"""Answers about other payments than were asked for, and answers that are not what i'mport describes.

Nothing is made of the wrong payment, and what was asked for is neither found nor unknown: it is asked for again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from iamport.client import Client
from schemas.errors import IamportFailing, MalformedPayment
from tests.iamport.conftest import MakeClient
from tests.support.iamport_stub import Stub, http, payment, well


def amounts(**fields: Any) -> dict[str, Any]:
    """The payment `a` with these fields."""
    return payment("a", **fields)


async def test_a_batch_about_another_payment(stub: Stub, client: Client) -> None:
    """What it shows of what was asked for counts; what is missing may be what the wrong row stands for."""
    stub.reply = lambda _asked: well([payment("a"), payment("other"), payment("B")], 207)
    looked = await client.payments(["a", "b"])
    assert (set(looked.found), set(looked.malformed), looked.unknown) == ({"a"}, {"b"}, frozenset())
    assert looked.others == ("other", "B")
    assert "not asked for" in str(looked.malformed["b"])


async def test_a_batch_that_is_all_about_others(stub: Stub, client: Client) -> None:
    """The answer to another question makes nothing unknown."""
    stub.reply = lambda _asked: well([payment("c"), payment("d")])
    looked = await client.payments(["a", "b"])
    assert (looked.found, set(looked.malformed), looked.unknown) == ({}, {"a", "b"}, frozenset())


async def test_with_include_sandbox_others_are_passed_on_too(stub: Stub, make_client: MakeClient) -> None:
    """Single look-ups after a batch do not hide that it answered about others."""
    stub.reply = lambda asked: well([payment("other")]) if asked.path == "/payments" else well(payment("other"))
    looked = await make_client(include_sandbox=True).payments(["a"])
    assert (set(looked.malformed), looked.others) == ({"a"}, ("other",))


async def test_the_same_payment_twice(stub: Stub, client: Client) -> None:
    """Two equal rows count as one; if they differ, the payment is malformed."""
    stub.reply = lambda _asked: well([payment("a"), payment("b"), payment("a"), payment("b", status="cancelled")])
    looked = await client.payments(["a", "b"])
    assert (set(looked.found), set(looked.malformed)) == ({"a"}, {"b"})
    assert "twice" in str(looked.malformed["b"])


async def test_a_page_that_shows_a_payment_twice(stub: Stub, client: Client) -> None:
    """The same holds for a page, whose size still counts every row: paging goes by it."""
    rows = [payment("a"), payment("b"), payment("a"), payment("b", amount=5), None]
    stub.reply = lambda _asked: well({"total": 5, "previous": 0, "next": 0, "list": rows})
    page = await client.page(0, 1, 1)
    assert ([row["imp_uid"] for row in page.rows], page.size) == (["a"], 5)
    assert {error.imp_uid for error in page.malformed} == {"b", None}


@pytest.mark.parametrize("row", [payment("A"), payment("other"), None, [], [payment("a")], "a", 7, {}])
async def test_a_single_look_up_about_something_else(stub: Stub, client: Client, row: Any) -> None:
    """Another payment, another case, nothing, a list: not the payment, and not unknown either."""
    stub.reply = lambda _asked: well(row)
    with pytest.raises(MalformedPayment, match="not about a"):
        await client.payment("a")


@pytest.mark.parametrize(
    "row",
    [
        amounts(amount="1000"),
        amounts(amount=None),
        amounts(amount=True),
        amounts(amount=[1000]),
        amounts(cancel_amount="0"),
        amounts(cancel_amount=False),
        amounts(promotion={"id": "p", "discount": "10"}),
        amounts(cancel_history=[{"amount": 1}, {"amount": "500"}]),
        amounts(deposit_history=[{"amount": "500"}]),
    ],
)
async def test_amounts_are_numbers(stub: Stub, client: Client, row: dict[str, Any]) -> None:
    """An amount that is a text could only be guessed at: the payment waits, the others of its batch do not."""
    stub.reply = lambda _asked: well([row, payment("b")])
    looked = await client.payments(["a", "b"])
    assert (set(looked.found), set(looked.malformed)) == ({"b"}, {"a"})
    assert "amount" in str(looked.malformed["a"]) or "discount" in str(looked.malformed["a"])


@pytest.mark.parametrize(
    "answer",
    [
        well(None),
        well({"list": [payment("a")]}),
        well(payment("a")),
        http(200, b"<html>maintenance</html>"),
        http(200, b'{"code":0,"message":null,"response":[{"imp_uid":"a","amou'),
        http(200, b'{"code":' + b"9" * 5000 + b',"message":null,"response":[]}'),
        http(404, {"code": 0, "message": None, "response": [payment("a")]}),
    ],
)
async def test_no_batch_at_all(stub: Stub, client: Client, answer: bytes) -> None:
    """Nothing, an object, a page, half an answer, a code without end, a 404 with payments: i'mport is failing."""
    stub.reply = lambda _asked: answer
    with pytest.raises(IamportFailing, match="i'mport"):
        await client.payments(["a"])


@pytest.mark.parametrize(
    "response", [[payment("a")], {"list": [payment("a")], "total": "1"}, {"list": [], "total": Decimal(10**30)}]
)
async def test_no_page_at_all(stub: Stub, client: Client, response: Any) -> None:
    """Payments without a page around them, or a total that is no count: nothing of its window counts as compared."""
    stub.reply = lambda _asked: well(response)
    with pytest.raises(IamportFailing, match="not a page"):
        await client.page(0, 1, 1)
