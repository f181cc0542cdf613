"""Inicis escrow: a purchase was shipped, confirmed or refused. i'mport reports it by webhook only; no look-up shows it.

The body is documented with KG Inicis (V1): `event` is always `Inicis.Escrow.Changed`, and `extra` holds
`escrow_status` (a text), `changed_at` (a number, UNIX seconds) and, of a refusal, `denied_reason`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from schemas import wire
from schemas.payments.extra_fields import ELLIPSIS, printable, short_text
from schemas.payments.facts import Fact, FactKind
from schemas.reasons import Reason
from schemas.times import YEAR_10000, rfc3339

EVENT = "Inicis.Escrow.Changed"
STATUSES: Mapping[str, str] = {
    "2": "shipped",
    "3": "confirmed",
    "31": "confirmed",  # by itself, when the buyer says nothing
    "32": "confirmed",  # by force
    "4": "refused",
    "8": "cancelled",
    "10": "refusal_confirmed",
}
OTHER = "other"

UNVERIFIED = Reason.of("escrow_unverified")
NO_CODE = Reason.of("escrow_without_code")
NOT_ESCROW = Reason.of("not_escrow")

_NAME = EVENT.encode()
_LONGEST_CODE = 64
_LONGEST_REASON = 1000
_KOREA = timezone(timedelta(hours=9))
_SECONDS = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_MILLISECONDS_FROM = 10**11


@dataclass(frozen=True, slots=True)
class EscrowChange:
    """What an escrow webhook reports: Inicis' ``code`` (empty if missing), the time of the change (UNIX seconds, None
    if missing) and why the buyer refused. ``received_at`` is when the first such webhook came, in UNIX seconds."""

    code: str
    changed_at: int | None
    denied_reason: str | None = field(repr=False)
    received_at: int = 0

    @property
    def key(self) -> str:
        """The key of its fact: the same for every webhook that reports this change."""
        return f"escrow:{self.code}:{'' if self.changed_at is None else self.changed_at}"


def read(extra: bytes) -> EscrowChange | None:
    """The escrow change in a webhook's other fields (``extra``, JSON); None for any other webhook."""
    if _NAME not in extra:
        return None
    fields = _object(extra)
    if fields.get("event") != EVENT:
        return None
    inner = _object(fields.get("extra"))
    return EscrowChange(
        short_text(inner.get("escrow_status"), _LONGEST_CODE) or "", _time(inner.get("changed_at")), _reason(inner)
    )


def dump(change: EscrowChange) -> bytes:
    """A change as the ledger stores it until the next refresh."""
    return wire.dumps({"code": change.code, "changed_at": change.changed_at, "denied_reason": change.denied_reason})


def load(row: bytes, received_at: int) -> EscrowChange:
    """A stored change; ``received_at`` in UNIX seconds."""
    fields = wire.loads(row)
    return EscrowChange(fields["code"], fields["changed_at"], fields["denied_reason"], received_at)


def facts(changes: Iterable[EscrowChange]) -> list[Fact]:
    """The facts of the changes, for a payment that i'mport shows as an escrow payment."""
    return [
        Fact(
            change.key,
            FactKind.ESCROW,
            change.received_at if change.changed_at is None else change.changed_at,
            detail={
                "escrow": {
                    "status": STATUSES.get(change.code, OTHER),
                    "code": change.code,
                    "changed_at": None if change.changed_at is None else rfc3339(change.changed_at),
                    "denied_reason": change.denied_reason,
                }
            },
        )
        for change in changes
    ]


def _object(value: Any) -> Mapping[str, Any]:
    """An object, also one sent as a JSON text; an empty one for anything else."""
    if isinstance(value, str | bytes):
        try:
            value = wire.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _reason(inner: Mapping[str, Any]) -> str | None:
    value = inner.get("denied_reason")
    if not isinstance(value, str) or not (reason := value.strip()):
        return None
    reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + ELLIPSIS
    return "\n".join(map(printable, reason.splitlines()))


def _time(value: Any) -> int | None:
    """The UNIX seconds of a time in seconds or milliseconds (number or text) or in ISO 8601, read as Korean time if it
    has no offset."""
    if isinstance(value, str):
        value = value.strip()
        if not _SECONDS.fullmatch(value):
            return _iso(value)
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value < YEAR_10000 * 1000:
        return None
    seconds = int(value) if value < _MILLISECONDS_FROM else int(value) // 1000
    return seconds or None


def _iso(written: str) -> int | None:
    try:
        moment = datetime.fromisoformat(written)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=_KOREA)).timestamp()
    except (ValueError, OverflowError):
        return None
    return int(seconds) if seconds >= 1 else None
