"""Pages of the status list and prepared amounts."""

from __future__ import annotations

import gzip
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iamport.client import Client
from schemas import wire
from schemas.errors import IamportFailing, IamportRefused, Invalid, MalformedPayment
from tests.support.iamport_stub import Asked, Stub, always, http, no, payment, well


async def test_a_page_is_asked_as_described(stub: Stub, client: Client) -> None:
    """Window, page, limit and the order of change go out; total, next and rows come back."""
    stub.reply = lambda _asked: well(
        {"total": 3, "previous": 0, "next": 2, "list": [payment("a"), 7, {"imp_uid": "b"}]}
    )
    page = await client.page(100, 200, 1)
    assert (page.total, page.next, [row["imp_uid"] for row in page.rows]) == (3, 2, ["a"])
    assert [error.imp_uid for error in page.malformed] == [None, "b"]
    assert (stub.calls[0].path, dict(stub.calls[0].query)) == (
        "/payments/status/all",
        {"from": "100", "to": "200", "page": "1", "limit": "1000", "sorting": "updated"},
    )


async def test_a_compressed_page_is_read(stub: Stub, client: Client) -> None:
    """gzip is what is offered; ``body_bytes`` is what the page takes unpacked."""
    body = wire.dumps({"code": 0, "message": None, "response": {"total": 1, "next": 0, "list": [payment("a")]}})
    stub.reply = lambda _asked: http(200, gzip.compress(body), {"content-encoding": "gzip"})
    page = await client.page(0, 1, 1)
    assert ([row["imp_uid"] for row in page.rows], page.body_bytes) == (["a"], len(body))
    assert stub.calls[0].headers["accept-encoding"] == "gzip, deflate"


async def test_no_redirect_is_followed(stub: Stub, client: Client) -> None:
    """A token goes to i'mport's address and no other, however politely that asks."""
    elsewhere = Stub()
    await elsewhere.start()
    for status in (301, 302, 307, 308):
        location = {"location": f"{elsewhere.url}/payments/status/all"}
        stub.reply = always(http(status, {"code": 0, "message": None, "response": None}, location))
        with pytest.raises(IamportFailing):
            await client.page(0, 1, 1)
        with pytest.raises(IamportFailing):
            await client.cancel("a", {})
    assert elsewhere.asked == []
    await elsewhere.stop()


async def test_a_token_that_ends_between_pages_is_replaced(stub: Stub, client: Client) -> None:
    """The page is asked for once more with the new one."""
    good = "token-1"

    def reply(asked: Asked) -> bytes:
        known = asked.headers["authorization"] == good
        return well({"total": 2, "next": 2, "list": [payment("a")]}) if known else no(401, "Unauthorized")

    stub.reply = reply
    await client.page(0, 1, 1, 1)
    good = "token-2"
    assert len((await client.page(0, 1, 2, 1)).rows) == 1
    assert stub.tokens_given == 2


async def test_past_the_end_is_empty(stub: Stub, client: Client) -> None:
    """i'mport's 400 for a page past the end is an empty page."""
    stub.reply = lambda _asked: no(400)
    assert (await client.page(0, 1, 9)).rows == ()


async def test_a_first_page_that_is_turned_down_says_so(stub: Stub, client: Client) -> None:
    """A 400 to the first page may mean an empty list or a refusal, so the page says that it was turned down."""
    stub.reply = lambda _asked: no(400, "what window?")
    page = await client.page(0, 1, 1)
    assert (page.rows, page.turned_down) == ((), True)
    assert not (await client.page(0, 1, 2)).turned_down


async def test_a_list_that_is_refused_is_an_error(stub: Stub, client: Client) -> None:
    """Whatever else i'mport says no with is no page."""
    stub.reply = lambda _asked: no(200, "what window?")
    with pytest.raises(IamportRefused, match="what window"):
        await client.page(0, 1, 1)


@pytest.mark.parametrize("rows", [{"list": []}, {"list": None}, {}])
async def test_a_window_without_payments_says_so_in_its_total(
    stub: Stub, client: Client, rows: dict[str, object]
) -> None:
    """A total of 0 is an empty page; its list need not be there (``list`` is optional in i'mport's description)."""
    stub.reply = lambda _asked: well({"total": 0, "previous": 0, "next": 0, **rows})
    page = await client.page(0, 1, 1)
    assert (page.total, page.next, page.rows, page.malformed) == (0, 0, (), ())


@pytest.mark.parametrize("answer", [well(None), well([]), well({"list": None, "total": 1}), http(400, b"<html>")])
async def test_no_page_is_trouble(stub: Stub, client: Client, answer: bytes) -> None:
    """What is not a page is never taken for an empty one."""
    stub.reply = lambda _asked: answer
    with pytest.raises(IamportFailing):
        await client.page(0, 1, 1)


@pytest.mark.parametrize(("since", "until", "page", "limit"), [(1, 0, 1, 1), (0, 90 * 86400 + 1, 1, 1), (0, 1, 0, 1)])
async def test_windows_are_checked(client: Client, since: int, until: int, page: int, limit: int) -> None:
    """More than 90 days, a window that ends before it begins and page 0 are our own mistakes."""
    with pytest.raises(Invalid):
        await client.page(since, until, page, limit)


async def test_a_prepared_amount(stub: Stub, client: Client) -> None:
    """What was registered beforehand comes back as it is; 404 is None."""
    stub.reply = lambda _asked: well({"merchant_uid": "order 1/2", "amount": 100, "currency": "KRW"})
    assert await client.prepared("order 1/2") == {"merchant_uid": "order 1/2", "amount": 100, "currency": "KRW"}
    assert stub.calls[0].target == "/payments/prepare/order%201%2F2"
    stub.reply = lambda _asked: no(404)
    assert await client.prepared("order 3") is None


async def test_another_order_s_amount_is_not_believed(stub: Stub, client: Client) -> None:
    """An answer about another order is trouble of this order alone."""
    stub.reply = lambda _asked: well({"merchant_uid": "other", "amount": 100})
    with pytest.raises(MalformedPayment):
        await client.prepared("order 1")


@pytest.mark.parametrize("row", [{"amount": "100"}, {"amount": True}, {"amount": [1]}, {"amount": 1, "currency": 410}])
async def test_a_prepared_amount_is_a_number_in_a_currency(stub: Stub, client: Client, row: dict[str, object]) -> None:
    """What could only be guessed at is not taken for "nothing was registered"."""
    stub.reply = lambda _asked: well(row)
    with pytest.raises(MalformedPayment):
        await client.prepared("order 1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(merchant_uid=st.text(max_size=40))
async def test_no_order_number_leaves_its_path(stub: Stub, client: Client, merchant_uid: str) -> None:
    """Whatever an order number holds, it arrives as one part of the path, or nothing is sent."""
    stub.asked.clear()
    stub.reply = lambda _asked: no(404)
    assert await client.prepared(merchant_uid) is None
    for asked in stub.calls:
        assert asked.target.count("/") == 3
        assert unquote(asked.target) == f"/payments/prepare/{merchant_uid}"
