"""Idempotency keys: the first answer under a key is the answer for a day, and the request is carried out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.store import Store

ANSWER_KEPT = 24 * 3600
"""Seconds for which an answer is kept."""
MAY_RUN = 120
"""Seconds after which a request that never ended counts as lost, and its key is free again."""


@dataclass(frozen=True, slots=True)
class PreviousRequest:
    """The earlier request under a key: `other` means that it was a different one; `answered` is its sealed answer."""

    what: Literal["other", "running", "answered"]
    answer: str = ""


class Idempotency:
    """Keys of requests and their answers. `name` tells key, token and path apart; `owner` one request from another."""

    def __init__(self, shared: Store) -> None:
        self._store = shared

    async def begin(self, name: str, fingerprint: str, owner: str) -> PreviousRequest | None:
        """Take a key for a request; None if the caller has it now, else the request that has it."""
        what, *answer = await self._store.run("begin_request", name, fingerprint, owner, MAY_RUN * 1000)
        match what:
            case b"begun":
                return None
            case b"other":
                return PreviousRequest("other")
            case b"running":
                return PreviousRequest("running")
        return PreviousRequest("answered", answer[0].decode())

    async def end(self, name: str, owner: str, answer: str | None) -> None:
        """Store the sealed answer of a request that has ended; None frees the key, so that it can be tried again."""
        await self._store.run("end_request", name, owner, answer or "", ANSWER_KEPT * 1000, durable=bool(answer))
