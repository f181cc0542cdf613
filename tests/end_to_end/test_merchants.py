"""Several merchants, and what each of them expects to be paid."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from typing import Any

import pytest

from console.web import catalogue
from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()

_numbers = itertools.count(1)


def named() -> tuple[str, str]:
    """A new imp_uid and the order it is for."""
    number = next(_numbers)
    return f"imp_m{number}", f"order-{number}"


async def expect(relay: Relay, order: str, merchant: str = "default", **fields: Any) -> None:
    """Say what is expected to be paid for an order."""
    answer = await relay.api.put(f"/v1/orders/{order}", params={"merchant": merchant}, json=fields)
    assert answer.status_code == 200, answer.text


async def pay(relay: Relay, imp_uid: str, order: str, merchant: str = "default", **fields: Any) -> None:
    """i'mport approves a payment and announces it."""
    shown = {"status": "paid", "paid_at": int(time.time()), "amount": 1004, **fields}
    await relay.payment_at_iamport(imp_uid=imp_uid, merchant_uid=order, **shown)
    await relay.webhook(imp_uid, path="/webhooks" if merchant == "default" else f"/webhooks/{merchant}")


async def test_a_changed_tier_counts_at_once(relay: Relay) -> None:
    """A sub-merchant's payment is found as soon as its merchant has the right code; no process is restarted."""
    await relay.merchant("agency", tier="OLD")
    await relay.play("card", merchant="agency", imp_key="key-agency", tier="OLD")
    (imp_uid,) = await relay.play("lost-webhook", imp_key="key-agency", tier="NEW")
    refresh = f"/v1/payments/{imp_uid}/refresh"
    assert (await relay.api.post(refresh, params={"merchant": "agency"})).status_code == 404

    assert (await relay.merchant("agency", tier="NEW"))["tier"] == "NEW"

    assert (await relay.api.post(refresh, params={"merchant": "agency"})).json()["status"] == "paid"
    await relay.until_recorded(imp_uid, "paid", merchant="agency")


async def test_what_was_expected_and_what_came(relay: Relay) -> None:
    """Another amount is an event of its own, directly after `paid`; the status stays paid, and both say so."""
    imp_uid, order = named()
    await expect(relay, order, amount=2000)

    await pay(relay, imp_uid, order)

    paid, mismatch = await relay.until_recorded(imp_uid, "paid", "amount_mismatch")
    assert mismatch["data"]["detail"]["expected"] == {"amount": 2000, "currency": None}
    assert (mismatch["data"]["status"], mismatch["data"]["previous_status"]) == ("paid", "paid")
    assert mismatch["data"]["amount"] == 1004
    assert paid["timestamp"] == mismatch["timestamp"]
    assert (await relay.payment(imp_uid))["status"] == "paid"


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        ({"amount": 1004}, {}),
        ({"amount": 1004, "currency": "KRW"}, {}),
        ({"amount": 10.10}, {"amount": 10.1, "currency": "USD"}),
        ({"amount": 2000}, {"status": "failed", "paid_at": 0, "failed_at": 1}),
    ],
)
async def test_nothing_is_said_where_it_fits(relay: Relay, expected: dict[str, Any], shown: dict[str, Any]) -> None:
    """The right amount, in any currency where none was expected, and a payment that failed are no mismatch."""
    imp_uid, order = named()
    await expect(relay, order, **expected)

    await pay(relay, imp_uid, order, **shown)
    await relay.until(lambda: relay.event_types(imp_uid), "it is told")
    await relay.until_idle()

    assert await relay.event_types(imp_uid) == ["failed" if "status" in shown else "paid"]


async def test_another_currency_is_a_mismatch(relay: Relay) -> None:
    """The right number in another currency is not what was expected."""
    imp_uid, order = named()
    await expect(relay, order, amount=1004, currency="KRW")

    await pay(relay, imp_uid, order, currency="JPY")

    await relay.until_recorded(imp_uid, "paid", "amount_mismatch")


async def test_said_after_it_was_paid(relay: Relay) -> None:
    """What is expected can be said afterwards, of every payment of the order; the right amount then adds nothing."""
    (first, order), (second, _) = named(), named()
    for imp_uid in (first, second):
        await pay(relay, imp_uid, order, amount=500)
        await relay.until_recorded(imp_uid, "paid")

    await expect(relay, order, amount=1000)

    for imp_uid in (first, second):
        await relay.until_recorded(imp_uid, "paid", "amount_mismatch")
    await expect(relay, order, amount=500)
    await relay.until_idle()
    assert await relay.event_types(first) == ["paid", "amount_mismatch"]


async def test_order_numbers_are_percent_encoded(relay: Relay) -> None:
    """An order number with a slash and other signs in it is one like any other."""
    imp_uid, _ = named()
    await expect(relay, "a%2Fb%20%25%ED%95%9C", amount=1)

    await pay(relay, imp_uid, "a/b %한")

    await relay.until_recorded(imp_uid, "paid", "amount_mismatch")


async def test_amounts_registered_with_i_mport(relay: Relay) -> None:
    """With `check_prepared` the amount registered at i'mport is expected; it is asked for once, when it is paid."""
    await relay.merchant("careful", check_prepared=True)
    (wrong, order), (right, other), (free, unregistered) = named(), named(), named()
    for name, amount in ((order, 2000), (other, 1004)):
        await relay.sandbox.put(f"/_sandbox/prepared/{name}", json={"amount": amount, "currency": "KRW"})
    await relay.payment_at_iamport(imp_uid=wrong, merchant_uid=order, status="ready")
    await relay.webhook(wrong, status="ready", path="/webhooks/careful")
    await relay.until_status(wrong, "ready", "careful")
    assert await relay.asked(f"/payments/prepare/{order}") == []

    for imp_uid, name in ((wrong, order), (right, other), (free, unregistered)):
        await pay(relay, imp_uid, name, "careful")

    *_, mismatch = await relay.until_recorded(wrong, "paid", "amount_mismatch", merchant="careful")
    assert mismatch["data"]["detail"]["expected"] == {"amount": 2000, "currency": "KRW"}
    for imp_uid in (right, free):
        await relay.until_recorded(imp_uid, "paid", merchant="careful")
    for _ in range(3):
        await relay.webhook(wrong, path="/webhooks/careful")
        await relay.until_idle("careful")
    assert len(await relay.asked(f"/payments/prepare/{order}")) == 1
    assert await relay.event_types(wrong, "careful") == ["paid", "amount_mismatch"]


async def test_what_the_merchant_says_comes_first(relay: Relay) -> None:
    """What the merchant told the relay wins over what it registered with i'mport."""
    await relay.merchant("outspoken", check_prepared=True)
    imp_uid, order = named()
    await relay.sandbox.put(f"/_sandbox/prepared/{order}", json={"amount": 2000, "currency": "KRW"})
    await expect(relay, order, "outspoken", amount=1004)

    await pay(relay, imp_uid, order, "outspoken")
    await relay.until_recorded(imp_uid, "paid", merchant="outspoken")
    await relay.until_idle("outspoken")

    assert await relay.event_types(imp_uid, "outspoken") == ["paid"]


async def test_registered_amounts_that_cannot_be_had(relay: Relay) -> None:
    """While i'mport does not say what was registered nothing is told of the payment; then both events are."""
    await relay.merchant("patient", check_prepared=True)
    imp_uid, order = named()
    await relay.sandbox.put(f"/_sandbox/prepared/{order}", json={"amount": 2000, "currency": "KRW"})
    await relay.faults(status=500, paths=["/payments/prepare"])

    await pay(relay, imp_uid, order, "patient")
    await relay.until(lambda: relay.asked(f"/payments/prepare/{order}"), "it is asked for")
    assert await relay.event_types(imp_uid, "patient") == []
    await relay.faults()

    await relay.until_recorded(imp_uid, "paid", "amount_mismatch", merchant="patient")


async def test_one_imp_uid_at_two_merchants(relay: Relay) -> None:
    """The same name at two merchants is two payments: each with its own events, ids and subscribers."""
    imp_uid, order = named()
    heard = {}
    for name in ("left", "right"):
        await relay.merchant(name)
        heard[name] = await relay.subscribe(name)

    await pay(relay, imp_uid, order, "left")
    await relay.until_recorded(imp_uid, "paid", merchant="left")
    assert await relay.payment(imp_uid, "right") == {}
    await relay.webhook(imp_uid, path="/webhooks/right")
    await relay.until_recorded(imp_uid, "paid", merchant="right")
    assert await relay.payment(imp_uid) == {}

    answer = await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", params={"merchant": "left"}, json={})
    assert answer.status_code == 200, answer.text
    await relay.until(lambda: heard["left"].types() == ["paid", "cancelled"], "the one is cancelled")
    assert heard["right"].types() in (["paid"], ["paid", "cancelled"])
    ids = [{event["id"] for event in await relay.events(imp_uid, name)} for name in heard]
    assert not ids[0] & ids[1]


async def test_several_payments_of_one_order(relay: Relay) -> None:
    """An order number is not unique: each of its payments has its own story, and the list shows them all."""
    order, imp_uids = "order-shared", [named()[0] for _ in range(3)]
    for imp_uid in imp_uids:
        await pay(relay, imp_uid, order)
        await relay.until_recorded(imp_uid, "paid")

    assert (await relay.api.post(f"/v1/payments/{imp_uids[1]}/cancellations", json={})).status_code == 200

    listed = (await relay.api.get("/v1/payments", params={"merchant_uid": order})).json()["data"]
    stands = {row["imp_uid"]: row["status"] for row in listed}
    assert stands == {imp_uids[0]: "paid", imp_uids[1]: "cancelled", imp_uids[2]: "paid"}
    cancelled = await relay.api.get("/v1/payments", params={"merchant_uid": order, "status": "cancelled"})
    assert [row["imp_uid"] for row in cancelled.json()["data"]] == [imp_uids[1]]


async def test_test_channels_are_seen_where_a_merchant_wants_them(relay: Relay) -> None:
    """A payment of a test channel is unknown, unless the merchant includes these; then it is marked as one."""
    await relay.merchant("testing", include_sandbox=True)
    await relay.merchant("strict")
    imp_uid, order = named()
    shown = {"status": "paid", "paid_at": int(time.time()), "amount": Decimal(1004), "sandbox": True}
    await relay.payment_at_iamport(imp_uid=imp_uid, merchant_uid=order, **{**shown, "amount": 1004})

    for name in ("testing", "strict"):
        await relay.webhook(imp_uid, path=f"/webhooks/{name}")

    (event,) = await relay.until_recorded(imp_uid, "paid", merchant="testing")
    assert event["data"]["sandbox"] is True
    await relay.until_idle("strict")
    assert await relay.payment(imp_uid, "strict") == {}
    (noted,) = (await relay.api.get("/v1/notifications", params={"merchant": "strict"})).json()["data"]
    assert noted["outcome"] == "rejected"
    assert_says_why(noted["reason"], "strict")


@pytest.mark.parametrize("known", [False, True], ids=["never seen", "seen while the flag was on"])
async def test_an_operator_is_told_of_a_test_channel(relay: Relay, known: bool) -> None:
    """A look, a cancellation, a note of one and its rejection are 404 with the reason and its remedy, at once."""
    name = f"asked-{known}".lower()
    await relay.merchant(name, include_sandbox=known)
    (imp_uid,) = await relay.play("test-channel", merchant=name, imp_key=f"key-{name}")
    of, request = {"merchant": name}, "can_x"
    if known:
        await relay.until_recorded(imp_uid, "paid", merchant=name)
        noted = await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", params=of, json={"record_only": True})
        assert noted.status_code == 202, noted.text
        request = noted.json()["cancellations"][0]["id"]
        await relay.merchant(name)
    before = await relay.event_types(imp_uid, name)
    await relay.forget_requests()

    for path, body in (
        ("refresh", None),
        ("cancellations", {}),
        ("cancellations", {"record_only": True}),
        (f"cancellations/{request}/reject", {}),
    ):
        answer = await relay.api.post(f"/v1/payments/{imp_uid}/{path}", params=of, json=body)
        assert answer.status_code == 404, answer.text
        assert_says_why(answer.json()["detail"], name)

    assert await relay.asked("/payments/cancel") == []
    await relay.until_idle(name)
    assert await relay.event_types(imp_uid, name) == before


def assert_says_why(text: str, merchant: str) -> None:
    """The sentence names the test channel and the switch, and is there in Korean, too."""
    assert "test channel" in text
    assert f"relay merchants put {merchant} --include-sandbox" in text
    assert catalogue.tongue("ko").knows(text)


async def test_amounts_stay_as_they_came(relay: Relay) -> None:
    """An amount with decimals is told digit for digit."""
    imp_uid, _ = named()
    await relay.sandbox.post(
        "/_sandbox/payments",
        content=f'{{"imp_uid":"{imp_uid}","status":"paid","paid_at":{int(time.time())},"amount":20.00,"currency":"USD"}}',
    )
    await relay.webhook(imp_uid)

    (event,) = await relay.until_recorded(imp_uid, "paid")

    assert str(event["data"]["amount"]) == "20.00"
