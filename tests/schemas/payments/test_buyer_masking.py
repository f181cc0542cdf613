"""Buyers' data is masked wherever it is."""

from __future__ import annotations

from schemas.payments.buyer_masking import MASK, has_private, masked


def test_buyers_data_is_found_wherever_it_is() -> None:
    """By its name, however deep; what is absent is not said to be hidden."""
    body = {
        "buyer_name": "홍길동", "buyer_tel": None, "amount": 1004, "card_quota": 0,
        "detail": {"virtual_account": {"number": "1", "holder": "x"}, "deposit": [{"depositor": "y", "id": "d"}]},
        "custom_data": "{}", "refund_account": "1-2", "vbank_holder": "z", "name": "two books",
    }  # fmt: skip
    assert masked(body) == {
        "buyer_name": MASK, "buyer_tel": None, "amount": 1004, "card_quota": 0,
        "detail": {"virtual_account": {"number": "1", "holder": MASK}, "deposit": [{"depositor": MASK, "id": "d"}]},
        "custom_data": MASK, "refund_account": MASK, "vbank_holder": MASK, "name": "two books",
    }  # fmt: skip
    assert has_private(body)
    assert not has_private({"amount": 1})


def test_buyers_data_of_other_bodies_is_found() -> None:
    """In what a webhook's body held besides: by the usual names of such fields, and inside a JSON text, also one that
    was cut."""
    body = {
        "phone": "010", "contact_email": "a@b", "address": "Seoul", "pay_method": "phone", "escrow_status": "4",
        "data": '{"buyer_tel":"010"}', "more": '{"amount":1}', "cut": '{"buyer_tel":"0…', "rows": ["[x", "y"],
        "fail_reason": "[PAYMENTWALL] Internal error", "list": '[{"buyer_tel":"010"}]', "braces": "{x}",
    }  # fmt: skip
    assert masked(body) == {
        "phone": MASK, "contact_email": MASK, "address": MASK, "pay_method": "phone", "escrow_status": "4",
        "data": MASK, "more": '{"amount":1}', "cut": MASK, "rows": ["[x", "y"],
        "fail_reason": "[PAYMENTWALL] Internal error", "list": MASK, "braces": "{x}",
    }  # fmt: skip
