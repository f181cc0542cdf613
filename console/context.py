"""What every handler of the console works with; made once, at start, and handed in."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.idempotency import Idempotency
from ledger.ledger import Ledger
from schemas.seal import Sealer
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The ledger, the keys that seal secrets, and the settings."""

    ledger: Ledger
    sealer: Sealer
    settings: Settings

    @property
    def idempotency(self) -> Idempotency:
        """The answers to requests that must not be carried out twice."""
        return Idempotency(self.ledger.store)
