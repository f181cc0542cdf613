"""The attempts of a delivery, as its row has them: each in JSON, with its number only if that is not the one that its
place gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from schemas.endpoints.delivery import Attempt
from schemas.outbox import entries
from schemas.outbox.of_endpoint import of_attempt
from schemas.reasons.reason import of_row


def dump(attempt: Attempt) -> bytes:
    """An attempt as a worker notes it."""
    return orjson.dumps(attempt)


def load(row: bytes) -> Attempt:
    """The attempt in a row."""
    return _attempt(orjson.loads(row))


def blank(row: bytes) -> bytes:
    """The row without what the endpoint answered."""
    return orjson.dumps({**orjson.loads(row), "response": ""})


def of_entry(entry: entries.Attempt, place: int) -> bytes:
    """The row of an attempt that history has. `place` is the number that its place gives; its own may differ, because
    two attempts of a delivery can have the same number."""
    row: dict[str, Any] = {
        "at": entry.at / 1000,
        "status_code": entry.status_code,
        "duration_ms": entry.duration_ms,
        "error": None if entry.error is None else orjson.loads(entry.error),
        "response": entry.response,
        "replay": entry.replay,
    }
    if entry.number != place:
        row["number"] = entry.number
    return orjson.dumps(row)


def to_entry(row: bytes, imp_uid: str, event: str, endpoint: str, place: int) -> entries.Attempt:
    """The entry for history of the attempt in a row, in this place of the delivery of an event to an endpoint."""
    fields = orjson.loads(row)
    return replace(of_attempt(_attempt(fields), event, endpoint), imp_uid=imp_uid, number=fields.get("number", place))


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(
        at=row["at"],
        status_code=row["status_code"],
        duration_ms=row["duration_ms"],
        error=None if row["error"] is None else of_row(row["error"]),
        response=row["response"] if isinstance(row["response"], str) else of_row(row["response"]),
        replay=row["replay"],
    )
