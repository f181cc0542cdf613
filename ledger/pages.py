"""The one way to read a long index: newest first, a page at a time, with bounded work however long it is.

A cursor is the place of the last entry read (its score and member), so it stays valid while entries come and go. A
page can be shorter than its limit, even empty, and still have a next cursor: a rare combination of filters is searched
for among `MOST` entries at a time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ledger.store import Store
from schemas.errors import Invalid
from schemas.reasons import Reason

MOST = 5_000
"""Entries of an index that are read for one page, at most."""

T = TypeVar("T")
_SCORE = re.compile(r"[0-9]{1,17}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of those that follow, if there may be any."""

    rows: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: `limit` rows after `cursor`, of the window [since, until) in UNIX seconds."""

    limit: int = 50
    cursor: str | None = None
    since: float | None = None
    until: float | None = None


def encode(score: str, member: str) -> str:
    """The cursor of the entry `member` with `score`."""
    return base64.urlsafe_b64encode(f"{score} {member}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[str, str]:
    """The score and the member of a cursor as `encode` gave it. Raises `Invalid`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Invalid("cursor", Reason.of("bad_cursor")) from None
    score, _, member = text.partition(" ")
    if not _SCORE.fullmatch(score) or not member:
        raise Invalid("cursor", Reason.of("bad_cursor"))
    return score, member


async def walk(
    store: Store, walks: Sequence[str], musts: Sequence[str] = (), *, part: PageRequest, clock: str = ""
) -> Page[str]:
    """A page of the members of `walks`, merged newest first, that are in every index of `musts` too.

    Indexes are named without the prefix (`keys.EVENTS_OF_MERCHANT("default")`). Scores are times in ms; where those of
    `walks` are something else, `clock` is an index of the times. Raises `Invalid` for a cursor that no list returned,
    and `LedgerUnavailable`.
    """
    if not walks:
        return Page(())
    score, member = decode(part.cursor) if part.cursor is not None else ("", "")
    answer = await store.run(
        "read_page", part.limit, MOST, score, member, _ms(part.since), _ms(part.until), clock,
        len(walks), *walks, len(musts), *musts,
    )  # fmt: skip
    more, last_score, last_member, *rows = (value.decode() if isinstance(value, bytes) else value for value in answer)
    return Page(tuple(rows[::2]), encode(last_score, last_member) if more else None)


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else str(round(seconds * 1000))
