"""Authentication by bearer tokens: several are valid at once, some of them read-only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.setting_values import ApiToken, Rights


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid token: `name` is the token's fingerprint, `actor` the name that people see."""

    name: str
    rights: Rights
    actor: str

    @property
    def read_only(self) -> bool:
        """Whether the token does not allow changes."""
        return self.rights != "write"

    @property
    def metrics_only(self) -> bool:
        """Whether the token is valid for /metrics only."""
        return self.rights == "metrics"


class ApiTokens:
    """The valid tokens, compared in constant time."""

    def __init__(self, tokens: Iterable[ApiToken]) -> None:
        self._known = [(_digest(token.value.get_secret_value()), token) for token in tokens]

    def caller(self, authorization: str | None) -> Caller | None:
        """The caller that an `Authorization` header authenticates; None if its token is not valid."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self.holder(token.strip())

    def holder(self, token: str) -> Caller | None:
        """The holder of this token; None if it is not valid."""
        given = _digest(token)
        found: Caller | None = None
        for digest, known in self._known:
            # Every token is compared, so that the time does not reveal which one matched.
            if hmac.compare_digest(digest, given):
                found = Caller(known.fingerprint, known.rights, known.actor)
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
