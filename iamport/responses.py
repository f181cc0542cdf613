"""What an answer of i'mport means. Every answer is ``{"code", "message", "response"}``; anything else is a failure.

401                      the token is missing, expired or revoked; nothing was done
404                      unknown, if i'mport itself says so and not a proxy
429                      too many requests; nothing was done
5xx, others              i'mport is failing; with 413 and 504 maybe because too much was asked at once
not JSON, wrong shape    i'mport is failing
``code`` other than 0    i'mport refuses, also under HTTP 200
another payment          the payment that was asked for counts as malformed; the other one is ignored
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from iamport.http_exchange import HttpResponse
from schemas import wire
from schemas.errors import (
    IamportFailing,
    IamportRefused,
    IamportUnreachable,
    MalformedPayment,
    RelayError,
    TooMuchAsked,
)
from schemas.payments.snapshot import IMP_UID
from schemas.reasons import Reason

_LONGEST_MESSAGE = 500
# Matches only right after the envelope, so that no text of a buyer can match.
_TOTAL = re.compile(rb'[^\[]*"total"\s*:\s*(\d{1,9})\b')
_NAMED = re.compile(rb'"imp_uid"\s*:\s*"(%b)"' % IMP_UID.pattern.encode())


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of a batched look-up. Each id that was asked for is in exactly one of the first four.

    ``failed`` are ids whose single look-up failed although the batch succeeded; they can be tried again. ``others`` are
    ids in the answer that were not asked for.
    """

    found: Mapping[str, dict[str, Any]]
    unknown: frozenset[str]
    malformed: Mapping[str, MalformedPayment]
    failed: Mapping[str, RelayError]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """One page of a status list.

    ``total`` rows in all; ``next`` is the number of the next page or 0; ``size`` the number of rows of this page,
    including unreadable ones; ``body_bytes`` the length of the answer. ``refused``: a first page that i'mport
    answered with 400, as it answers for a page past the end.
    """

    total: int
    next: int
    rows: tuple[dict[str, Any], ...]
    malformed: tuple[MalformedPayment, ...] = ()
    refused: bool = False
    size: int = 0
    body_bytes: int = 0


def unwrap(answer: HttpResponse) -> Any:
    """The ``response`` of a successful answer.

    Raises `IamportUnreachable` (401, 429), `IamportRefused` (``code`` other than 0) and `IamportFailing`.
    """
    status = answer.status_code
    if status == 429:
        raise IamportUnreachable(Reason.of("iamport_too_many_requests"), retry_after=answer.retry_after)
    if status in (413, 504):
        raise TooMuchAsked(Reason.of("iamport_status", status=status), slow=True, retry_after=answer.retry_after)
    if status >= 500:
        raise IamportFailing(Reason.of("iamport_status", status=status), retry_after=answer.retry_after)
    envelope = _envelope(answer)
    code = envelope["code"]
    if status == 401:
        raise IamportUnreachable(Reason.of("iamport_token_refused"))
    if code != 0:
        raise IamportRefused(_message(envelope, code), code=code, status_code=status)
    if status not in (200, 207):
        raise IamportFailing(Reason.of("iamport_code_zero", status=status))
    return envelope.get("response")


def has_status(answer: HttpResponse, status_code: int) -> bool:
    """Whether i'mport itself, not a proxy's page, answered ``status_code``."""
    if answer.status_code != status_code:
        return False
    try:
        _envelope(answer)
    except IamportFailing:
        return False
    return True


def is_not_found(answer: HttpResponse) -> bool:
    """Whether i'mport knows none of the payments that were asked for: a 404 without a payment."""
    return has_status(answer, 404) and not _envelope(answer).get("response")


def parse_payments(response: Any, asked: Collection[str]) -> LookupResult:
    """The rows of a batched look-up for ``asked``.

    If the answer holds a row without an imp_uid, or one that was not asked for, no missing id counts as unknown: that
    row may be its payment. Raises `IamportFailing` if the answer is not a list of rows.
    """
    if not isinstance(response, list):
        raise IamportFailing(Reason.of("iamport_no_list"))
    rows, nameless = _by_imp_uid(response)
    found: dict[str, dict[str, Any]] = {}
    malformed: dict[str, MalformedPayment] = {}
    others = []
    for imp_uid, same in rows.items():
        if imp_uid not in asked:
            others.append(imp_uid)
            continue
        try:
            found[imp_uid] = _one_of(same, imp_uid)
        except MalformedPayment as error:
            malformed[imp_uid] = error
    missing = frozenset(asked) - rows.keys()
    if nameless or others:
        why = Reason.of("row_without_imp_uid" if nameless else "row_not_asked_for")
        for imp_uid in missing:
            malformed[imp_uid] = MalformedPayment(why, imp_uid=imp_uid)
        missing = frozenset()
    return LookupResult(found, missing, malformed, {}, tuple(others))


def parse_payment(row: Any, imp_uid: str) -> dict[str, Any]:
    """The payment ``imp_uid`` of one row. Raises `MalformedPayment`.

    A payment must have a status and an amount. Other fields may be missing or null, but every amount is a number.
    """
    if not isinstance(row, dict) or row.get("imp_uid") != imp_uid:
        raise MalformedPayment(Reason.of("payment_not_answered", imp_uid=imp_uid), imp_uid=imp_uid)
    if not isinstance(row.get("status"), str):
        raise MalformedPayment(Reason.of("payment_without_status", imp_uid=imp_uid), imp_uid=imp_uid)
    if row.get("amount") is None:
        raise MalformedPayment(Reason.of("payment_without_amount", imp_uid=imp_uid), imp_uid=imp_uid)
    for name, amount in _amounts(row):
        if amount is not None and not is_number(amount):
            raise MalformedPayment(Reason.of("payment_field_not_number", imp_uid=imp_uid, field=name), imp_uid=imp_uid)
    return row


def is_number(value: Any) -> bool:
    """Whether the value is a JSON number, as all of i'mport's amounts are."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def parse_page(response: Any) -> PaymentPage:
    """One page of a status list; a page with a total of 0 need not have a list.

    Raises `IamportFailing` if the answer is not a page.
    """
    if not isinstance(response, dict):
        raise IamportFailing(Reason.of("iamport_no_page"))
    rows, total, following = response.get("list"), _count(response.get("total")), _count(response.get("next"))
    if rows is None and total == 0:
        rows = []
    if not isinstance(rows, list) or total is None:
        raise IamportFailing(Reason.of("iamport_no_page"))
    named, nameless = _by_imp_uid(rows)
    good: list[dict[str, Any]] = []
    malformed = [MalformedPayment(Reason.of("page_row_without_imp_uid"))] * nameless
    for imp_uid, same in named.items():
        try:
            good.append(_one_of(same, imp_uid))
        except MalformedPayment as error:
            malformed.append(error)
    return PaymentPage(total, following or 0, tuple(good), tuple(malformed), size=len(rows))


def first_in_page(begins: bytes) -> tuple[str | None, int | None]:
    """The first imp_uid and the total in the first bytes of a page that was too large; each None if not found."""
    named, total = _NAMED.search(begins), _TOTAL.match(begins)
    return None if named is None else named[1].decode(), None if total is None else int(total[1])


def _envelope(answer: HttpResponse) -> dict[str, Any]:
    try:
        value = wire.loads(answer.body)
    except (ValueError, ArithmeticError):
        raise IamportFailing(Reason.of("iamport_not_json", status=answer.status_code)) from None
    if not isinstance(value, dict) or type(value.get("code")) is not int:
        raise IamportFailing(Reason.of("iamport_odd_shape", status=answer.status_code))
    return value


def _message(envelope: dict[str, Any], code: int) -> Reason:
    message = envelope.get("message")
    if not isinstance(message, str) or not message.strip():
        return Reason.of("iamport_no_message", code=code)
    # A lone surrogate cannot be logged or stored, so it must not be in an error.
    text = message.encode("utf-8", "replace").decode("utf-8")
    return Reason.of("iamport_message", message=" ".join(text.split())[:_LONGEST_MESSAGE])


def _by_imp_uid(rows: list[Any]) -> tuple[dict[str, list[Any]], int]:
    """The rows by imp_uid, and the number of rows without a usable one."""
    named: dict[str, list[Any]] = {}
    for row in rows:
        imp_uid = _imp_uid(row)
        if imp_uid is not None:
            named.setdefault(imp_uid, []).append(row)
    return named, len(rows) - sum(map(len, named.values()))


def _one_of(rows: list[Any], imp_uid: str) -> dict[str, Any]:
    """The payment that all these rows show. Raises `MalformedPayment`, also if they differ."""
    first, *others = rows
    try:
        differ = any(other != first for other in others)
    except RecursionError:
        differ = True
    if differ:
        raise MalformedPayment(Reason.of("payment_twice", imp_uid=imp_uid), imp_uid=imp_uid)
    return parse_payment(first, imp_uid)


def _amounts(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All amounts in a payment, with their names."""
    yield "amount", row["amount"]
    yield "cancel_amount", row.get("cancel_amount")
    promotion = row.get("promotion")
    if isinstance(promotion, dict):
        yield "promotion.discount", promotion.get("discount")
    for history in ("cancel_history", "deposit_history"):
        entries = row.get(history)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield f"{history}.amount", entry.get("amount")


def _imp_uid(row: Any) -> str | None:
    imp_uid = row.get("imp_uid") if isinstance(row, dict) else None
    return imp_uid if isinstance(imp_uid, str) and IMP_UID.fullmatch(imp_uid) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
