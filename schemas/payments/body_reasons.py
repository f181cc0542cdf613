"""Why a webhook's body is refused with 400, as a code, and the likely cause in words.

i'mport does not send again after a 400, so operators have to learn what is wrong with the bodies that come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

BodyReason = Literal[
    "empty", "not_json", "not_an_object", "form_sent_as_json", "json_sent_as_form", "version_2", "no_imp_uid",
    "unusable_imp_uid",
]  # fmt: skip

WORDS: Mapping[str, str] = {
    "empty": "the body is empty",
    "not_json": "the body is not JSON in UTF-8",
    "not_an_object": "the body is JSON, but not an object",
    "form_sent_as_json": "the body is a form, but its content type says JSON",
    "json_sent_as_form": "the body is JSON, but its content type says form",
    "version_2": "the body is one of webhook version V2: choose V1 in i'mport's console",
    "no_imp_uid": "imp_uid is missing",
    "unusable_imp_uid": "imp_uid is not 1 to 32 of A-Z, a-z, 0-9, _ and -",
}

_V2_FIELDS = frozenset({"tx_id", "payment_id"})
"""Of version 2024-01-01: {tx_id, payment_id, status}."""
_V2_DATA = frozenset({"paymentId", "transactionId", "storeId", "billingKey"})
"""Of version 2024-04-25 and later: {type: "Transaction.Paid", timestamp, data: {…}}."""


def words(reason: str) -> str:
    """A code in words; the code itself where a newer version made it."""
    return WORDS.get(reason, reason)


def of_unparsable(body: bytes) -> BodyReason:
    """Why a body that was sent as JSON does not parse."""
    if not body.strip():
        return "empty"
    return "form_sent_as_json" if _is_form(body) else "not_json"


def of_fields(fields: Mapping[str, Any], form: bytes | None) -> BodyReason:
    """Why these fields of a body name no payment; `form` is the body where it was sent as a form."""
    if form is not None and not form.strip():
        return "empty"
    if fields.get("imp_uid") not in (None, ""):
        return "unusable_imp_uid"
    if _is_version_2(fields):
        return "version_2"
    if form is not None and isinstance(inside := _json(form), dict):
        return "version_2" if _is_version_2(inside) else "json_sent_as_form"
    return "no_imp_uid"


def _is_version_2(fields: Mapping[str, Any]) -> bool:
    data = fields.get("data")
    if isinstance(data, dict) and isinstance(fields.get("type"), str):
        return not data.keys().isdisjoint(_V2_DATA)
    return not fields.keys().isdisjoint(_V2_FIELDS)


def _is_form(body: bytes) -> bool:
    names = [name for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True)]
    return "imp_uid" in names


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body.lstrip().startswith(b"{") else None
    except orjson.JSONDecodeError:
        return None
