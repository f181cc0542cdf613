"""Checks before a process uses a ledger: its rights in Redis, its encryption keys, the version of its data format."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

import structlog

from ledger.acl import AclProblem
from ledger.cells import Cells
from ledger.keys import NAME, SPREAD
from ledger.scripting import raised
from runtime.encryption import Sealer
from schemas.errors import BadSetting, Unreadable
from schemas.payments.codec import READABLE_FROM, VERSION
from schemas.reasons import english

OLDEST = 4
"""The oldest version of the stored shapes that this code reads. No release had an older one."""

_CANARY = "a canary"

log = structlog.get_logger()


def check_usable(*problems: AclProblem | None) -> None:
    """Raise `BadSetting` for the first problem that lasts until an operator changes something; log the others."""
    for problem in problems:
        if problem is None:
            continue
        if problem.lasting:
            raise BadSetting(str(problem))
        log.warning("queue_away" if problem.of == "queue" else "ledger_away", error=english(problem.problem))


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes that a process reads and writes: it reads those from ``oldest`` on and writes the ``newest``, which
    code from version ``readable_from`` on reads, too."""

    oldest: int
    newest: int
    readable_from: int


OURS = Shapes(OLDEST, VERSION, READABLE_FROM)


async def stored_version(cells: Cells) -> int | None:
    """The version of the ledger's shapes, None if the ledger was not begun. Raises `BadSetting` for a version that this
    code cannot work with, and `LedgerUnavailable`."""
    version, readable_from = await cells.shared.run("read_versions")
    if version is None:
        return None
    _check_shapes(int(version), int(readable_from or version), OURS)
    return int(version)


async def begin(cells: Cells, sealer: Sealer, *, shapes: Shapes = OURS) -> str:
    """Check that this version reads the ledger's shapes, that one of the keys opens its canary and that it has as many
    cells as are set; return its name.

    The first process writes all of this. If the part that all cells share was lost with a node, a cell still has the
    name. A stored version that is older is raised. The canary is sealed anew with the first key, so that an old key can
    be removed once everything else is sealed anew, too. Raises `BadSetting` and `LedgerUnavailable`.
    """
    named = raised(await cells.scripting.ask([(store.prefix, ("GET", store.prefix + NAME())) for store in cells]))
    name = next((text.decode() for text in named if text), f"ldg_{uuid4().hex}")
    args = (shapes.newest, sealer.seal(_CANARY), name, len(cells), shapes.readable_from)
    begun = await cells.shared.run("begin_ledger", *args, durable=True)
    stored, canary, name, spread, readable_from = (text.decode() for text in begun)
    if int(spread) != len(cells):
        raise other_number_of_cells(cells, int(spread))
    _check_shapes(int(stored), int(readable_from), shapes)
    try:
        sealer.open(canary)
    except Unreadable:
        raise BadSetting(
            "RELAY_ENCRYPTION_KEY: ***: none of these keys opens this ledger's secrets: add the key that they are"
            " sealed with, after a comma"
        ) from None
    await cells.shared.run("reseal_canary", canary, sealer.seal(_CANARY), durable=True)
    await cells.shared.run("raise_version", shapes.newest, shapes.readable_from, durable=True)
    return str(name)


async def cells_begun_with(cells: Cells) -> int | None:
    """How many cells the ledger was begun with, None if it was not begun. Raises `LedgerUnavailable`."""
    stored = await cells.shared.ask("GET", cells.shared.prefix + SPREAD())
    return None if stored is None else int(stored)


def other_number_of_cells(cells: Cells, begun_with: int) -> BadSetting:
    """The error for a process whose setting is another number of cells than its ledger has."""
    return BadSetting(
        f"RELAY_CELLS={len(cells)} is not usable: this ledger was begun with {begun_with}, which it keeps for good"
    )


def _check_shapes(version: int, readable_from: int, shapes: Shapes) -> None:
    if readable_from > shapes.newest:
        raise BadSetting(
            f"REDIS_URL: this ledger's data format is version {version}; reading it takes a release that knows version"
            f" {readable_from} or later, and this one knows {shapes.newest}: start a newer release"
        )
    if version < shapes.oldest:
        raise BadSetting(
            f"REDIS_URL: this ledger's data format is version {version}; this release reads version {shapes.oldest}"
            " and later: use an empty Redis and rebuild the ledger from i'mport"
        )
