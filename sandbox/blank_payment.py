"""A payment as i'mport shows it when the payment window has just opened."""

from __future__ import annotations

import secrets
from typing import Any


def blank_payment(now: int, channel: str = "pc") -> dict[str, Any]:
    """A card payment that is `ready`, with every field of i'mport's OpenAPI description; ``now`` is in UNIX seconds.
    The imp_uid of a payment made through the API (``channel`` `api`) has another prefix."""
    number = secrets.randbelow(10**12)
    nothing_yet = dict.fromkeys(
        (
            "emb_pg_provider",
            "apply_num",
            "bank_code",
            "bank_name",
            "card_code",
            "card_name",
            "card_issuer_code",
            "card_issuer_name",
            "card_publisher_code",
            "card_publisher_name",
            "card_number",
            "card_type",
            "vbank_code",
            "vbank_name",
            "vbank_num",
            "vbank_holder",
            "custom_data",
            "fail_reason",
            "cancel_reason",
            "receipt_url",
            "deposit_history",
            "customer_uid",
            "customer_uid_usage",
            "promotion",
        )
    )
    return {
        "imp_uid": f"{'imps' if channel == 'api' else 'imp'}_{number:012d}",
        "merchant_uid": f"order_{secrets.token_hex(6)}",
        "pay_method": "card",
        "channel": channel,
        "pg_provider": "html5_inicis",
        "pg_tid": f"pg_{secrets.token_hex(10)}",
        "pg_id": "INIpayTest",
        "sandbox": False,
        "escrow": False,
        "card_quota": 0,
        "vbank_date": 0,
        "vbank_issued_at": 0,
        "name": "Sandbox order",
        "amount": 1004,
        "cancel_amount": 0,
        "currency": "KRW",
        "buyer_name": "Hong Gildong",
        "buyer_email": "gildong@example.com",
        "buyer_tel": "010-0000-0000",
        "buyer_addr": "Seoul",
        "buyer_postcode": "04524",
        "user_agent": "sandbox",
        "status": "ready",
        "started_at": now,
        "paid_at": 0,
        "failed_at": 0,
        "cancelled_at": 0,
        "cancel_history": [],
        "cancel_receipt_urls": [],
        "cash_receipt_issued": False,
        **nothing_yet,
    }
