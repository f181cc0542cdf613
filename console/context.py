"""Everything that the console's operations work with; made once at start and passed in."""

from __future__ import annotations

from dataclasses import dataclass

from history import History
from iamport.merchant_clients import MerchantClients
from ledger.ledger import Ledger
from runtime.encryption import Sealer
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """Ledger, history, the keys that seal secrets, the settings, and each merchant's client of i'mport."""

    ledger: Ledger
    history: History
    sealer: Sealer
    settings: Settings
    accounts: MerchantClients
