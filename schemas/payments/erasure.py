"""Erasing a buyer: blanks the fields of a payment that tell who paid. Amounts, ids, statuses and times stay.

`FIELDS` are blanked: what the buyer typed, numbers of cards and accounts, names of holders and depositors, and the
merchant's own `custom_data`. A reason that repeats one of these values is blanked, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from schemas import wire

ERASE = "payment.erase"
"""The name of the action in the audit."""

FIELDS = frozenset(
    (
        "buyer_name",
        "buyer_email",
        "buyer_tel",
        "buyer_addr",
        "buyer_postcode",
        "custom_data",
        "customer_uid",
        "card_number",
        "vbank_num",
        "vbank_holder",
        "depositor_name",
        "depositor",
        "user_agent",
        "refund_holder",
        "refund_account",
        "refund_tel",
    )
)
"""Members that are blanked wherever they stand in i'mport's object or an event's detail."""

_ACCOUNT = frozenset(("number", "holder"))
"""Members that are blanked in an event's `virtual_account`."""
_REASONS = frozenset(("reason", "cancel_reason", "fail_reason", "denied_reason"))
_SHORTEST = 2
"""Values with fewer characters are not searched for in reasons."""


def blank_object(payment: Mapping[str, Any]) -> dict[str, Any]:
    """i'mport's object without its buyer; blanking it again changes nothing."""
    blank: dict[str, Any] = _blanked(payment, frozenset(_typed(payment)))
    return blank


def texts_to_blank(known: bytes) -> frozenset[str]:
    """The texts that `blank_object` removes from i'mport's object, which is given as JSON."""
    return frozenset(_typed(wire.loads(known)))


def blank_json(said: bytes, known: Set[str] = frozenset()) -> bytes:
    """An event's body or its detail, as JSON, without the buyer. `known` are further texts that a reason may repeat."""
    value = wire.loads(said)
    return wire.dumps(_blanked(value, known | frozenset(_typed(value))))


def repeats(text: str | None, known: Set[str]) -> bool:
    """Whether a text repeats any of these texts."""
    return text is not None and any(typed in text for typed in known)


def _typed(value: Any, name: str = "") -> Iterator[str]:
    """The texts that tell who paid."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            is_hidden = key in FIELDS or (name == "virtual_account" and key in _ACCOUNT)
            if is_hidden and isinstance(inner, str) and len(inner) >= _SHORTEST:
                yield inner
            yield from _typed(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _typed(inner, name)


def _blanked(value: Any, typed: Set[str], name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _member(key, inner, typed, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blanked(inner, typed, name) for inner in value]
    return value


def _member(key: str, value: Any, typed: Set[str], of: str) -> Any:
    if key in FIELDS or (of == "virtual_account" and key in _ACCOUNT):
        return None
    if key in _REASONS and isinstance(value, str) and any(text in value for text in typed):
        return None
    return _blanked(value, typed, key)
