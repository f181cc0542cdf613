"""What every handler of the console works with; made once, at start, and handed in."""

from __future__ import annotations

from dataclasses import dataclass

from iamport.merchant_clients import MerchantClients
from ledger.acl_watch import AclWatch
from ledger.idempotency import Idempotency
from ledger.ledger import Ledger
from runtime.encryption import Sealer
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The ledger, the keys that seal secrets, the settings, i'mport as each merchant sees it, and who watches Redis."""

    ledger: Ledger
    sealer: Sealer
    settings: Settings
    accounts: MerchantClients
    watch: AclWatch

    @property
    def idempotency(self) -> Idempotency:
        """The answers to requests that must not be carried out twice."""
        return Idempotency(self.ledger.store)
