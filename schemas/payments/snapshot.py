"""i'mport's payment object, read leniently: the fields that the relay decides by, and the object as it came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas import wire
from schemas.errors import MalformedPayment
from schemas.reasons import Reason
from schemas.times import YEAR_10000

IMP_UID = re.compile(r"[A-Za-z0-9_-]{1,32}")
ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 15
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class DepositEntry:
    """One entry of ``deposit_history``; ``at`` in UNIX seconds, 0 where unknown."""

    pg_tid: str | None
    amount: Decimal
    depositor: str | None = field(repr=False)
    at: int


@dataclass(frozen=True, slots=True)
class CancellationEntry:
    """One entry of ``cancel_history``; ``at`` in UNIX seconds, 0 where unknown."""

    cancellation_id: str | None
    pg_tid: str | None
    amount: Decimal
    reason: str | None
    at: int
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class IssuedVirtualAccount:
    """The account to pay into. ``deadline`` (0: never) and ``issued_at`` (0: unknown) in UNIX seconds."""

    number: str
    bank_code: str | None
    bank_name: str | None
    holder: str | None = field(repr=False)
    deadline: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A payment as one look-up returned it. Amounts are in the currency's major unit; times in UNIX seconds, 0: not
    yet.

    ``raw`` is the object as JSON; events carry it unchanged. ``buyer`` is what the buyer typed: name, e-mail address
    and telephone number.
    """

    imp_uid: str
    merchant_uid: str
    status: str
    amount: Decimal
    cancel_amount: Decimal
    currency: str
    sandbox: bool = False
    escrow: bool = False
    pay_method: str | None = None
    pg_provider: str | None = None
    discount: Decimal = ZERO
    started_at: int = 0
    paid_at: int = 0
    failed_at: int = 0
    cancelled_at: int = 0
    fail_reason: str | None = None
    cancel_reason: str | None = None
    virtual_account: IssuedVirtualAccount | None = None
    deposits: tuple[DepositEntry, ...] = ()
    cancellations: tuple[CancellationEntry, ...] = ()
    buyer: tuple[str | None, str | None, str | None] = field(default=(None, None, None), repr=False, compare=False)
    raw: bytes = field(default=b"{}", repr=False, compare=False)

    @property
    def began_at(self) -> int:
        """When the payment began, in UNIX seconds: the earliest time in the object, 0 if it has none."""
        times = [self.started_at, self.paid_at, self.failed_at, self.cancelled_at]
        times += [row.at for row in self.deposits] + [row.at for row in self.cancellations]
        times += [self.virtual_account.issued_at] if self.virtual_account else []
        return min((at for at in times if at), default=0)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Snapshot:
        """The snapshot of one payment object. Fields may be missing, null or unknown.

        Raises `MalformedPayment` if ``imp_uid`` or an amount cannot be read: such an object cannot be trusted at all.
        """
        imp_uid = _text(raw.get("imp_uid"))
        if imp_uid is None or not IMP_UID.fullmatch(imp_uid):
            raise MalformedPayment(Reason.of("payment_without_imp_uid"))
        try:
            raw, text = _with_json(raw)
            return cls(
                raw=text,
                imp_uid=imp_uid,
                merchant_uid=_text(raw.get("merchant_uid")) or "",
                status=_text(raw.get("status")) or "",
                amount=_money(raw.get("amount"), "amount"),
                cancel_amount=_money(raw.get("cancel_amount"), "cancel_amount"),
                currency=_text(raw.get("currency")) or "KRW",
                sandbox=_flag(raw.get("sandbox")),
                escrow=raw.get("escrow") is True,
                pay_method=_text(raw.get("pay_method")),
                pg_provider=_text(raw.get("pg_provider")),
                discount=_discount(raw.get("promotion")),
                started_at=_time(raw.get("started_at")),
                paid_at=_time(raw.get("paid_at")),
                failed_at=_time(raw.get("failed_at")),
                cancelled_at=_time(raw.get("cancelled_at")),
                fail_reason=_text(raw.get("fail_reason")),
                cancel_reason=_text(raw.get("cancel_reason")),
                virtual_account=_virtual_account(raw),
                deposits=tuple(_deposit(row) for row in _rows(raw.get("deposit_history"))),
                cancellations=tuple(_cancellation(row) for row in _rows(raw.get("cancel_history"))),
                buyer=(_text(raw.get("buyer_name")), _text(raw.get("buyer_email")), _text(raw.get("buyer_tel"))),
            )
        except _BadAmount as error:
            raise MalformedPayment(Reason.of(error.code, imp_uid=imp_uid, field=error.field), imp_uid=imp_uid) from None
        except (TypeError, ValueError, RecursionError) as error:
            why = Reason.of("payment_unreadable", imp_uid=imp_uid, error=str(error))
            raise MalformedPayment(why, imp_uid=imp_uid) from None


def history_rows(raw: Mapping[str, Any]) -> int:
    """The number of entries in a payment object's histories; the time to parse the object grows with it."""
    return len(_rows(raw.get("deposit_history"))) + len(_rows(raw.get("cancel_history")))


def _with_json(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """The object, without lone surrogates, and its JSON. Raises `TypeError` for values that JSON cannot hold."""
    try:
        return raw, wire.dumps(raw)
    except TypeError:
        raw = wire.whole(raw)
        return raw, wire.dumps(raw)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    return None


class _BadAmount(Exception):
    """An amount that cannot be right: the code of the reason, and the field."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(code, field)
        self.code = code
        self.field = field


def _money(value: Any, name: str) -> Decimal:
    if value is None:
        return ZERO
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise _BadAmount("payment_field_not_number", name)
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise _BadAmount("payment_field_not_number", name) from None
    if not amount.is_finite() or not 0 <= amount < _LARGEST or amount != round(amount, _DIGITS):
        raise _BadAmount("payment_field_out_of_range", name)
    return amount


def _flag(value: Any) -> bool:
    """A boolean, also one sent as text or number, so that a test payment is never mistaken for a real one."""
    return value is True or str(value).lower() in ("true", "1")


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value < YEAR_10000:
        return 0
    return int(value)


def _rows(value: Any) -> Sequence[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _discount(promotion: Any) -> Decimal:
    return _money(promotion.get("discount"), "promotion.discount") if isinstance(promotion, Mapping) else ZERO


def _virtual_account(raw: Mapping[str, Any]) -> IssuedVirtualAccount | None:
    number = _text(raw.get("vbank_num"))
    if raw.get("pay_method") != "vbank" or number is None:
        return None
    return IssuedVirtualAccount(
        number=number,
        bank_code=_text(raw.get("vbank_code")),
        bank_name=_text(raw.get("vbank_name")),
        holder=_text(raw.get("vbank_holder")),
        deadline=_time(raw.get("vbank_date")),
        issued_at=_time(raw.get("vbank_issued_at")),
    )


def _deposit(row: Mapping[str, Any]) -> DepositEntry:
    return DepositEntry(
        pg_tid=_text(row.get("pg_tid")),
        amount=_money(row.get("amount"), "deposit_history.amount"),
        depositor=_text(row.get("depositor_name")),
        at=_time(row.get("deposited_at")),
    )


def _cancellation(row: Mapping[str, Any]) -> CancellationEntry:
    return CancellationEntry(
        cancellation_id=_text(row.get("cancellation_id")),
        pg_tid=_text(row.get("pg_tid")),
        amount=_money(row.get("amount"), "cancel_history.amount"),
        reason=_text(row.get("reason")),
        at=_time(row.get("cancelled_at")),
        receipt_url=_text(row.get("receipt_url")),
    )
