"""Payments: in lists, one by one, and with the record to go on from if a payment has left the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import PATIENCE, Database
from history.pages import Listing, Page, PageRequest, Walk, of_row, page
from schemas.errors import NotFound
from schemas.outbox.entries import Order, Payment
from schemas.reasons import Reason

LISTING = Listing(
    "payments",
    tables.payment,
    "first_at",
    (
        Walk(("imp_uid",)),
        Walk(("merchant_uid",)),
        Walk(("status",), where=tables.UNPAID, serves=lambda status: status != "paid"),
        Walk(("merchant",)),
        Walk(),
    ),
)

_T = tables.payment


class Payments:
    """The payments, by the time at which each was first recorded, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        part: PageRequest,
        *,
        merchant: str | None = None,
        imp_uid: str | None = None,
        merchant_uid: str | None = None,
        status: str | None = None,
    ) -> Page[Payment]:
        """Payments of one merchant or all, of one order number, in one status. Raises `Invalid`."""
        filters = {"merchant": merchant, "imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}

        def read(connection: Connection) -> Page[Payment]:
            rows, cursor = page(connection, LISTING, part, filters)
            return Page(tuple(of_row(Payment, row) for row in rows), cursor)

        return await self._database.read(read)

    async def get(self, merchant: str, imp_uid: str, *, patience: float = PATIENCE) -> Payment:
        """One payment. Raises `NotFound`."""
        found = await self.some([(merchant, imp_uid)], patience=patience)
        if not found:
            raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
        return found[merchant, imp_uid]

    async def some(
        self, names: Sequence[tuple[str, str]], *, patience: float = PATIENCE
    ) -> Mapping[tuple[str, str], Payment]:
        """These payments (merchant, imp_uid), by one query; those that history does not have are left out. Refreshes
        ask this for payments that the ledger does not have."""
        wanted = set(names)

        def read(connection: Connection) -> Mapping[tuple[str, str], Payment]:
            # The statement is the same for any number of payments, so SQLAlchemy compiles it once.
            rows = connection.execute(select(_T).where(_T.c.imp_uid.in_([imp_uid for _, imp_uid in names]))).all()
            found = {(row.merchant, row.imp_uid): row for row in rows}
            return {name: of_row(Payment, row) for name, row in found.items() if name in wanted}

        return await self._database.read(read, patience) if names else {}

    async def orders(self, merchant: str, merchant_uids: Sequence[str]) -> Sequence[Order]:
        """What the merchant expects to be paid for these orders; those without an amount are left out."""
        expectation = tables.order_expectation
        mine = (expectation.c.merchant == merchant, expectation.c.merchant_uid.in_(merchant_uids))
        asked = select(expectation).where(*mine)
        return await self._database.read(lambda connection: [Order(*row) for row in connection.execute(asked)])
