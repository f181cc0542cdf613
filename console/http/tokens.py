"""Who is calling: bearer tokens, several valid at once, some of them read-only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.variables import ApiToken, Rights


@dataclass(frozen=True, slots=True)
class Caller:
    """A valid token: `name` is a fingerprint that tells it from others and gives nothing away."""

    name: str
    rights: Rights

    @property
    def read_only(self) -> bool:
        """Whether it may change nothing."""
        return self.rights != "write"

    @property
    def metrics_only(self) -> bool:
        """Whether it is good for /metrics and nothing else."""
        return self.rights == "metrics"


class ApiTokens:
    """The tokens that are valid. Comparing takes as long whichever of them is given, or none."""

    def __init__(self, tokens: Iterable[ApiToken]) -> None:
        self._known = [(_digest(token.value.get_secret_value()), token.rights) for token in tokens]

    def caller(self, authorization: str | None) -> Caller | None:
        """Who an `Authorization` header speaks for; None where that is nobody."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self.holder(token.strip())

    def holder(self, token: str) -> Caller | None:
        """Who holds this token; None where nobody does."""
        given = _digest(token)
        found: Caller | None = None
        for digest, rights in self._known:
            # Every token is compared, so that the time says nothing of which one fitted.
            if hmac.compare_digest(digest, given):
                found = Caller(digest.hex()[:32], rights)
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
