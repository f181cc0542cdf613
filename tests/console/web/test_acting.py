"""What the pages' forms do: the same as the operator API, and every refusal said in words."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.console.conftest import Console
from tests.console.web.conftest import Reader
from tests.console.web.scene import set_up
from tests.support import machine
from tests.support.reasons import because

NEW = {
    "merchant": "default", "url": "http://127.0.0.1:9/new", "types": ["payment.paid", "payment.failed"],
    "description": "새 것", "ordered": "1", "max_in_flight": "3", "rate_limit": "2.5", "payload": "thin",
    "headers": "x-one: 1\nx-two: a: b",
}  # fmt: skip


async def test_an_endpoint_is_made_changed_and_deleted(reader: Reader, console: Console) -> None:
    """Every field arrives; empty headers keep what there is; deleting takes a tick."""
    made = await reader.send("/endpoints/new", NEW)
    page = made.headers["location"]
    endpoint = (await console.call("GET", f"/v1{page}")).json()
    assert (endpoint["types"], endpoint["rate_limit"], endpoint["payload"]) == (
        ["payment.paid", "payment.failed"],
        2.5,
        "thin",
    )
    assert endpoint["headers"] == {"x-one": "***", "x-two": "***"}
    changed = await reader.send(
        f"{page}/edit", {**NEW, "url": "http://127.0.0.1:9/other", "headers": "", "ordered": ""}
    )
    assert changed.status_code == 303
    endpoint = (await console.call("GET", f"/v1{page}")).json()
    assert (endpoint["url"], endpoint["ordered"], list(endpoint["headers"])) == (
        "http://127.0.0.1:9/other",
        False,
        ["x-one", "x-two"],
    )
    assert "tick the box" in (await reader.client.get((await reader.send(f"{page}/delete")).headers["location"])).text
    await reader.send(f"{page}/delete", {"sure": "1"})
    assert (await console.call("GET", f"/v1{page}")).status_code == 404


async def test_what_is_wrong_with_an_endpoint_is_said_at_its_field(reader: Reader) -> None:
    """The form comes back as it was filled in, with the API's errors."""
    answer = await reader.send("/endpoints/new", {**NEW, "url": "ftp://x", "max_in_flight": "many", "types": []})
    assert answer.status_code == 422
    assert 'value="ftp://x"' in answer.text
    assert answer.text.count('aria-invalid="true"') >= 1
    assert "max_in_flight" in answer.text


async def test_a_dead_delivery_is_retried_from_its_payment(reader: Reader, console: Console) -> None:
    """It is pending again, and one is back where one was."""
    scene = await set_up(console)
    back = "/payments/default/imp_1"
    answer = await reader.send(f"/deliveries/{scene.dead}/retry", {"back": back})
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert (await console.call("GET", f"/v1/deliveries/{scene.dead}")).json()["state"] == "pending"
    assert "attempted again now" in (await reader.open(back)).text
    assert "attempted again now" not in (await reader.open(back)).text


async def test_a_buyer_is_erased_with_a_tick(reader: Reader, console: Console) -> None:
    """Then the page says when, and does not offer it again."""
    await machine.seen(console.ledger, "imp_1", amount=1004, buyer_name="홍길동")
    back = "/payments/default/imp_1"
    assert "tick the box" in (await reader.client.get((await reader.send(f"{back}/erase")).headers["location"])).text
    assert (await console.call("GET", "/v1/payments/imp_1")).json()["payment"]["buyer_name"] == "홍길동"
    answer = await reader.send(f"{back}/erase", {"sure": "1", "reason": "asked"})
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert (await console.call("GET", "/v1/payments/imp_1")).json()["payment"]["buyer_name"] is None
    page = (await reader.open(back)).text
    assert "The buyer&#39;s data was erased" in page
    assert f"{back}/erase" not in page


async def test_a_refusal_is_a_notice(reader: Reader, console: Console) -> None:
    """What the API refuses is said on the page, in the reader's language."""
    scene = await set_up(console)
    await console.call("POST", f"/v1/endpoints/{scene.sick}/disable")
    answer = await reader.send(f"/deliveries/{scene.dead}/retry")
    text = (await reader.open(answer.headers["location"], headers={"accept-language": "ko"})).text
    assert "처리하지 못했습니다: 엔드포인트가 비활성 상태입니다" in text


@pytest.mark.parametrize("amount", ["10,50", "1,00", "1,0000", "1.000,50", ",5", "1,,000", "1_000"])
async def test_a_comma_is_for_thousands_only(reader: Reader, console: Console, amount: str) -> None:
    """`10,50` is ten and a half to half of the world: it is refused, not cancelled as 1050."""
    await set_up(console)
    await machine.seen(console.ledger, "imp_dear", amount=20_000)
    fields = {"sure": "1", "record_only": "1", "amount": amount}
    answer = await reader.send("/payments/default/imp_dear/cancel", fields)
    assert "did not work" in (await reader.open(answer.headers["location"])).text
    assert (await console.call("GET", "/v1/payments/imp_dear")).json()["cancellations"] == []


async def test_the_tax_free_part_is_passed_on(reader: Reader, console: Console) -> None:
    """KCP, KICC, NICE and PAYCO cancel nothing without one. It is checked as an amount is, and may be 0."""
    await set_up(console)
    page = "/payments/default/imp_1"
    assert 'name="tax_free"' in (await reader.open(page)).text
    fields = {"sure": "1", "record_only": "1", "amount": "4"}
    answer = await reader.send(f"{page}/cancel", {**fields, "tax_free": "10,50"})
    assert "tax_free" in (await reader.open(answer.headers["location"])).text.partition("did not work")[2]
    await reader.send(f"{page}/cancel", {**fields, "tax_free": "0"})
    assert len((await console.call("GET", "/v1/payments/imp_1")).json()["cancellations"]) == 1


@pytest.mark.parametrize("amount", ["1e999999", "-1e999999", "1e5000", "nan", "9" * 5000, "1e-999999"])
async def test_a_number_out_of_all_bounds_is_refused(reader: Reader, console: Console, amount: str) -> None:
    """It is a wrong value like any other, however many digits it would have."""
    await set_up(console)
    fields = {"sure": "1", "record_only": "1", "amount": amount}
    answer = await reader.send("/payments/default/imp_1/cancel", fields)
    assert answer.status_code == 303
    assert "did not work" in (await reader.open(answer.headers["location"])).text


async def test_a_refusal_says_what_is_wrong_with_which_field(reader: Reader, console: Console) -> None:
    """A value that only the API's handler can judge is explained like any other."""
    await console.endpoint()
    wrong = await reader.send("/merchants/new", {"merchant": "-", "imp_key": "k", "imp_secret": "s"})
    assert wrong.status_code == 422
    assert "merchant: takes up to 64 letters" in wrong.text


async def test_a_replay_is_counted_before_it_begins(reader: Reader, console: Console) -> None:
    """Counting sends nothing; the same choice begins it, and its page can stop it."""
    scene = await set_up(console)
    chosen = {"endpoint": scene.sick, "only": "dead", "rate": "5", "since": "2020-01-01T00:00"}
    counted = await reader.send("/replays", chosen)
    assert "1 delivery would be sent" in counted.text
    assert (await console.call("GET", "/v1/replays")).json()["data"] == []
    begun = await reader.send("/replays", {**chosen, "step": "begin"})
    (replay,) = (await console.call("GET", "/v1/replays")).json()["data"]
    assert begun.headers["location"] == f"/replays/{replay['id']}"
    assert (replay["endpoint"], replay["only"], replay["since"]) == (scene.sick, "dead", "2020-01-01T00:00:00Z")
    assert 'role="progressbar"' in (await reader.open(begun.headers["location"])).text
    await reader.send(f"/replays/{replay['id']}/stop")
    assert (await console.call("GET", f"/v1/replays/{replay['id']}")).json()["state"] == "stopped"
    wrong = await reader.send("/replays", {**chosen, "until": "2019-01-01T00:00"})
    assert wrong.status_code == 422


async def test_credentials_go_in_and_never_come_out(reader: Reader, console: Console) -> None:
    """A merchant is saved; neither its list nor its form shows a secret."""
    fields = {
        "merchant": "shop",
        "imp_key": "key-123456789012",
        "imp_secret": "very-secret",
        "webhook_token": "token-12345",
    }
    assert (await reader.send("/merchants/new", fields)).status_code == 303
    assert (await console.call("GET", "/v1/merchants/shop")).json()["has_webhook_token"] is True
    for path in ("/merchants", "/merchants/new?merchant=shop", "/settings"):
        text = (await reader.open(path)).text
        assert "very-secret" not in text
        assert "token-12345" not in text
        assert "key-123456789012" not in text
    wrong = await reader.send("/merchants/new", {**fields, "merchant": "-"})
    assert wrong.status_code == 422
    assert "very-secret" not in wrong.text


async def test_a_merchant_that_is_replaced_stays_one(reader: Reader, console: Console) -> None:
    """Where something is wrong, the form still says what is replaced, and that its webhook token would be gone."""
    fields = {"merchant": "shop", "imp_key": "key", "imp_secret": "secret", "webhook_token": "token-12345"}
    assert (await reader.send("/merchants/new", fields)).status_code == 303
    warning = "This merchant has a webhook token"
    assert warning in (await reader.open("/merchants/new?merchant=shop")).text
    wrong = await reader.send("/merchants/new", {**fields, "imp_key": "", "check_prepared": "1"})
    assert (wrong.status_code, warning in wrong.text) == (422, True)
    assert "Replace credentials · shop" in wrong.text
    assert 'name="check_prepared" value="1" checked' in wrong.text


async def test_a_sub_merchant_keeps_its_tier_in_the_form(reader: Reader, console: Console) -> None:
    """Its code is no secret: list and form show it, also after a mistake."""
    fields = {"merchant": "shop", "imp_key": "key", "imp_secret": "secret", "tier": "SUB"}
    assert (await reader.send("/merchants/new", fields)).status_code == 303
    assert (await console.call("GET", "/v1/merchants/shop")).json()["tier"] == "SUB"
    assert "<code>SUB</code>" in (await reader.open("/merchants")).text
    assert 'value="SUB"' in (await reader.open("/merchants/new?merchant=shop")).text
    wrong = await reader.send("/merchants/new", {**fields, "tier": "S-B"})
    assert (wrong.status_code, 'value="S-B"' in wrong.text) == (422, True)
    await reader.send("/merchants/new", {**fields, "tier": ""})
    assert (await console.call("GET", "/v1/merchants/shop")).json()["tier"] is None


async def test_a_reconciliation_begins(reader: Reader, console: Console) -> None:
    """A window of the reader's own clock is compared."""
    await set_up(console)
    await reader.send("/preferences", {"zone": "KST"})
    window = {"merchant": "default", "since": "2026-11-01T09:00", "until": "2026-11-02T09:00"}
    assert (await reader.send("/reconciliations", window)).status_code == 303
    (run,) = (await console.call("GET", "/v1/reconciliations")).json()["data"]
    assert (run["since"], run["until"]) == ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
    stored = await console.ledger.reconciliations.get(run["id"])
    await console.ledger.reconciliations.save(replace(stored, tries=1, trouble=because("i'mport answered 502")))
    assert "i&#39;mport answered 502" in (await reader.open("/reconciliations", headers={"accept-language": "en"})).text


async def test_what_is_unpaid_for_iamport_cannot_be_cancelled(reader: Reader, console: Console) -> None:
    """A deposit that was taken back: the payment was approved, and i'mport shows it as waiting again."""
    account: dict[str, Any] = {"pay_method": "vbank", "vbank_num": "123", "vbank_date": machine.NOW + 3600}
    await machine.seen(console.ledger, "imp_1", **account)
    form = 'action="/payments/default/imp_1/cancel"'
    assert form in (await reader.open("/payments/default/imp_1")).text
    unpaid = machine.payment("imp_1", status="ready", paid_at=0, **account)
    for later in (0, 61):
        await console.ledger.refresh_lane.mark_dirty("default", "imp_1")
        await machine.look_at(console.ledger, {"imp_1": unpaid}, later=later)
    known = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (known["payment"]["status"], len(known["contradicts"])) == ("ready", 1)
    assert form not in (await reader.open("/payments/default/imp_1")).text


async def test_only_what_can_be_cancelled_is_offered(reader: Reader, console: Console) -> None:
    """The page subtracts requests that wait for their result, as the cancellation itself does."""
    await set_up(console)
    page, english = "/payments/default/imp_1", {"accept-language": "en"}
    assert "all that is left: 1,004 KRW" in (await reader.open(page, headers=english)).text
    await reader.send(f"{page}/cancel", {"sure": "1", "record_only": "1", "amount": "1000"})
    assert "all that is left: 4 KRW" in (await reader.open(page, headers=english)).text
    answer = await reader.send(f"{page}/cancel", {"sure": "1", "record_only": "1", "amount": "4"})
    assert "did not work" not in (await reader.open(answer.headers["location"], headers=english)).text
    text = (await reader.open(page, headers=english)).text
    assert "Nothing is left to cancel" in text
    assert f'action="{page}/cancel"' not in text


async def test_a_cancellation_is_noted_and_rejected(reader: Reader, console: Console) -> None:
    """Without a tick nothing is done; noted, it is open on the page, where it can be closed."""
    await set_up(console)
    page = "/payments/default/imp_1"
    await reader.send(f"{page}/cancel", {"record_only": "1"})
    assert (await console.call("GET", f"/v1{'/payments/imp_1'}")).json()["cancellations"] == []
    await reader.send(f"{page}/cancel", {"sure": "1", "record_only": "1", "amount": "1,000"})
    text = (await reader.open(page)).text
    action = re.search(r'action="(/payments/default/imp_1/cancellations/[^"]+/reject)"', text)
    assert action is not None
    await reader.send(action[1], {"reason": "turned down"})
    (request,) = (await console.call("GET", "/v1/payments/imp_1")).json()["cancellations"]
    assert (request["state"], request["amount"]) == ("rejected", 1000)
