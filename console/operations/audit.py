"""The audit: who did what, and who looked at buyers' data or secrets. Its entries go to history through the outbox."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from console.context import Context
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.ledger import Ledger
from schemas import wire
from schemas.errors import LedgerFull, LedgerUnavailable
from schemas.outbox.codec import pack
from schemas.outbox.entries import Audit

VIEW_EVERY = 60.0
"""The same view by the same operator makes one entry in so many seconds, as pages and programs read every second."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AuditedAction:
    """What an operator did to an object. `detail` holds no secrets and no buyers' data."""

    action: str
    object: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry as operators see it; `at` is in UNIX seconds."""

    id: str
    at: float
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]


class AuditTrail:
    """Writes what operators do. `actor` is the name of their token."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._views: dict[tuple[str, str, str, bytes], float] = {}

    async def wrote(self, actor: str, done: AuditedAction) -> None:
        """Audit something that was done. It cannot be undone, so if the audit fails, the entry is logged instead."""
        try:
            await self._append(actor, done, wire.dumps(done.detail))
        except LedgerUnavailable as error:
            _log_lost(actor, done, error)

    async def viewed(self, actor: str, done: AuditedAction) -> None:
        """Audit a view before anything is shown. Raises `LedgerUnavailable`: data is not shown if that cannot be
        audited.

        While Redis is full, the view is logged instead: operators must be able to see why callbacks wait.
        """
        detail = wire.dumps(done.detail)
        view, now = (actor, done.action, done.object, detail), time.monotonic()
        self._forget(now - VIEW_EVERY)
        if view in self._views:
            return
        try:
            await self._append(actor, done, detail)
        except LedgerFull as error:
            _log_lost(actor, done, error)
        self._views[view] = now

    async def _append(self, actor: str, done: AuditedAction, detail: bytes) -> None:
        at = round(await self._ledger.now() * 1000)
        entry = Audit(f"aud_{secrets.token_hex(12)}", at, actor, done.action, done.object, detail.decode())
        await self._ledger.outbox.append([pack(entry)])

    def _forget(self, before: float) -> None:
        """Forget views from before this time; the oldest come first."""
        while self._views and self._views[oldest := next(iter(self._views))] <= before:
            del self._views[oldest]


def _log_lost(actor: str, done: AuditedAction, error: LedgerUnavailable) -> None:
    log.error(
        "audit_not_written", actor=actor, action=done.action, object=done.object, detail=dict(done.detail),
        error=str(error),
    )  # fmt: skip


async def list_audit(
    context: Context,
    part: PageRequest,
    *,
    actor: str | None = None,
    action: str | None = None,
    object_: str | None = None,
) -> HistoryPage[AuditEntry]:
    """Entries of the audit, newest first; filtered by operator, kind of action and object.

    Raises `Invalid`, `HistoryUnavailable` and `LedgerUnavailable`.
    """
    behind = await wait_for_history(context)
    page = await context.history.audit.list(part, actor=actor, action=action, object_=object_)
    return HistoryPage(tuple(map(_view, page.rows)), page.next_cursor, behind)


def _view(entry: Audit) -> AuditEntry:
    detail = wire.loads(entry.detail or "{}")
    return AuditEntry(entry.id, entry.at / 1000, entry.actor, entry.action, entry.object, detail)
