"""The outbox entries of an endpoint: its attempts, and events that belong to no payment."""

from __future__ import annotations

from schemas import wire
from schemas.compression import compress
from schemas.endpoints import delivery
from schemas.outbox.entries import Attempt, Event
from schemas.reasons import dump, english
from schemas.times import unix


def of_attempt(attempt: delivery.Attempt, event: str, endpoint: str) -> Attempt:
    """An attempt. The script adds its `number` and `imp_uid`."""
    return Attempt(
        imp_uid="",
        event=event,
        endpoint=endpoint,
        number=0,
        at=round(attempt.at * 1000),
        status_code=attempt.status_code,
        duration_ms=attempt.duration_ms,
        error=None if attempt.error is None else dump(attempt.error).decode(),
        response=attempt.response if isinstance(attempt.response, str) else english(attempt.response),
        replay=attempt.replay,
    )


def of_endpoint_event(event: str, type_: str, body: bytes, about: str = "") -> Event:
    """An event about an endpoint, or a test. The script adds `merchant` and `recorded_at`."""
    said = wire.loads(body)
    return Event(
        id=event,
        merchant="",
        imp_uid="",
        type=type_,
        about=about or None,
        happened_at=round(unix(said["timestamp"]) * 1000),
        detail=wire.dumps(said["data"]).decode(),
        body=compress(body),
    )
