"""The tokens of operators, and when each was last used, at any console: for API, pages or metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from console.context import Context
from ledger.operators import Operators
from runtime.setting_values import Rights
from schemas.errors import LedgerUnavailable

NOTE_EVERY = 60.0
"""All uses of a token within so many seconds are noted as one."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators see it: its `fingerprint`, never the token itself. `actor` is the name of its user in the
    audit. `last_used_at` is in UNIX seconds, None if the token has not been used for long."""

    fingerprint: str
    actor: str
    rights: Rights
    last_used_at: float | None


class TokenUses:
    """Notes uses of tokens."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._noted: dict[str, float] = {}

    async def note(self, fingerprint: str) -> None:
        """Note a use of the valid token with this fingerprint."""
        now = time.monotonic()
        if now - self._noted.get(fingerprint, float("-inf")) < NOTE_EVERY:
            return
        self._noted[fingerprint] = now
        try:
            await self._operators.note_use(fingerprint)
        except LedgerUnavailable as error:
            log.info("token_use_not_noted", error=str(error))


async def list_tokens(context: Context, *, read_only: bool) -> tuple[Token, ...]:
    """The tokens that this console takes, in the order of its settings. Read-only operators see only the beginning of
    each fingerprint, as a short token could be guessed from it. Raises `LedgerUnavailable`."""
    known = context.settings.api_tokens
    uses = await context.ledger.operators.last_uses([token.fingerprint for token in known])
    shown = 8 if read_only else None
    return tuple(
        Token(token.fingerprint[:shown], token.actor, token.rights, at) for token, at in zip(known, uses, strict=True)
    )
