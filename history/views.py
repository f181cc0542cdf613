"""Views for people and their tools: the operator API's words, times as times, amounts as numbers.

They are part of the tables' version: a migration that changes what they show drops them first and makes them again.
docs/history.md says what each column holds.
"""

from __future__ import annotations

from collections.abc import Sequence

NAMES = ("payments", "events", "deliveries", "attempts", "notifications", "audit")

_PAYMENTS = """
SELECT merchant, imp_uid, merchant_uid, status, pay_method, pg_provider, sequence, {amount} AS amount,
    {cancelled_amount} AS cancelled_amount, currency, {first_at} AS recorded_at, {changed_at} AS changed_at,
    {fetched_at} AS fetched_at, silent, hidden, {erased_at} AS erased_at
FROM payment"""

_EVENTS = """
SELECT id, merchant, imp_uid, merchant_uid, type, sequence, status, {amount} AS amount,
    {cancelled_amount} AS cancelled_amount, currency, {happened_at} AS happened_at, {recorded_at} AS recorded_at,
    silent, {detail} AS detail
FROM event"""

_DELIVERIES = """
SELECT delivery.event || '.' || delivery.endpoint AS id, delivery.event, delivery.endpoint, delivery.merchant,
    delivery.imp_uid, delivery.type, delivery.sequence,
    CASE WHEN delivery.state <> 'pending' THEN delivery.state WHEN endpoint.state = 'disabled' THEN 'held'
        WHEN endpoint.state = 'deleted' THEN 'discarded' ELSE 'pending' END AS state,
    delivery.attempts, {created_at} AS created_at, {changed_at} AS changed_at,
    {next_attempt_at} AS next_attempt_at, delivery.reason, delivery.replay,
    CASE WHEN delivery.state = 'delivered' THEN delivery.changed_at - delivery.created_at END AS duration_ms
FROM delivery LEFT JOIN endpoint ON endpoint.id = delivery.endpoint"""

_ATTEMPTS = """
SELECT event || '.' || endpoint AS delivery, event, endpoint, imp_uid, number, {at} AS at, status_code, duration_ms,
    error, response, replay
FROM attempt"""

_NOTIFICATIONS = """
SELECT id, merchant, imp_uid, merchant_uid, status, cancellation_id, source, verified, {received_at} AS received_at,
    outcome, reason, extra
FROM notification"""

_AUDIT = "SELECT id, {at} AS at, actor, action, object, {detail} AS detail FROM audit_entry"

_QUERIES = dict(zip(NAMES, (_PAYMENTS, _EVENTS, _DELIVERIES, _ATTEMPTS, _NOTIFICATIONS, _AUDIT), strict=True))
_TIMES = (
    "at", "first_at", "changed_at", "fetched_at", "erased_at", "happened_at", "recorded_at", "created_at",
    "next_attempt_at", "received_at",
)  # fmt: skip


def create(dialect: str) -> Sequence[str]:
    """The statements that make the views."""
    amounts = {name: f"CAST({name} AS NUMERIC)" for name in ("amount", "cancelled_amount")}
    made = []
    for name, query in _QUERIES.items():
        prefix = "delivery." if name == "deliveries" else ""
        shown = {column: _time(dialect, prefix + column) for column in _TIMES}
        shown["detail"] = "detail::json" if dialect == "postgresql" else "detail"
        made.append(f"CREATE VIEW {name} AS {query.format(**amounts, **shown)}")
    return made


def drop() -> Sequence[str]:
    """The statements that remove the views."""
    return [f"DROP VIEW IF EXISTS {name}" for name in NAMES]


def _time(dialect: str, column: str) -> str:
    if dialect == "postgresql":
        return f"to_timestamp({column} / 1000.0)"
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"
