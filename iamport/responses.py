"""What an answer of i'mport means. Every answer is ``{"code", "message", "response"}``; anything else is trouble.

401          turned away at the door: the token is missing, expired or revoked
404          nothing is known under this name, if i'mport itself says so and not something in between
429          turned away at the door: too many requests
5xx, others  i'mport is failing; with 413 and 504 maybe at so much at once
not JSON, a wrong shape    i'mport is failing
``code`` other than 0      i'mport says no, also under HTTP 200
about another payment      the payment that was asked for counts as malformed, the other one is left alone
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
# Behind the envelope, with nothing in between that could be a buyer's own text.
_TOTAL = re.compile(rb'[^\[]*"total"\s*:\s*(\d{1,9})\b')
_NAMED = re.compile(rb'"imp_uid"\s*:\s*"([A-Za-z0-9_-]{1,32})"')


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What a batched look-up found. Each id that was asked for is in exactly one of the first four.

    ``failed`` holds ids whose own, single look-up failed although the batch did well; ask for them again. ``others``
    are ids that the answer held and nobody had asked for.
    """

    found: Mapping[str, dict[str, Any]]
    unknown: frozenset[str]
    malformed: Mapping[str, MalformedPayment]
    failed: Mapping[str, RelayError]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """One page of a status list: ``total`` rows in all, ``next`` the number of the next page or 0, ``size`` the rows of
    this page, also those that cannot be read, ``body_bytes`` the length of the answer. ``turned_down``: a first page
    that i'mport answered with 400, as it does where a page is past the end."""

    total: int
    next: int
    rows: tuple[dict[str, Any], ...]
    malformed: tuple[MalformedPayment, ...] = ()
    turned_down: bool = False
    size: int = 0
    body_bytes: int = 0


def response_of(answer: HttpResponse) -> Any:
    """The ``response`` of an answer that is well.

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


def says(answer: HttpResponse, status_code: int) -> bool:
    """Whether i'mport itself, not a proxy's page, answered ``status_code``."""
    if answer.status_code != status_code:
        return False
    try:
        _envelope(answer)
    except IamportFailing:
        return False
    return True


def none_of(answer: HttpResponse) -> bool:
    """Whether i'mport says that it knows none of what it was asked for: 404, and no payment with it."""
    return says(answer, 404) and not _envelope(answer).get("response")


def payments_of(response: Any, asked: Collection[str]) -> LookupResult:
    """The rows of a batched look-up for ``asked``.

    While the answer holds a row without a name, or one that nobody asked for, no id that is missing counts as unknown:
    the row may have been its. Raises `IamportFailing` where there are no rows at all.
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


def payment_of(row: Any, imp_uid: str) -> dict[str, Any]:
    """The payment ``imp_uid`` out of one row. Raises `MalformedPayment` where it lacks what a payment must have.

    Without a status or an amount nothing can be believed; other fields may be missing or null, but where there is an
    amount it is a number.
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
    """Whether i'mport wrote a JSON number: its amounts are nothing else."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def page_of(response: Any) -> PaymentPage:
    """One page of a status list; one with a total of 0 need not have a list.

    Raises `IamportFailing` where the answer is not a page.
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


def first_of(begins: bytes) -> tuple[str | None, int | None]:
    """The imp_uid of the first payment, and the total before it, in the beginning of a page that was too large."""
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
    # A lone surrogate cannot be written anywhere, so it must not travel in an error.
    text = message.encode("utf-8", "replace").decode("utf-8")
    return Reason.of("iamport_message", message=" ".join(text.split())[:_LONGEST_MESSAGE])


def _by_imp_uid(rows: list[Any]) -> tuple[dict[str, list[Any]], int]:
    """The rows of each payment, and how many have no usable name."""
    named: dict[str, list[Any]] = {}
    for row in rows:
        imp_uid = _imp_uid(row)
        if imp_uid is not None:
            named.setdefault(imp_uid, []).append(row)
    return named, len(rows) - sum(map(len, named.values()))


def _one_of(rows: list[Any], imp_uid: str) -> dict[str, Any]:
    """The payment that all of these rows show. Raises `MalformedPayment`, also where they differ."""
    first, *others = rows
    try:
        differ = any(other != first for other in others)
    except RecursionError:
        differ = True
    if differ:
        raise MalformedPayment(Reason.of("payment_twice", imp_uid=imp_uid), imp_uid=imp_uid)
    return payment_of(first, imp_uid)


def _amounts(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Everything in a payment that is an amount, with its name."""
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
