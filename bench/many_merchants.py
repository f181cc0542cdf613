"""A relay with several merchants, which spread over the cells, on servers of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from bench.machine import Machine
from bench.systems import CREDENTIALS, SECRET, RelaySystem, endpoint_name
from bench.traffic import Traffic
from schemas.endpoints.endpoint import Endpoint, SealedSecret

MERCHANTS = tuple(f"shop-{number:02}" for number in range(12))


class ManyMerchants(RelaySystem):
    """Each payment is of the merchant that its name decides; each merchant has one endpoint. `servers` have the
    ledger."""

    def __init__(self, machine: Machine, settings: Mapping[str, str], servers: Sequence[int], *, workers: int) -> None:
        super().__init__(machine, settings, workers=workers)
        self.servers = [*servers]

    def traffic(self) -> Traffic:
        return Traffic(self.port, path=lambda imp_uid: f"/webhooks/{merchant_of(imp_uid)}")

    async def subscribe(self, endpoints: Sequence[str]) -> None:
        """Adds the merchants, and registers the one URL for all events of each."""
        (url,) = endpoints
        ledger, sealer = self.ledger(), self._sealer
        key, secret = (sealer.seal(value) for value in CREDENTIALS.values())
        for number, merchant in enumerate(MERCHANTS):
            await ledger.merchants.put(merchant, imp_key=key, imp_secret=secret)
            signing = SealedSecret(sealer.seal(SECRET))
            await ledger.endpoints.create(Endpoint(endpoint_name(number), merchant, url, secrets=(signing,)))
        await ledger.close()


def merchant_of(imp_uid: str) -> str:
    """Whose payment it is."""
    return MERCHANTS[crc32(imp_uid.encode()) % len(MERCHANTS)]
