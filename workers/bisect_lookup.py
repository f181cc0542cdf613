"""Split a look-up that fails, so that one bad payment does not hold back the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from iamport.responses import LookupResult
from schemas.errors import IamportError, IamportFailing, IamportRefused, IamportUnreachable, TooMuchAsked

LookUp = Callable[[Sequence[str]], Awaitable[LookupResult]]

MOST_FAILED = 8
"""Payments that may fail when looked up alone. If more do, i'mport itself is failing."""
QUICK = 3.0
"""Seconds in which a failure may be due to one payment; a slower one means that i'mport itself is failing."""
SPLIT_WITHIN = 20.0
"""Seconds for the parts of a batch that failed."""
SPLIT_LARGE_WITHIN = 60.0
"""Seconds for the parts of a batch whose answer was too large: the first few may take as long as the batch did."""


async def look_up_in_parts(look_up: LookUp, imp_uids: Sequence[str], *, quick: float = QUICK) -> LookupResult:
    """Look payments up with ``look_up``. A batch is split if its answer is too large, or if i'mport fails or refuses it
    within ``quick`` seconds.

    Two payments are looked up alone first: if both fail, the batch is not the cause, and no further request is made.
    Payments that fail alone, and those for which no time was left, are in ``failed``. Raises what ``look_up`` raises.
    """
    began = _now()
    try:
        return await look_up(imp_uids)
    except (IamportFailing, IamportRefused) as error:
        too_large = isinstance(error, TooMuchAsked)
        if len(imp_uids) == 1 and _only_too_large(error):
            return LookupResult({}, frozenset(), {}, {imp_uids[0]: error})
        if len(imp_uids) == 1 or _fails_for_all(error) or (_now() - began > quick and not too_large):
            raise
    return await _SplitLookup(look_up, imp_uids, SPLIT_LARGE_WITHIN if too_large else SPLIT_WITHIN).look_up_all()


class _SplitLookup:
    """The look-up of a batch in parts."""

    def __init__(self, look_up: LookUp, imp_uids: Sequence[str], seconds: float) -> None:
        first, *middle, last = imp_uids
        self._look_up = look_up
        self._parts = [middle, [last], [first]]
        self._answers: list[LookupResult] = []
        self._failed: dict[str, IamportError] = {}
        self._deadline = _now() + seconds
        self._largest_part = len(imp_uids)

    async def look_up_all(self) -> LookupResult:
        while self._parts:
            part = self._parts.pop()
            if not part:
                continue
            if len(part) > self._largest_part:
                self._halve(part)
                continue
            try:
                self._answers.append(await self._look_up(part))
            except IamportError as error:
                self._split_or_fail(part, error)
        return _joined(self._answers, self._failed)

    def _split_or_fail(self, part: list[str], error: IamportError) -> None:
        """Split a part that failed, or record the failure; raise if i'mport itself is failing."""
        if _fails_for_all(error) or _now() > self._deadline:
            if not self._answers:
                raise error
            for unfinished in (part, *self._parts):
                self._failed |= dict.fromkeys(unfinished, error)
            self._parts = []
        elif len(part) > 1:
            if isinstance(error, TooMuchAsked):
                self._largest_part = min(self._largest_part, len(part) // 2)
            self._halve(part)
        else:
            self._failed[part[0]] = error
            failed_alone = sum(not _only_too_large(error) for error in self._failed.values())
            if failed_alone > MOST_FAILED or (failed_alone > 1 and not self._answers):
                raise error

    def _halve(self, part: list[str]) -> None:
        middle = len(part) // 2
        self._parts += [part[middle:], part[:middle]]


def _fails_for_all(error: IamportError) -> bool:
    """Whether every other look-up would fail as well."""
    return isinstance(error, IamportUnreachable) or not isinstance(error, IamportFailing | IamportRefused)


def _only_too_large(error: IamportError) -> bool:
    """Whether the answer came quickly but is larger than the limit: then i'mport itself works."""
    return isinstance(error, TooMuchAsked) and not error.slow


def _joined(answers: Sequence[LookupResult], failed: dict[str, IamportError]) -> LookupResult:
    return LookupResult(
        found={imp_uid: row for answer in answers for imp_uid, row in answer.found.items()},
        unknown=frozenset(imp_uid for answer in answers for imp_uid in answer.unknown),
        malformed={imp_uid: error for answer in answers for imp_uid, error in answer.malformed.items()},
        failed={imp_uid: error for answer in answers for imp_uid, error in answer.failed.items()} | failed,
        others=tuple(imp_uid for answer in answers for imp_uid in answer.others),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
