"""A buyer is forgotten: what tells who paid is blanked wherever it stands, and nothing else is."""

from __future__ import annotations

from sandbox.blank_payment import blank_payment
from schemas import wire
from schemas.payments.erasure import blank_json, blank_object, texts_to_blank
from tests.support.outbox_entries import change_of, paid


def test_only_the_buyer() -> None:
    """Of a payment with every field that i'mport describes."""
    whole = {name: value if value is not None else f"<{name}>" for name, value in blank_payment(1_700_000_000).items()}
    blank = blank_object(whole)
    assert {name for name in whole if whole[name] != blank[name]} == {
        "buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode", "custom_data", "customer_uid",
        "card_number", "vbank_num", "vbank_holder", "user_agent",
    }  # fmt: skip
    assert all(blank[name] is None for name in whole if whole[name] != blank[name])
    assert blank_object(blank) == blank


def test_histories_and_reasons() -> None:
    """Who paid in, and a reason that repeats what the buyer typed; another reason stays."""
    payment = {
        "buyer_name": "홍길동",
        "amount": 1,
        "deposit_history": [{"depositor_name": "길동이", "amount": 5}],
        "cancel_history": [{"reason": "홍길동 님 요청"}, {"reason": "품절"}],
    }
    assert blank_object(payment) == {
        "buyer_name": None,
        "amount": 1,
        "deposit_history": [{"depositor_name": None, "amount": 5}],
        "cancel_history": [{"reason": None}, {"reason": "품절"}],
    }


def test_a_body_keeps_its_numbers() -> None:
    """Money stays digit by digit, ids and times stay."""
    change = change_of(paid(amount=wire.loads("10.10")))
    body = change.events[0].body
    blank = blank_json(body)
    assert b'"amount":10.10,' in blank
    assert "홍길동".encode() in body
    assert "홍길동".encode() not in blank
    old, new = wire.loads(body), wire.loads(blank)
    assert (old["id"], old["timestamp"], old["data"]["status"]) == (new["id"], new["timestamp"], new["data"]["status"])


def test_a_detail() -> None:
    """An account's number and holder; a reason by what the object says."""
    detail = wire.dumps({"virtual_account": {"number": "110-1", "holder": "Kim", "bank_code": "004"}})
    assert wire.loads(blank_json(detail)) == {"virtual_account": {"number": None, "holder": None, "bank_code": "004"}}
    reason = wire.dumps({"cancellation": {"reason": "for Hong", "amount": 5}})
    known = wire.dumps({"buyer_name": "Hong"})
    assert wire.loads(blank_json(reason, texts_to_blank(known))) == {"cancellation": {"reason": None, "amount": 5}}
