"""The reference of events: made-up payments, put through the functions that a worker uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from console.http.openapi_callbacks import MEANINGS
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES, Endpoint
from schemas.endpoints.events import endpoint_event
from schemas.endpoints.health import EndpointHealth
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change, Policy, Record, decide, record_request, reject_request
from schemas.payments.escrow import EscrowChange
from schemas.payments.events import thin
from schemas.payments.facts import ExpectedAmount
from schemas.payments.snapshot import Snapshot

_T = 1_795_395_723  # 2026-11-23T01:02:03Z
_DAY = 86_400
_PAYMENT: Mapping[str, Any] = {
    "imp_uid": "imp_448280090638", "merchant_uid": "order_id_8237352", "pay_method": "card",
    "pg_provider": "html5_inicis", "amount": 1004, "cancel_amount": 0, "currency": "KRW", "status": "ready",
    "sandbox": False,
}  # fmt: skip
_PAID: Mapping[str, Any] = {**_PAYMENT, "status": "paid", "paid_at": _T}
_ACCOUNT: Mapping[str, Any] = {
    **_PAYMENT, "pay_method": "vbank", "vbank_code": "004", "vbank_name": "KB국민은행", "vbank_num": "26479012345678",
    "vbank_holder": "(주)가게", "vbank_date": _T + _DAY, "vbank_issued_at": _T,
}  # fmt: skip
_FIXED: Mapping[str, Any] = {
    **_ACCOUNT, "amount": 0, "vbank_date": 0, "status": "paid", "paid_at": _T + 60,
    "deposit_history": [
        {"pg_tid": "tid_1", "amount": 5000, "depositor_name": "김하나", "deposited_at": _T + 60},
        {"pg_tid": "tid_2", "amount": 3000, "depositor_name": "이두리", "deposited_at": _T + 90},
    ],
}  # fmt: skip
_REFUSED = EscrowChange("4", _T + _DAY, "사이즈가 맞지 않습니다")


def payments() -> str:
    """Each type of `payment.*` with what it means and a callback."""
    found: dict[str, dict[str, Any]] = {}
    for body in map(wire.loads, payment_bodies()):
        found.setdefault(body["type"], body)
    return "\n".join(_section(name, found[name]) for name in PAYMENT_TYPES)


def endpoints() -> str:
    """The types of `endpoint.*`, with the callback of one."""
    rows = "\n".join(f"| `{name}` | {MEANINGS[name]} |" for name in ENDPOINT_TYPES)
    return f"| type | when |\n|---|---|\n{rows}\n\n{_fenced(wire.loads(endpoint_body()))}"


def _section(name: str, body: dict[str, Any]) -> str:
    return f"### {name}\n\n{MEANINGS[name]}\n\n{_fenced(body)}"


def _fenced(body: dict[str, Any]) -> str:
    return f"```json\n{json.dumps(body, indent=2, ensure_ascii=False, default=_number)}\n```\n"


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no number")
    return int(value) if value == int(value) else float(value)


def endpoint_body() -> bytes:
    """A callback about an endpoint."""
    endpoint = Endpoint("ep_ab12cd34ef56gh78ij90", "default", "https://shop.example/payments", description="shop")
    health = EndpointHealth(failures=23, failing_since=_T - 5 * _DAY)
    reason = "23 failures in a row since 2026-11-18T01:02:03Z; the last attempt answered 500"
    return endpoint_event(endpoint, ENDPOINT_TYPES[1], EndpointHealth(), health, reason, _T).body


def payment_bodies() -> list[bytes]:
    """One callback of each type and maybe more, as a thin endpoint gets them."""
    taken = _entry(1004, _T + 7200)
    cancelled = {**_PAID, "status": "cancelled", "cancel_amount": 1004, "cancel_history": [taken]}
    partly = {**_PAID, "cancel_amount": 400, "cancel_history": [_entry(400, _T + 7200, "cancel_77889899")]}
    request = CancellationRequest(
        "can_ab12cd34ef56gh78ij90klmn", Decimal(1004), "open", "record", _T + 3600, "out of stock"
    )
    paid = _look(_PAID, _T).record
    pending = record_request(paid, request, _T + 3600, Policy())
    changes = [
        _look(_PAID, _T),
        _look(_PAID, _T, expected=ExpectedAmount(Decimal(1000), "KRW")),
        _look({**_PAYMENT, "status": "failed", "failed_at": _T, "fail_reason": "카드 한도를 초과하였습니다"}, _T),
        _look(_ACCOUNT, _T),
        _look(_ACCOUNT, _T + 2 * _DAY, _look(_ACCOUNT, _T).record),
        _look(_FIXED, _T + 120),
        _look(partly, _T + 7200, paid),
        pending,
        reject_request(pending.record, request.id, _T + _DAY, Policy(), "turned down by Paymentwall"),
        _look(cancelled, _T + 7200, pending.record),
        decide(paid, Snapshot.parse({**_PAID, "escrow": True}), _T + _DAY, Policy(), (), [_REFUSED]),
    ]
    return [thin(event.body) for change in changes for event in change.events]


def _entry(amount: int, at: int, cancellation_id: str = "cancel_77889900") -> dict[str, Any]:
    return {
        "cancellation_id": cancellation_id, "pg_tid": "tid_9", "amount": amount, "cancelled_at": at,
        "reason": "out of stock", "receipt_url": "https://receipt.example/77889900",
    }  # fmt: skip


def _look(fields: Mapping[str, Any], now: int, record: Record | None = None, **policy: Any) -> Change:
    known = record or Record("default", str(_PAYMENT["imp_uid"]))
    return decide(known, Snapshot.parse(fields), now, replace(Policy(), **policy))
