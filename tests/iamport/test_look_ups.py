"""Look-ups: every answer of i'mport has one meaning."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal

import pytest

from iamport.client import Client
from schemas.errors import (
    IamportError,
    IamportFailing,
    IamportRefused,
    IamportUnreachable,
    Invalid,
    MalformedPayment,
    TooMuchAsked,
)
from tests.iamport.conftest import MakeClient
from tests.support.iamport_stub import Asked, Stub, always, http, no, payment, well


async def test_a_batch_is_one_call(stub: Stub, client: Client) -> None:
    """A hundred payments are asked for in one call, in i'mport's spelling."""
    stub.reply = lambda asked: well([payment(imp_uid) for imp_uid in asked.imp_uids])
    ids = [f"imp_{n}" for n in range(100)]
    looked = await client.payments([*ids, "imp_0"])
    assert list(looked.found) == ids
    assert [asked.imp_uids for asked in stub.calls] == [ids]


async def test_nothing_asked_is_no_call(stub: Stub, client: Client) -> None:
    """An empty batch sends no request."""
    assert (await client.payments([])).found == {}
    assert stub.asked == []


async def test_207_names_the_unknown_ones(stub: Stub, client: Client) -> None:
    """What a 207 leaves out is unknown, the rest is found."""
    stub.reply = lambda _asked: well([payment("a")], 207)
    looked = await client.payments(["a", "b"])
    assert (set(looked.found), set(looked.unknown)) == ({"a"}, {"b"})


async def test_404_says_none_was_found(stub: Stub, client: Client) -> None:
    """i'mport's 404 to a batch makes each of it unknown; to a single look-up it is None."""
    stub.reply = lambda _asked: no(404)
    assert (await client.payments(["a", "b"])).unknown == {"a", "b"}
    assert await client.payment("a") is None


async def test_404_of_a_proxy_says_nothing(stub: Stub, client: Client) -> None:
    """A 404 page that is not i'mport's never makes a payment unknown."""
    stub.reply = lambda _asked: http(404, b"<html>not found</html>")
    with pytest.raises(IamportFailing):
        await client.payments(["a"])
    with pytest.raises(IamportFailing):
        await client.payment("a")


async def test_one_bad_row_harms_no_other(stub: Stub, client: Client) -> None:
    """Rows without status or amount are malformed alone; a row that was not asked for is ignored."""
    bad = payment("bad")
    del bad["status"]
    stub.reply = lambda _asked: well([payment("a"), bad, payment("b", amount="12"), payment("never_asked")])
    looked = await client.payments(["a", "bad", "b"])
    assert set(looked.found) == {"a"}
    assert set(looked.malformed) == {"bad", "b"}
    assert looked.unknown == frozenset()
    assert looked.malformed["bad"].imp_uid == "bad"


@pytest.mark.parametrize("row", [None, 7, [], {}, {"imp_uid": 7}, {"imp_uid": "../x"}, {"imp_uid": "x" * 33}])
async def test_a_nameless_row_makes_nothing_unknown(stub: Stub, client: Client, row: object) -> None:
    """A row that could be any payment's keeps those that are missing from being called unknown."""
    stub.reply = lambda _asked: well([payment("a"), row], 207)
    looked = await client.payments(["a", "b"])
    assert (set(looked.found), set(looked.malformed), set(looked.unknown)) == ({"a"}, {"b"}, set())


async def test_money_stays_as_written(stub: Stub, client: Client) -> None:
    """Amounts come out digit for digit."""
    body = b'{"code":0,"message":null,"response":{"imp_uid":"a","status":"paid","amount":10.10,"cancel_amount":0}}'
    stub.reply = lambda _asked: http(200, body)
    found = await client.payment("a")
    assert found is not None
    assert str(found["amount"]) == "10.10"
    assert isinstance(found["amount"], Decimal)


def compressed(size: int, times: int = 1) -> bytes:
    """So many zeros, which make a short body; in the test that needs them, as this takes a second."""
    body = bytes(size)
    for _ in range(times):
        body = gzip.compress(body)
    return body


TROUBLE = [
    (http(500, b"oops"), IamportFailing),
    (no(502), IamportFailing),
    (http(302, b"", {"location": "/elsewhere"}), IamportFailing),
    (http(200, b"<html>maintenance</html>"), IamportFailing),
    (http(200, b""), IamportFailing),
    (http(200, b"\xff\xfe"), IamportFailing),
    (http(200, b"[" * 100_000), IamportFailing),
    (http(200, [1]), IamportFailing),
    (http(200, {"response": []}), IamportFailing),
    (http(200, {"code": "0", "response": []}), IamportFailing),
    (http(200, {"code": False, "response": []}), IamportFailing),
    (http(418, {"code": 0, "response": []}), IamportFailing),
    (well(None), IamportFailing),
    (well({"a": 1}), IamportFailing),
    (http(200, b"not gzip", {"content-encoding": "gzip"}), IamportFailing),
    (http(200, b"\x0b\x02\x80{}\x03", {"content-encoding": "br"}), IamportFailing),
    (lambda: http(200, compressed(1 << 28, times=2), {"content-encoding": "gzip, gzip"}), IamportFailing),
    (lambda: http(200, compressed(1 << 25), {"content-encoding": "gzip"}), TooMuchAsked),
    (http(413, b"too much"), TooMuchAsked),
    (http(504, b"too slow"), TooMuchAsked),
    (b"NOT HTTP\r\n\r\n", IamportFailing),
    (None, IamportFailing),
    (no(200, "no"), IamportRefused),
    (no(400, "no"), IamportRefused),
    (no(403, "no"), IamportRefused),
    (no(429), IamportUnreachable),
    (no(401), IamportUnreachable),
]


@pytest.mark.parametrize(("answer", "error"), TROUBLE)
async def test_trouble_has_its_error(
    stub: Stub, client: Client, answer: Callable[[], bytes] | bytes | None, error: type[IamportError]
) -> None:
    """Each way an answer can be wrong raises the error of the tree that says what to do."""
    stub.reply = always(answer() if callable(answer) else answer)
    with pytest.raises(IamportError) as raised:
        await client.payments(["a"])
    assert type(raised.value) is error


async def test_a_refusal_keeps_code_and_message(stub: Stub, client: Client) -> None:
    """i'mport's own words reach the caller, in one line."""
    stub.reply = lambda _asked: no(200, "이미 취소된\n거래입니다", code=1)
    with pytest.raises(IamportRefused) as raised:
        await client.payment("a")
    assert (str(raised.value), raised.value.code, raised.value.status_code) == ("이미 취소된 거래입니다", 1, 200)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("99999999", 86400.0), ("soon", None), ("-1", None)])
async def test_retry_after_is_read(stub: Stub, client: Client, value: str, seconds: float | None) -> None:
    """A 429 or 503 says how long to wait, within a day."""
    for status in (429, 503):
        stub.reply = always(http(status, b"slow down", {"retry-after": value}))
        with pytest.raises(IamportFailing) as raised:
            await client.payments(["a"])
        assert raised.value.retry_after == seconds


async def test_an_endless_answer_is_cut_off(stub: Stub, client: Client) -> None:
    """Nobody can fill the memory: an answer over 16 MiB is too much, and less may be asked for."""
    stub.reply = lambda _asked: http(200, b" " * (17 * 1024 * 1024))
    with pytest.raises(TooMuchAsked, match="longer than") as raised:
        await client.payments(["a"])
    assert not raised.value.slow


async def test_a_slow_answer_ends_in_time(stub: Stub, make_client: MakeClient) -> None:
    """The whole call has one limit."""
    stub.delay = 30.0
    with pytest.raises(TooMuchAsked, match=r"within 0\.3 s") as raised:
        await make_client(timeout=0.3).payments(["a"])
    assert raised.value.slow


async def test_a_refused_connection_is_unreachable(stub: Stub, client: Client) -> None:
    """A refused connection is known to have had no effect."""
    await stub.stop()
    with pytest.raises(IamportUnreachable):
        await client.payments(["a"])


@pytest.mark.parametrize("imp_uid", ["", "status/all", "..", "a b", "a%2Fb", "x" * 33, "한글", "a\n", "a?b"])
async def test_a_name_that_is_none_is_never_sent(stub: Stub, client: Client, imp_uid: str) -> None:
    """What is not an imp_uid cannot reach any path of i'mport's."""
    for call in (client.payment(imp_uid), client.payments([imp_uid]), client.cancel(imp_uid, {})):
        with pytest.raises(Invalid):
            await call
    assert stub.asked == []


@pytest.mark.parametrize("word", ["cancel", "find", "findAll", "prepare", "status"])
async def test_words_of_other_paths_are_no_payments(stub: Stub, client: Client, word: str) -> None:
    """An imp_uid spelled like one of i'mport's paths is unknown without a call."""
    assert await client.payment(word) is None
    assert stub.asked == []


async def test_more_than_a_hundred_are_refused(client: Client) -> None:
    """i'mport takes a hundred; more is our own mistake."""
    with pytest.raises(Invalid):
        await client.payments([f"imp_{n}" for n in range(101)])


async def test_the_wrong_payment_is_not_believed(stub: Stub, client: Client) -> None:
    """An answer about another payment is malformed."""
    stub.reply = lambda _asked: well(payment("other"))
    with pytest.raises(MalformedPayment):
        await client.payment("a")


def channels(asked: Asked) -> bytes:
    """Batches show live payments only; singly, with the flag, test payments show."""
    if asked.path == "/payments":
        live = [payment(imp_uid) for imp_uid in asked.imp_uids if imp_uid.startswith("live")]
        return well(live, 207) if live else no(404)
    imp_uid = asked.path.removeprefix("/payments/")
    if imp_uid.startswith("bad"):
        return http(500, b"oops")
    if imp_uid.startswith("test") and ("include_sandbox", "true") in asked.query:
        return well(payment(imp_uid, sandbox=True))
    return no(404)


async def test_test_channels_are_asked_singly(stub: Stub, make_client: MakeClient) -> None:
    """With include_sandbox an id is unknown only after it was asked for alone."""
    stub.reply = channels
    looked = await make_client(include_sandbox=True).payments(["live1", "test1", "made-up"])
    assert (set(looked.found), set(looked.unknown)) == ({"live1", "test1"}, {"made-up"})
    assert stub.calls[0].path == "/payments"
    assert len(stub.calls) == 3


async def test_without_include_sandbox_the_batch_is_all(stub: Stub, client: Client) -> None:
    """The flag is not sent unless the merchant wants it."""
    stub.reply = channels
    assert (await client.payments(["test1"])).unknown == {"test1"}
    assert await client.payment("test1") is None
    assert all(("include_sandbox", "true") not in asked.query for asked in stub.calls)


async def test_a_failing_single_look_spares_the_batch(stub: Stub, make_client: MakeClient) -> None:
    """One id that i'mport cannot answer is left for later; the others are found."""
    stub.reply = channels
    looked = await make_client(include_sandbox=True).payments(["live1", "bad1", "test1"])
    assert (set(looked.found), set(looked.failed)) == ({"live1", "test1"}, {"bad1"})


async def test_single_looks_stop_when_i_mport_is_down(stub: Stub, make_client: MakeClient) -> None:
    """After three failures the rest is not asked for, only reported as failed."""
    stub.reply = channels
    ids = [f"bad{n}" for n in range(100)]
    looked = await make_client(include_sandbox=True).payments(ids)
    assert set(looked.failed) == set(ids)
    assert len(stub.calls) < 20
