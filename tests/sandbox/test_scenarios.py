"""Each scenario does to payments and webhooks what i'mport's documents tell."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from sandbox.scenarios import SCENARIOS
from schemas import wire
from tests.sandbox.conftest import SandboxClient, WebhookReceiver
from tests.support.iamport_stub import Stub, http
from tests.support.waiting import until

EXPECTED: dict[str, tuple[str, list[str]]] = {
    "card": ("paid", ["paid"]),
    "failed": ("failed", ["failed"]),
    "scheduled": ("paid", ["paid"]),
    "promotion": ("cancelled", ["paid", "cancelled"]),
    "decimals": ("cancelled", ["paid", "cancelled", "cancelled"]),
    "virtual-account": ("paid", ["ready", "paid"]),
    "virtual-account-expired": ("ready", ["ready"]),
    "virtual-account-late-deposit": ("paid", ["ready", "paid"]),
    "fixed-virtual-account": ("paid", ["ready", "paid", "paid", "paid"]),
    "cancel-before-deposit": ("cancelled", ["ready", "cancelled"]),
    "paymentwall": ("paid", ["paid"]),
    "paymentwall-late-approval": ("paid", ["failed", "paid"]),
    "paymentwall-cancel": ("cancelled", ["paid", "cancelled"]),
    "paymentwall-cancel-rejected": ("paid", ["paid", "paid"]),
    "paypal-pending": ("paid", ["pending", "paid"]),
    "paypal-cancel": ("cancelled", ["paid", "cancelled"]),
    "smartro-refund": ("cancelled", ["ready", "paid", "cancelled"]),
    "partial-cancel": ("paid", ["paid", "cancelled"]),
    "full-cancel-in-steps": ("cancelled", ["paid", "cancelled", "cancelled", "cancelled"]),
    "taken-back": ("paid", ["paid", "cancelled", "paid"]),
    "duplicate": ("paid", ["paid"] * 20),
    "out-of-order": ("paid", ["paid", "ready"]),
    "lost-webhook": ("paid", []),
    "missed-webhooks": ("cancelled", ["cancelled"]),
    "forged": ("paid", ["paid", "paid", "cancelled"]),
    "test-call": ("", ["paid"]),
    "test-channel": ("paid", ["paid"]),
    "amount-mismatch": ("paid", ["paid"]),
    "sub-merchant": ("paid", ["paid"]),
    "escrow": ("paid", ["paid"] * 4),
}


def test_every_scenario_has_its_row() -> None:
    """No scenario goes unchecked."""
    assert set(EXPECTED) == set(SCENARIOS)


@pytest.mark.parametrize("name", EXPECTED)
async def test_what_it_plays(iamport: SandboxClient, relay: WebhookReceiver, name: str) -> None:
    """The payment ends in this status, and these webhooks were posted in this order."""
    payments = await iamport.play(name)
    status, webhooks = EXPECTED[name]
    assert [payment["status"] for payment in payments] == [status] * bool(status)
    assert [claim["status"] for claim in relay.webhooks] == webhooks
    assert {asked.path for asked in relay.asked} <= {"/webhooks"}


async def test_cancellations_carry_their_id(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Each cancellation's webhook names the entry of cancel_history that it is about."""
    (payment,) = await iamport.play("full-cancel-in-steps", amount=1000)
    assert [row["amount"] for row in payment["cancel_history"]] == [333, 333, 334]
    ids = [claim["cancellation_id"] for claim in relay.webhooks if "cancellation_id" in claim]
    assert ids == [row["cancellation_id"] for row in payment["cancel_history"]]


async def test_deposits_add_up(iamport: SandboxClient) -> None:
    """A fixed account has amount 0 and an entry for each deposit."""
    (payment,) = await iamport.play("fixed-virtual-account")
    assert (payment["amount"], payment["vbank_date"]) == (0, 0)
    assert [row["amount"] for row in payment["deposit_history"]] == [5000, 3000, 5000]
    assert len({row["pg_tid"] for row in payment["deposit_history"]}) == 3


async def test_late_approval_clears_the_failure(iamport: SandboxClient) -> None:
    """What an earlier look showed is gone from a later one: failed_at is 0 once it is paid."""
    (payment,) = await iamport.play("paymentwall-late-approval")
    assert (payment["failed_at"], payment["fail_reason"], payment["paid_at"] > 0) == (0, None, True)


async def test_void(iamport: SandboxClient) -> None:
    """Cancelled before any deposit: no money back, so no entry."""
    (payment,) = await iamport.play("cancel-before-deposit")
    assert (payment["cancel_amount"], payment["cancel_history"], payment["paid_at"]) == (0, [], 0)


async def test_options(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Merchant, form, amount, currency and order number are the player's choice."""
    (payment,) = await iamport.play(
        "card", merchant="shop", format="form", amount=Decimal("9.90"), currency="EUR", merchant_uid="mine"
    )
    assert (str(payment["amount"]), payment["currency"], payment["merchant_uid"]) == ("9.90", "EUR", "mine")
    (asked,) = relay.asked
    assert asked.path == "/webhooks/shop"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(asked.body.decode())) == {
        "imp_uid": payment["imp_uid"],
        "merchant_uid": "mine",
        "status": "paid",
    }


async def test_escrow_changes(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Each step of an escrow purchase is a webhook with its code, as i'mport documents it; the object shows none."""
    (payment,) = await iamport.play("escrow", merchant_uid="mine")
    assert payment["escrow"] is True
    paid, *changes = relay.webhooks
    assert "event" not in paid
    assert [claim["extra"]["escrow_status"] for claim in changes] == ["2", "4", "10"]
    refused = changes[1]
    assert refused == {
        "event": "Inicis.Escrow.Changed",
        "imp_uid": payment["imp_uid"],
        "merchant_uid": "mine",
        "status": "paid",
        "extra": {**refused["extra"], "denied_reason": "사이즈가 맞지 않습니다"},
    }
    assert abs(refused["extra"]["changed_at"] - payment["paid_at"]) < 60
    assert "denied_reason" not in changes[0]["extra"]


async def test_an_escrow_change_as_a_form(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A form has what is inside `extra` in brackets."""
    (payment,) = await iamport.play("escrow", format="form")
    fields = dict(parse_qsl(relay.asked[2].body.decode()))
    assert fields["extra[escrow_status]"] == "4"
    assert fields["extra[changed_at]"].isdecimal()
    assert (fields["event"], fields["imp_uid"]) == ("Inicis.Escrow.Changed", payment["imp_uid"])


async def test_many_at_once(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """`count` plays it as often, at once."""
    payments = await iamport.play("card", count=50)
    assert len({payment["imp_uid"] for payment in payments}) == 50
    assert len(relay.asked) == 50


async def test_without_waiting(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Without `?wait=true` the answer names the payment at once and the steps follow."""
    played = await iamport.control("POST", "/scenarios/virtual-account", {"speed": 5})
    assert (played["done"], len(played["imp_uids"])) == (False, 1)
    await until(lambda: len(relay.asked) == 2, "both webhooks came")


async def test_a_cancellation_through_the_relay(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """With `relay_api` the scenario asks the relay to cancel, again while it does not know the payment yet."""
    console = Stub(reply=lambda _asked: http(202, {}) if len(console.asked) > 2 else http(404, {}))
    await console.start()
    options = {"url": console.url, "token": "secret-token"}
    (payment,) = await iamport.play("paymentwall-cancel", relay_api=options, outcome="never", merchant="shop")
    await console.stop()
    assert len(console.asked) == 3
    assert console.asked[0].target == f"/v1/payments/{payment['imp_uid']}/cancellations?merchant=shop"
    assert console.asked[0].headers["authorization"] == "Bearer secret-token"
    assert wire.loads(console.asked[0].body) == {"reason": "changed my mind"}
    assert (payment["status"], [claim["status"] for claim in relay.webhooks]) == ("paid", ["paid"])


async def test_an_unknown_scenario(iamport: SandboxClient) -> None:
    """An unknown name is 404 and lists the known ones; a bad option is 422."""
    answer = await iamport.http.post("/_sandbox/scenarios/nothing")
    assert (answer.status_code, answer.json()["scenarios"]) == (404, list(SCENARIOS))
    answer = await iamport.http.post("/_sandbox/scenarios/card", json={"speed": 0, "sped": 1})
    assert (answer.status_code, {error["field"] for error in answer.json()["errors"]}) == (422, {"speed", "sped"})


async def test_the_list_of_scenarios(iamport: SandboxClient) -> None:
    """Every scenario has a line that says what it plays."""
    listed = (await iamport.control("GET", "/scenarios"))["data"]
    assert [row["name"] for row in listed] == list(SCENARIOS)
    assert all(row["description"].endswith(".") for row in listed)
