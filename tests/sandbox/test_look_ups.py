"""The sandbox's look-ups and lists."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.sandbox.conftest import SandboxClient

DAY = 86400


async def test_a_batch_says_what_it_found(iamport: SandboxClient) -> None:
    """200 when all are found, 207 when some are not, 404 when none is, 400 over a hundred."""
    await iamport.make(imp_uid="a")
    await iamport.make(imp_uid="b")
    assert [(await iamport.batch(*ids))[0] for ids in (("a", "b"), ("a", "x"), ("x", "y"))] == [200, 207, 404]
    assert (await iamport.batch(*[f"imp_{n}" for n in range(101)]))[0] == 400
    assert (await iamport.get("/payments"))[0] == 400


async def test_only_the_single_look_up_hides_test_channels(iamport: SandboxClient) -> None:
    """Unless it is asked to include them; batch, lists and answers to cancellations show them, marked."""
    await iamport.make(imp_uid="t", sandbox=True, merchant_uid="order", status="paid", paid_at=int(time.time()))
    assert (await iamport.get("/payments/t"))[0] == 404
    assert (await iamport.get("/payments/t", include_sandbox="false"))[0] == 404
    shown = [
        (await iamport.get("/payments/t", include_sandbox="true"))[1]["response"],
        *(await iamport.batch("t"))[1]["response"],
        *(await iamport.get("/payments/status/all"))[1]["response"]["list"],
        *(await iamport.get("/payments/findAll/order"))[1]["response"]["list"],
        (await iamport.get("/payments/find/order"))[1]["response"],
        (await iamport.cancel(imp_uid="t"))["response"],
    ]
    assert [(row["imp_uid"], row["sandbox"]) for row in shown] == [("t", True)] * 6


async def test_korean_is_escaped(iamport: SandboxClient) -> None:
    """i'mport writes everything beyond ASCII as \\uXXXX, in pairs where one is not enough; it means the same."""
    await iamport.make(imp_uid="a", name="책 두 권 📚", buyer_name="홍길동")
    await iamport.get_token()
    answer = await iamport.http.get("/payments/a", headers={"authorization": iamport.token})
    assert answer.content.isascii()
    assert b"\\ucc45 \\ub450 \\uad8c \\ud83d\\udcda" in answer.content
    assert answer.json()["response"]["name"] == "책 두 권 📚"


async def test_payments_through_the_api_have_their_own_prefix(iamport: SandboxClient) -> None:
    """`imps_` for payments made through the API, `imp_` otherwise."""
    (scheduled,), (card,) = await iamport.play("scheduled"), await iamport.play("card")
    assert (scheduled["imp_uid"][:5], card["imp_uid"][:4]) == ("imps_", "imp_")
    assert not card["imp_uid"].startswith("imps_")


async def test_a_sub_merchants_payments_need_its_code(iamport: SandboxClient) -> None:
    """With the header `Tier` only its own are seen, without it only the agency's, in every call."""
    now = int(time.time())
    await iamport.make(imp_uid="agency", status="paid", paid_at=now, merchant_uid="order-agency")
    await iamport.make(imp_uid="sub", status="paid", paid_at=now, tier="SUB", merchant_uid="order-sub")
    for tier, seen, unseen in ((None, "agency", "sub"), ("SUB", "sub", "agency"), ("OTH", None, "sub")):
        iamport.http.headers.pop("tier", None)
        if tier is not None:
            iamport.http.headers["tier"] = tier
        status, answer = await iamport.batch("agency", "sub")
        expected = [seen] if seen else []
        assert (status, [row["imp_uid"] for row in answer["response"] or ()]) == (207 if seen else 404, expected)
        assert (await iamport.get(f"/payments/{unseen}"))[0] == 404
        _, answer = await iamport.get("/payments/status/all")
        assert [row["imp_uid"] for row in answer["response"]["list"]] == expected
        assert (await iamport.get(f"/payments/find/order-{unseen}"))[0] == 404
        assert (await iamport.cancel(imp_uid=unseen))["code"] != 0
        if seen:
            assert (await iamport.get(f"/payments/{seen}"))[0] == 200
            assert (await iamport.cancel(imp_uid=seen, amount=1))["code"] == 0


async def test_money_is_answered_as_written(iamport: SandboxClient) -> None:
    """Decimals come back digit for digit."""
    await iamport.make(imp_uid="a", amount=Decimal("10.10"), currency="USD")
    _, answer = await iamport.get("/payments/a")
    assert str(answer["response"]["amount"]) == "10.10"


async def test_a_window_looks_at_the_latest_status(iamport: SandboxClient) -> None:
    """`from` and `to` are about the approval of a paid payment, the start of one that is ready."""
    now = int(time.time())
    await iamport.make(imp_uid="paid", status="paid", started_at=now - 9 * DAY, paid_at=now - 2 * DAY)
    await iamport.make(imp_uid="ready", started_at=now - 9 * DAY)
    window = {"from": now - 3 * DAY, "to": now}
    _, answer = await iamport.get("/payments/status/all", **window)
    assert [row["imp_uid"] for row in answer["response"]["list"]] == ["paid"]
    _, answer = await iamport.get("/payments/status/ready")
    assert [row["imp_uid"] for row in answer["response"]["list"]] == ["ready"]


async def test_pages(iamport: SandboxClient) -> None:
    """Pages count from 1, know their neighbours, and end in a 400."""
    for n in range(5):
        await iamport.make(imp_uid=f"imp_{n}", started_at=int(time.time()) - 10 + n)
    seen = []
    for page in (1, 2, 3):
        _, answer = await iamport.get("/payments/status/all", page=page, limit=2, sorting="started")
        assert answer["response"]["total"] == 5
        assert (answer["response"]["previous"], answer["response"]["next"]) == (page - 1, page + 1 if page < 3 else 0)
        seen += [row["imp_uid"] for row in answer["response"]["list"]]
    assert seen == [f"imp_{n}" for n in range(5)]
    assert (await iamport.get("/payments/status/all", page=4, limit=2))[0] == 400


@pytest.mark.parametrize(
    "params", [{"limit": 1001}, {"limit": 0}, {"page": "x"}, {"sorting": "amount"}, {"from": 0, "to": 91 * DAY}]
)
async def test_a_bad_question_is_400(iamport: SandboxClient, params: dict[str, object]) -> None:
    """More than a thousand rows or 90 days, and what makes no sense, is refused."""
    assert (await iamport.get("/payments/status/all", **params))[0] == 400


async def test_an_unknown_status_is_400(iamport: SandboxClient) -> None:
    """Only i'mport's statuses have lists."""
    assert (await iamport.get("/payments/status/pending"))[0] == 400


async def test_by_order(iamport: SandboxClient) -> None:
    """One order can have several payments: `find` gives the newest, `findAll` all, of one status where given."""
    now = int(time.time())
    await iamport.make(imp_uid="old", merchant_uid="order 1/2", status="failed", started_at=now - 9)
    await iamport.make(imp_uid="new", merchant_uid="order 1/2", status="paid", started_at=now)
    path = "order%201%2F2"
    assert (await iamport.get(f"/payments/find/{path}"))[1]["response"]["imp_uid"] == "new"
    assert (await iamport.get(f"/payments/find/{path}/failed"))[1]["response"]["imp_uid"] == "old"
    assert (await iamport.get(f"/payments/findAll/{path}"))[1]["response"]["total"] == 2
    assert (await iamport.get(f"/payments/findAll/{path}/paid"))[1]["response"]["total"] == 1
    assert (await iamport.get("/payments/findAll/other"))[0] == 404
    assert (await iamport.get(f"/payments/findAll/{path}/odd"))[0] == 400
    assert (await iamport.get(f"/payments/find/{path}", sorting="amount"))[0] == 400


async def test_prepared_amounts(iamport: SandboxClient) -> None:
    """What was registered beforehand is found by order number; 404 when nothing was."""
    await iamport.control("PUT", "/prepared/order%201", {"amount": 1004})
    _, answer = await iamport.get("/payments/prepare/order%201")
    assert answer["response"] == {"merchant_uid": "order 1", "amount": 1004, "currency": "KRW"}
    assert (await iamport.get("/payments/prepare/other"))[0] == 404
