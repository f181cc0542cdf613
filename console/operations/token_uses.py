"""The tokens of operators, and when each was last used: by whichever console, at API, pages and metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from console.context import Context
from ledger.operators import Operators
from runtime.setting_values import Rights
from schemas.errors import LedgerUnavailable

NOTE_EVERY = 60.0
"""Seconds in which all uses of a token are noted as one."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as operators see it: its `fingerprint`, never the token. `actor` is what the audit calls who uses it.
    `last_used_at` is in UNIX seconds, None where it has not been used for long."""

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
        """The token with this fingerprint, which is valid, was used."""
        now = time.monotonic()
        if now - self._noted.get(fingerprint, float("-inf")) < NOTE_EVERY:
            return
        self._noted[fingerprint] = now
        try:
            await self._operators.note_use(fingerprint)
        except LedgerUnavailable as error:
            log.info("token_use_not_noted", error=str(error))


async def list_tokens(context: Context, *, read_only: bool) -> tuple[Token, ...]:
    """The tokens that this console takes, in the order of its settings. Who may only read sees how each fingerprint
    begins, as a short token could be guessed by it. Raises `LedgerUnavailable`."""
    known = context.settings.api_tokens
    uses = await context.ledger.operators.last_uses([token.fingerprint for token in known])
    shown = 8 if read_only else None
    return tuple(
        Token(token.fingerprint[:shown], token.actor, token.rights, at) for token, at in zip(known, uses, strict=True)
    )
