"""How good or bad a state is: the colour and the picture it is shown with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Level = Literal["ok", "bad", "warn", "wait", "info", "off"]

LEVELS: Mapping[str, Mapping[str, Level]] = {
    "status": {
        "ready": "off",
        "virtual_account_issued": "wait",
        "virtual_account_expired": "warn",
        "paid": "ok",
        "failed": "bad",
        "cancellation_pending": "wait",
        "partially_cancelled": "info",
        "cancelled": "off",
    },
    "delivery": {"pending": "wait", "delivered": "ok", "dead": "bad", "held": "warn", "discarded": "off"},
    "outcome": {"pending": "wait", "applied": "ok", "unchanged": "off", "rejected": "warn"},
    "cancellation": {"open": "wait", "confirmed": "ok", "rejected": "bad"},
    "endpoint": {"enabled": "ok", "disabled": "bad"},
    "breaker": {"closed": "ok", "open": "bad", "half_open": "warn"},
    "worker": {"running": "ok", "quiet": "bad"},
    "run": {"running": "wait", "done": "ok", "stopped": "off"},
    "got": {"yes": "ok", "not yet": "wait", "no": "bad"},
    "event": {
        "payment.virtual_account_issued": "info",
        "payment.virtual_account_expired": "warn",
        "payment.deposited": "ok",
        "payment.paid": "ok",
        "payment.failed": "bad",
        "payment.cancellation_pending": "wait",
        "payment.partially_cancelled": "info",
        "payment.cancelled": "off",
        "payment.cancellation_rejected": "warn",
        "payment.escrow_changed": "info",
        "payment.amount_mismatch": "bad",
        "endpoint.failing": "warn",
        "endpoint.disabled": "bad",
        "endpoint.recovered": "ok",
        "relay.test": "info",
    },
}


def level(group: str, name: str) -> Level:
    """The level of a value of the API; `info` for a value that is not listed."""
    return LEVELS[group].get(name, "info")
