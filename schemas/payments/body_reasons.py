"""Why a webhook's body is refused with 400: the likely cause, as the code of a reason.

i'mport does not send again after a 400, so operators have to be able to see what was wrong with the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from schemas.reasons.codes import BodyReason

__all__ = ("BodyReason", "of_fields", "of_unparsable")

_V2_FIELDS = frozenset({"tx_id", "payment_id"})
"""Of version 2024-01-01: {tx_id, payment_id, status}."""
_V2_DATA = frozenset({"paymentId", "transactionId", "storeId", "billingKey"})
"""Of version 2024-04-25 and later: {type: "Transaction.Paid", timestamp, data: {…}}."""


def of_unparsable(body: bytes) -> BodyReason:
    """Why a body that was sent as JSON does not parse."""
    if not body.strip():
        return "empty"
    return "form_sent_as_json" if _is_form(body) else "not_json"


def of_fields(fields: Mapping[str, Any], form: bytes | None) -> BodyReason:
    """Why these fields of a body name no payment; `form` is the body if it was sent as a form."""
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
