"""Accept notifications: store each and mark its payment dirty, many in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

from ledger import keys, waiting
from ledger.cells import Cells, by
from ledger.compatibility import cells_begun_with, other_number_of_cells
from ledger.group_commit import GroupCommit
from ledger.holders import Holders
from ledger.redis_connection import ANSWER_WITHIN
from ledger.rows import flat, paired
from ledger.scripting import Argument, raised
from schemas.errors import LedgerNotOpen, LedgerUnavailable, UnknownMerchant
from schemas.payments.notification import Notification
from schemas.payments.source_budget import budget_name
from schemas.reasons import Reason, dump
from schemas.webhook_address import DEFAULT_MERCHANT


def unverified_source(one: Notification) -> str:
    """The name under which an unverified source is budgeted: its IPv4 address, or the /64 that an IPv6 customer gets.
    "" for sources without a budget: verified ones (i'mport, a webhook token) and this machine."""
    return "" if one.verified else _budget_of(one.source)


@lru_cache(maxsize=4096)
def _budget_of(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:
        return "unknown"
    if address.is_loopback:
        return ""
    return budget_name(address)


SECOND_BATCH_FROM = 32
"""When this many webhooks wait, a second batch is sent while Redis still writes the first."""


class Intake:
    """What receivers need: accept notifications, count refused webhooks, report how many wait in a spool. Webhooks
    wait for an answer for ``patience`` seconds at most."""

    def __init__(self, cells: Cells, patience: float = ANSWER_WITHIN) -> None:
        self._cells = cells
        self._with_merchants = Holders(cells, keys.MERCHANTS)
        self._has_these_cells = False
        self._checks: GroupCommit[tuple[str, str], bool] = GroupCommit(self._check_all, patience=patience)
        self._accepts: GroupCommit[Notification, None] = GroupCommit(
            self._accept_all, at_once=2, enough=SECOND_BATCH_FROM, patience=patience
        )

    async def check_cells(self) -> None:
        """Check that the ledger, if it was begun, has the number of cells that is set. Raises `BadSetting`, and
        `LedgerUnavailable`."""
        if (begun_with := await self._other_number_of_cells()) is not None:
            raise other_number_of_cells(self._cells, begun_with)

    async def accept(self, notification: Notification) -> None:
        """Store a notification and mark its payment dirty; returns when both are on disk. Accepting it again changes
        nothing.

        Raises `UnknownMerchant` (also for a wrong webhook token) and, within `ANSWER_WITHIN`, `LedgerUnavailable`:
        then the notification may or may not be stored.
        """
        try:
            await self._accepts.add(notification)
        except TimeoutError:
            raise LedgerUnavailable(Reason.of("redis_timed_out")) from None

    async def takes_webhooks(self, merchant: str, token_hash: str | None) -> bool:
        """Whether the merchant exists and has this webhook token, given as SHA-256 in hex (None: it has none).
        Raises `LedgerUnavailable` within `ANSWER_WITHIN`."""
        try:
            return await self._checks.add((merchant, token_hash or ""))
        except TimeoutError:
            raise LedgerUnavailable(Reason.of("redis_timed_out")) from None

    async def known_merchants(self) -> Mapping[str, str | None]:
        """Every merchant with the SHA-256 in hex of its webhook token, or None; `default` takes webhooks before it is
        set up. Raises `LedgerUnavailable`."""
        cells = await self._with_merchants.candidates()
        rows = await self._cells.run("read_merchants", [(self._cells[cell], ()) for cell in cells])
        found = dict(zip(cells, map(paired, raised(rows)), strict=True))
        self._with_merchants.note(cell for cell, tokens in found.items() if tokens)
        known = {name: token.decode() or None for tokens in found.values() for name, token in tokens.items()}
        return {DEFAULT_MERCHANT: None} | known

    async def count_refusals(self, by_status: Mapping[str, int], by_reason: Mapping[str, int]) -> None:
        """Add to the counts of refused webhooks (by `merchant:status`) and of unusable bodies (by `merchant:reason`, a
        `BodyReason`). Raises `LedgerUnavailable`."""
        await self._cells.shared.run(
            "count_refusals", len(by_status), *flat(by_status.items()), len(by_reason), *flat(by_reason.items())
        )

    async def report_spool(self, receiver: str, waiting: int, trouble: Reason | None = None) -> None:
        """Record for operators how many notifications wait in a receiver's spool and, if it could not store one, why.
        Raises `LedgerUnavailable`."""
        await self._cells.shared.run("report_spool", receiver, waiting, "" if trouble is None else dump(trouble))

    async def _other_number_of_cells(self) -> int | None:
        """The ledger's number of cells if it differs from the number that is set, else None. Redis is asked until the
        two agree, and again after the ledger was not open: a lost ledger can be restored with another number."""
        if self._has_these_cells:
            return None
        begun_with = await cells_begun_with(self._cells)
        self._has_these_cells = begun_with == len(self._cells)
        return None if begun_with is None or self._has_these_cells else begun_with

    async def _find_cells(self) -> None:
        """Raise `LedgerUnavailable` if the ledger has another number of cells than is set. A webhook would go to the
        wrong cell: it would be stored where no worker looks for it, or refused because its merchant is not there."""
        if (begun_with := await self._other_number_of_cells()) is not None:
            raise LedgerUnavailable(Reason.of("cells_differ", set=len(self._cells), begun_with=begun_with))

    def _not_open(self) -> LedgerNotOpen:
        self._has_these_cells = False
        return LedgerNotOpen(Reason.of("ledger_not_open"))

    async def _check_all(self, together: Sequence[tuple[str, str]]) -> Sequence[bool | Exception]:
        await self._find_cells()
        answers: dict[tuple[str, str], bool | Exception] = {}
        asked = by(dict.fromkeys(together), lambda question: self._cells.of(question[0]))
        calls = {store: [len(questions), *flat(questions)] for store, questions in asked.items()}
        for store, found in (await self._cells.some("takes_webhooks", calls)).items():
            if isinstance(found, list):
                answers |= {question: answer == 1 for question, answer in zip(asked[store], found, strict=True)}
            else:
                error = self._not_open() if found is None else found
                answers |= dict.fromkeys(asked[store], error)
        return [answers[question] for question in together]

    async def _accept_all(self, together: Sequence[Notification]) -> Sequence[Exception | None]:
        """Accept them in one round trip. If a bug makes one notification fail, the others must not fail with it: each
        half is tried alone, and so on until that one is alone. Accepting a notification again changes nothing."""
        try:
            return await self._accept_together(together)
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # raised for its own notification
            if len(together) == 1:
                return [error]
            middle = len(together) // 2
            return [*await self._accept_all(together[:middle]), *await self._accept_all(together[middle:])]

    async def _accept_together(self, together: Sequence[Notification]) -> Sequence[Exception | None]:
        await self._find_cells()
        answers = await self._cells.spread(
            "accept", together, lambda one: self._cells.of(one.merchant), _packed, durable=True
        )
        return [answer if isinstance(answer, Exception) else self._outcome(answer) for answer in answers]

    def _outcome(self, answer: bytes) -> Exception | None:
        match answer:
            case b"ok":
                return None
            case b"unknown":
                return UnknownMerchant()
            case b"closed":
                return self._not_open()
        raise ValueError(answer)


def _packed(together: Sequence[Notification]) -> list[Argument]:
    args: list[Argument] = [len(together)]
    for one in together:
        received_at = "" if one.received_at is None else round(one.received_at * 1000)
        entry = waiting.pack_notification(one)
        args += [
            one.id, one.merchant, one.imp_uid, entry, received_at, one.traceparent, one.token_hash or "",
            unverified_source(one),
        ]  # fmt: skip
    return args
