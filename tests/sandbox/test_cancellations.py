"""The sandbox's cancellations: what is refused, what is final, what waits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxClient, WebhookReceiver
from tests.support.waiting import until

REFUND = {"refund_holder": "Hong", "refund_bank": "004", "refund_account": "1"}


async def test_parts_and_the_rest(iamport: SandboxClient) -> None:
    """A part leaves the status paid; no amount, or 0, takes the rest."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    part = (await iamport.cancel(imp_uid="a", amount=300, checksum=1000, reason="one item"))["response"]
    assert (part["status"], part["cancel_amount"]) == ("paid", 300)
    (entry,) = part["cancel_history"]
    assert (entry["amount"], entry["reason"]) == (300, "one item")
    assert entry["cancellation_id"]
    rest = (await iamport.cancel(imp_uid="a", amount=0, checksum=700))["response"]
    assert (rest["status"], rest["cancel_amount"], len(rest["cancel_history"])) == ("cancelled", 1000, 2)


async def test_a_part_may_say_cancelled(iamport: SandboxClient) -> None:
    """PGs differ: after a part the status can say cancelled, too."""
    await iamport.make(imp_uid="a", status="paid", amount=1000, partial_status="cancelled")
    assert (await iamport.cancel(imp_uid="a", amount=300))["response"]["status"] == "cancelled"


@pytest.mark.parametrize(
    "form",
    [
        {"amount": 1001},
        {"amount": -1},
        {"amount": "much"},
        {"checksum": 999},
        {"checksum": True},
        {"imp_uid": "unknown"},
        {"imp_uid": "unpaid"},
        {"imp_uid": "account"},
        {"imp_uid": None},
    ],
)
async def test_refusals_change_nothing(iamport: SandboxClient, form: dict[str, Any]) -> None:
    """A wrong checksum, more than is left, nothing paid or no refund account: a code under HTTP 200, and no change."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    await iamport.make(imp_uid="unpaid")
    await iamport.make(imp_uid="account", status="paid", pay_method="vbank")
    answer = await iamport.cancel(**({"imp_uid": "a"} | form))
    assert answer["code"] != 0
    assert answer["message"]
    assert answer["response"] is None
    assert (await iamport.get("/payments/a"))[1]["response"]["cancel_amount"] == 0


async def test_all_gone_is_refused(iamport: SandboxClient) -> None:
    """What is cancelled wholly cannot be cancelled again."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    assert (await iamport.cancel(imp_uid="a"))["code"] == 0
    assert (await iamport.cancel(imp_uid="a"))["code"] != 0


async def test_by_order_number(iamport: SandboxClient) -> None:
    """An order's newest payment is meant by its merchant_uid."""
    await iamport.make(imp_uid="a", merchant_uid="order", status="paid")
    assert (await iamport.cancel(merchant_uid="order"))["response"]["imp_uid"] == "a"


async def test_cents(iamport: SandboxClient) -> None:
    """Amounts with decimals add up exactly."""
    await iamport.make(imp_uid="a", status="paid", amount=Decimal("10.10"), currency="USD")
    await iamport.cancel(imp_uid="a", amount=Decimal("3.05"), checksum=Decimal("10.1"))
    done = (await iamport.cancel(imp_uid="a", checksum=Decimal("7.05")))["response"]
    assert (done["status"], done["cancel_amount"]) == ("cancelled", Decimal("10.10"))


async def test_deposits_can_be_taken_back(iamport: SandboxClient) -> None:
    """Of a fixed account issued with amount 0 the deposits are what is left."""
    (payment,) = await iamport.play("fixed-virtual-account")
    answer = await iamport.cancel(imp_uid=payment["imp_uid"], checksum=13000, **REFUND)
    assert answer["response"]["cancel_amount"] == 13000


async def test_webhooks_only_when_asked(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A cancellation is announced with `enable_webhook` alone, with its id."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    await iamport.cancel(imp_uid="a", amount=1)
    done = await iamport.cancel(imp_uid="a", amount=2, enable_webhook=True)
    await until(lambda: bool(relay.asked), "the webhook came")
    assert relay.webhooks == [
        {
            "imp_uid": "a",
            "merchant_uid": done["response"]["merchant_uid"],
            "status": "cancelled",
            "cancellation_id": done["response"]["cancel_history"][1]["cancellation_id"],
        }
    ]


@pytest.mark.parametrize("pg", ["kcp", "kcp_billing", "kicc", "nice_v2", "payco"])
async def test_some_gateways_ask_what_is_free_of_tax(iamport: SandboxClient, pg: str) -> None:
    """There `tax_free` is mandatory, 0 included."""
    await iamport.make(imp_uid="a", status="paid", amount=1000, pg_provider=pg)
    refused = await iamport.cancel(imp_uid="a")
    assert (refused["code"], refused["response"], "tax_free" in refused["message"]) == (1, None, True)
    assert (await iamport.cancel(imp_uid="a", tax_free=0))["response"]["status"] == "cancelled"


@pytest.mark.parametrize("pg", ["paymentwall", "paypal_v2"])
async def test_a_ticket_waits_and_is_final_later(iamport: SandboxClient, relay: WebhookReceiver, pg: str) -> None:
    """At slow PGs nothing changes or is announced at first; the result changes the payment and is announced."""
    await iamport.make(imp_uid="a", status="paid", amount=1000, pg_provider=pg, late={"outcome": "never"})
    asked = (await iamport.cancel(imp_uid="a", amount=400, enable_webhook=True))["response"]
    assert (asked["status"], asked["cancel_amount"], asked["cancel_history"]) == ("paid", 0, [])
    assert relay.asked == []
    final = await iamport.control("POST", "/payments/a/ticket", {"outcome": "cancelled"})
    assert (final["cancel_amount"], len(final["cancel_history"])) == (400, 1)
    assert relay.webhooks[0]["cancellation_id"] == final["cancel_history"][0]["cancellation_id"]


async def test_a_ticket_can_be_turned_down(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """A rejected ticket leaves the payment paid; a webhook that says so comes."""
    late = {"outcome": "rejected", "seconds": 0.01}
    await iamport.make(imp_uid="a", status="paid", pg_provider="paymentwall", late=late)
    await iamport.cancel(imp_uid="a", enable_webhook=True)
    await until(lambda: bool(relay.asked), "the result was announced")
    assert relay.webhooks[0]["status"] == "paid"
    assert (await iamport.get("/payments/a"))[1]["response"]["cancel_amount"] == 0


async def test_two_tickets_never_take_more_than_was_paid(iamport: SandboxClient, relay: WebhookReceiver) -> None:
    """Of two tickets for the same money the second is turned down."""
    await iamport.make(imp_uid="a", status="paid", amount=1000, pg_provider="paymentwall", late={"seconds": 0.05})
    await iamport.cancel(imp_uid="a", amount=700)
    await iamport.cancel(imp_uid="a", amount=700)
    await until(lambda: len(relay.asked) == 2, "both were decided")
    assert [claim["status"] for claim in relay.webhooks] == ["cancelled", "paid"]
    assert (await iamport.get("/payments/a"))[1]["response"]["cancel_amount"] == 700


async def test_smartro_waits_for_accounts_only(iamport: SandboxClient) -> None:
    """A Smartro card cancellation is final at once, the refund of a virtual account is not."""
    await iamport.make(imp_uid="card", status="paid", pg_provider="smartro_v2", late={"outcome": "never"})
    fields = {"status": "paid", "pg_provider": "smartro_v2", "pay_method": "vbank", "late": {"outcome": "never"}}
    await iamport.make(imp_uid="account", **fields)
    assert (await iamport.cancel(imp_uid="card"))["response"]["status"] == "cancelled"
    assert (await iamport.cancel(imp_uid="account", **REFUND))["response"]["status"] == "paid"


async def test_the_gateway_takes_back_what_it_did_last(iamport: SandboxClient) -> None:
    """The latest cancellation goes from history and sum; the payment reads as before it."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    await iamport.cancel(imp_uid="a", amount=300)
    await iamport.cancel(imp_uid="a")
    shown = await iamport.control("POST", "/payments/a/taken-back")
    assert (shown["status"], shown["cancel_amount"], len(shown["cancel_history"])) == ("paid", 300, 1)
    shown = await iamport.control("POST", "/payments/a/taken-back")
    assert (shown["status"], shown["cancel_amount"], shown["cancel_history"], shown["cancelled_at"]) == (
        "paid", 0, [], 0,
    )  # fmt: skip
    for imp_uid, refused in (("a", 409), ("b", 404)):
        assert (await iamport.http.post(f"/_sandbox/payments/{imp_uid}/taken-back")).status_code == refused


async def test_the_gateway_takes_a_deposit_back(iamport: SandboxClient) -> None:
    """Of a fixed account the latest; where none is left, the account waits again."""
    rows = [{"pg_tid": name, "amount": 500, "depositor_name": "Kim", "deposited_at": 5} for name in ("d1", "d2")]
    fields = {"pay_method": "vbank", "status": "paid", "paid_at": 5, "amount": 0}
    await iamport.make(imp_uid="a", deposit_history=rows, **fields)
    shown = await iamport.control("POST", "/payments/a/taken-back")
    assert (shown["status"], [row["pg_tid"] for row in shown["deposit_history"]]) == ("paid", ["d1"])
    shown = await iamport.control("POST", "/payments/a/taken-back")
    assert (shown["status"], shown["paid_at"], shown["deposit_history"]) == ("ready", 0, None)
