"""Split a look-up that fails, so that one bad payment does not hold back the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from iamport.responses import LookupResult
from schemas.errors import IamportError, IamportFailing, IamportRefused, IamportUnreachable, TooMuchAsked

Ask = Callable[[Sequence[str]], Awaitable[LookupResult]]

MOST_BAD = 8
"""Payments that may fail alone; if more do, i'mport is failing and not the payments."""
QUICK = 3.0
"""Seconds: a slower answer, or none, means that i'mport is failing and not a payment."""
SPLITTING_FOR = 20.0
SPLITTING_SLOWLY_FOR = 60.0
"""Seconds for the parts of a batch whose answer was too large: the first few may take as long as the batch did."""


async def ask_in_parts(ask: Ask, imp_uids: Sequence[str], *, quick: float = QUICK) -> LookupResult:
    """Look payments up with ``ask``. A batch that i'mport fails or refuses within ``quick`` seconds is split, and so is
    one whose answer is too large.

    Two payments are looked up alone first: if both fail, the batch is not the cause, and no further request is made.
    Payments that fail alone, and those for which no time was left, are in ``failed``. Raises what ``ask`` raises.
    """
    asked_at = _now()
    try:
        return await ask(imp_uids)
    except (IamportFailing, IamportRefused) as error:
        too_much = isinstance(error, TooMuchAsked)
        if len(imp_uids) == 1 and _too_large(error):
            return LookupResult({}, frozenset(), {}, {imp_uids[0]: error})
        if len(imp_uids) == 1 or _not_the_batch(error) or (_now() - asked_at > quick and not too_much):
            raise
    return await _Parts(ask, imp_uids, SPLITTING_SLOWLY_FOR if too_much else SPLITTING_FOR).ask_all()


class _Parts:
    """A batch that is looked up in parts."""

    def __init__(self, ask: Ask, imp_uids: Sequence[str], seconds: float) -> None:
        first, *middle, last = imp_uids
        self._ask = ask
        self._parts = [middle, [last], [first]]
        self._answers: list[LookupResult] = []
        self._failed: dict[str, IamportError] = {}
        self._ends = _now() + seconds
        self._most = len(imp_uids)

    async def ask_all(self) -> LookupResult:
        while self._parts:
            part = self._parts.pop()
            if not part:
                continue
            if len(part) > self._most:
                self._halve(part)
                continue
            try:
                self._answers.append(await self._ask(part))
            except IamportError as error:
                self._split_or_fail(part, error)
        return _joined(self._answers, self._failed)

    def _split_or_fail(self, part: list[str], error: IamportError) -> None:
        """Split a part that failed, or record the failure; raises if i'mport is failing and not the payments."""
        if _not_the_batch(error) or _now() > self._ends:
            if not self._answers:
                raise error
            for left in (part, *self._parts):
                self._failed |= dict.fromkeys(left, error)
            self._parts = []
        elif len(part) > 1:
            if isinstance(error, TooMuchAsked):
                self._most = min(self._most, len(part) // 2)
            self._halve(part)
        else:
            self._failed[part[0]] = error
            bad = sum(not _too_large(error) for error in self._failed.values())
            if bad > MOST_BAD or (bad > 1 and not self._answers):
                raise error

    def _halve(self, part: list[str]) -> None:
        middle = len(part) // 2
        self._parts += [part[middle:], part[:middle]]


def _not_the_batch(error: IamportError) -> bool:
    """Whether any other look-up would have failed, too."""
    return isinstance(error, IamportUnreachable) or not isinstance(error, IamportFailing | IamportRefused)


def _too_large(error: IamportError) -> bool:
    """Whether i'mport answered quickly and more than is read: then i'mport itself works."""
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
