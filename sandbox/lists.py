"""Lists of payments: by status within a window (`/payments/status/…`), by order number, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.payments import SandboxPayment

STATUSES = ("all", "ready", "paid", "cancelled", "failed")
LONGEST_WINDOW = 90 * 86400
LARGEST_PAGE = 1000
_SORTINGS = ("started", "paid", "updated")


class InvalidQuery(Exception):
    """Unusable parameters, or a page past the end: i'mport answers 400."""


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a list; times in UNIX seconds."""

    since: int
    until: int
    page: int
    limit: int
    sorting: str

    @classmethod
    def read(cls, params: Mapping[str, str], now: int) -> Query:
        """From a query string, with i'mport's defaults. Raises `InvalidQuery`."""
        until = _whole(params, "to", now)
        since = _whole(params, "from", until - LONGEST_WINDOW)
        page, limit = _whole(params, "page", 1), _whole(params, "limit", 20)
        sorting = params.get("sorting", "-started")
        if until - since > LONGEST_WINDOW:
            raise InvalidQuery("검색기간은 최대 90일까지 가능합니다")
        if page < 1 or not 1 <= limit <= LARGEST_PAGE or sorting.removeprefix("-") not in _SORTINGS:
            raise InvalidQuery("page, limit 또는 sorting 값이 올바르지 않습니다")
        return cls(since, until, page, limit, sorting)


def by_status(payments: Iterable[SandboxPayment], status: str, query: Query) -> dict[str, Any]:
    """Live payments of one status, or of `all`, whose latest status began in the window. Raises `InvalidQuery`."""
    if status not in STATUSES:
        raise InvalidQuery("유효하지 않은 payment_status입니다")
    return page_of(
        [
            payment
            for payment in payments
            if status in ("all", payment.fields["status"]) and query.since <= status_time(payment) <= query.until
        ],
        query,
    )


def page_of(payments: list[SandboxPayment], query: Query) -> dict[str, Any]:
    """One page: ``{total, previous, next, list}``, 0 where there is no such page. Raises `InvalidQuery` past the
    end."""
    rows = ordered(payments, query.sorting)
    first = (query.page - 1) * query.limit
    if query.page > 1 and first >= len(rows):
        raise InvalidQuery("데이터 범위를 넘어선 page입니다")
    return {
        "total": len(rows),
        "previous": query.page - 1,
        "next": query.page + 1 if first + query.limit < len(rows) else 0,
        "list": [payment.fields for payment in rows[first : first + query.limit]],
    }


def ordered(payments: Iterable[SandboxPayment], sorting: str) -> list[SandboxPayment]:
    """Sorted by `started`, `paid` or `updated`, descending with a ``-``."""

    def key(payment: SandboxPayment) -> tuple[float, str]:
        by = sorting.removeprefix("-")
        return (payment.updated_at if by == "updated" else payment.fields[f"{by}_at"] or 0, payment.imp_uid)

    return sorted(payments, key=key, reverse=sorting.startswith("-"))


def status_time(payment: SandboxPayment) -> int:
    """When the latest status began: the start, the approval, the cancellation or the failure. UNIX seconds."""
    name = {"paid": "paid_at", "cancelled": "cancelled_at", "failed": "failed_at"}.get(payment.fields["status"])
    return int(payment.fields[name or "started_at"] or 0)


def _whole(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InvalidQuery(f"{name} 값이 올바르지 않습니다")
    return int(text)
