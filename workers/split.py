"""A batch that i'mport refuses is split, so that one bad id does not hold back the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from iamport.answers import Looked
from schemas.errors import IamportRefused

Ask = Callable[[Sequence[str]], Awaitable[Looked]]

MOST_REFUSED = 8
"""Single ids that may be refused before it is i'mport that is in trouble, not they."""


async def ask_in_parts(ask: Ask, imp_uids: Sequence[str]) -> Looked:
    """What ``ask`` finds, asking in halves where it refuses; an id refused alone is in ``failed``.

    Raises what ``ask`` raises, and `IamportRefused` where it refuses all, or too much.
    """
    parts, answers, refused = [list(imp_uids)], [], dict[str, IamportRefused]()
    while parts:
        part = parts.pop()
        try:
            answers.append(await ask(part))
        except IamportRefused as error:
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            refused[part[0]] = error
            if len(refused) == len(imp_uids) or len(refused) > MOST_REFUSED:
                raise
    found = {imp_uid: row for answer in answers for imp_uid, row in answer.found.items()}
    malformed = {imp_uid: error for answer in answers for imp_uid, error in answer.malformed.items()}
    failed = {imp_uid: error for answer in answers for imp_uid, error in answer.failed.items()}
    unknown = frozenset(imp_uid for answer in answers for imp_uid in answer.unknown)
    return Looked(found, unknown, malformed, {**failed, **refused})
