"""The registry of merchants: sealed credentials, and what each merchant wants recorded and delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger import keys
from ledger.cells import Cells, by
from ledger.rows import Row, hashes, members, members_of_all, newest_of_all, seconds, text
from schemas.errors import Conflict, NotFound
from schemas.reasons import Reason, stored
from schemas.webhook_address import DEFAULT_MERCHANT

HEAD_START_MS = 3_600_000
"""Unless `since` is given, a merchant's facts are delivered from so many ms before it was first added."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant. `imp_key` and `imp_secret` are sealed, or "" where the environment has the credentials.

    Times are UNIX seconds; events of facts before `since` are recorded silently. `token_hash` is the SHA-256 in hex of
    the token that the path of its webhooks must have. `tier` is an agency's code for a sub-merchant. `trouble` says why
    its payments cannot be looked up. `sandbox_since` is when `include_sandbox` was switched on; 0 if it is off, or was
    on from the start.
    """

    name: str
    created_at: float
    since: float
    include_sandbox: bool = False
    sandbox_since: float = 0.0
    check_prepared: bool = False
    imp_key: str = field(default="", repr=False)
    imp_secret: str = field(default="", repr=False)
    token_hash: str | None = field(default=None, repr=False)
    tier: str | None = None
    trouble: Reason | None = None


class Merchants:
    """The registry of merchants."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def put(
        self,
        name: str,
        *,
        imp_key: str,
        imp_secret: str,
        include_sandbox: bool = False,
        check_prepared: bool = False,
        since: float | None = None,
        token_hash: str | None = None,
        tier: str | None = None,
    ) -> bool:
        """Store all of a merchant; return whether it is new. The keys come sealed. `since` (UNIX seconds) is an hour
        before the merchant was first added, unless given.

        Without `include_sandbox`, unsettled deliveries of test channels are discarded. If this breaks off, putting the
        merchant again finishes it."""
        store = self._cells.of(name)
        new = await store.run(
            "put_merchant", name, imp_key, imp_secret, int(include_sandbox), int(check_prepared),
            "" if since is None else round(since * 1000), HEAD_START_MS, token_hash or "", tier or "",
            durable=True,
        )  # fmt: skip
        if not include_sandbox:
            for endpoint in await members(store, keys.ENDPOINTS_OF_MERCHANT(name)):
                cursor = b"0"
                while cursor:
                    cursor = await store.run("discard_sandbox_deliveries", name, endpoint, cursor)
        return bool(new)

    async def reseal(self, merchant: Merchant, *, imp_key: str, imp_secret: str) -> bool:
        """Replace only the sealed credentials of a merchant; False if they were changed since it was read."""
        args = (merchant.name, merchant.imp_key, merchant.imp_secret, imp_key, imp_secret)
        return bool(await self._cells.of(merchant.name).run("reseal_merchant", *args, durable=True))

    async def ensure(self, name: str) -> None:
        """Add the merchant unless it is known, without credentials: they are in the environment."""
        await self._cells.of(name).run("ensure_merchant", name, HEAD_START_MS)

    async def get(self, name: str) -> Merchant:
        """The merchant of this name. Raises `NotFound`."""
        fields = (await hashes(self._cells.of(name), [keys.MERCHANT(name)]))[0]
        if not fields:
            raise NotFound(Reason.of("not_found", kind="merchant", id=name))
        return load_merchant(name, fields)

    async def some(self, names: Sequence[str]) -> Sequence[Merchant]:
        """These merchants, without those that do not exist."""
        found: dict[str, Row] = {}
        for store, mine in by(names, self._cells.of).items():
            rows = await hashes(store, [keys.MERCHANT(name) for name in mine])
            found |= dict(zip(mine, rows, strict=True))
        return [load_merchant(name, found[name]) for name in names if found[name]]

    async def newest(self, most: int) -> Sequence[Merchant]:
        """The merchants that were added last, the newest first: at most `most`."""
        return await self.some(await newest_of_all(self._cells, keys.MERCHANTS(), most))

    async def names(self) -> tuple[str, ...]:
        """The names of all merchants, `default` first, because it takes webhooks even before it is added."""
        added = await members_of_all(self._cells, keys.MERCHANTS())
        return (DEFAULT_MERCHANT, *(name for name in added if name != DEFAULT_MERCHANT))

    async def delete(self, name: str) -> None:
        """Delete a merchant; its payments and events stay, and its dirty payments wait until it is put again.

        After the retention they are removed from the lane. Raises `NotFound`, and `Conflict` while it has endpoints."""
        outcome = await self._cells.of(name).run("delete_merchant", name, durable=True)
        if outcome == b"unknown":
            raise NotFound(Reason.of("not_found", kind="merchant", id=name))
        if outcome == b"endpoints":
            raise Conflict(Reason.of("merchant_has_endpoints", merchant=name))


def load_merchant(name: str, row: Row) -> Merchant:
    """The merchant of a row `merchant:m`."""
    return Merchant(
        name=name,
        created_at=seconds(row, "created_at") or 0.0,
        since=seconds(row, "since") or 0.0,
        include_sandbox=row.get("include_sandbox") == b"1",
        sandbox_since=seconds(row, "sandbox_since") or 0.0,
        check_prepared=row.get("check_prepared") == b"1",
        imp_key=text(row, "imp_key") or "",
        imp_secret=text(row, "imp_secret") or "",
        token_hash=text(row, "token_hash"),
        tier=text(row, "tier"),
        trouble=stored(row.get("trouble")),
    )
