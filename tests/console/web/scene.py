"""A ledger with something of everything: what pages have to show."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.endpoints.delivery import Dead, Delivered
from schemas.reasons import Reason
from tests.console.conftest import Console
from tests.support.machine import NOW, look_at, notify, payment, seen, send

BUYER = "홍길동"
ANSWER = "no such order"
"""What an endpoint has said."""


@dataclass(frozen=True)
class Scene:
    """The ids of what is there: `payment` has arrived at `well`, and is dead at `sick`."""

    payment: str
    event: str
    well: str
    sick: str

    @property
    def dead(self) -> str:
        """The delivery that died."""
        return f"{self.event}.{self.sick}"

    @property
    def pages(self) -> list[str]:
        """Every page there is."""
        return [
            "/", "/?range=24h", "/payments", f"/payments?q={self.payment}", f"/payments/default/{self.payment}",
            "/payments/default/imp_made_up", "/events", f"/events/{self.event}", "/deliveries",
            "/deliveries?state=dead", f"/deliveries/{self.dead}", "/endpoints", "/endpoints/new",
            f"/endpoints/{self.sick}", f"/endpoints/{self.sick}/edit", "/replays", "/notifications",
            "/reconciliations", "/figures", "/find?q=order_", "/merchants", "/merchants/new",
            "/merchants/new?merchant=default", "/settings", "/audit", "/audit?action=endpoint.create",
        ]  # fmt: skip


async def set_up(console: Console) -> Scene:
    """One payment with two deliveries, one of them dead; a pending cancellation's like; a webhook that was made up."""
    well = await console.endpoint(url="http://127.0.0.1:9/well", description="<b>shop</b>")
    sick = await console.endpoint(url="http://127.0.0.1:9/sick", headers={"authorization": "Bearer s3cret"})
    await seen(console.ledger, "imp_1", card_number="4111111111111111", custom_data='{"note":"비밀"}')
    await send(console.ledger, well["id"], Delivered(), status_code=200, response="thanks <script>")
    await send(
        console.ledger,
        sick["id"],
        Dead(Reason.of("attempts_exhausted", Reason.of("http_answer", status=500), attempts=1)),
        status_code=500,
        response=ANSWER,
    )
    await notify(console.ledger, "imp_made_up", extra=f'{{"event":"Some.Thing","buyer_name":"{BUYER}"}}'.encode())
    await look_at(console.ledger, {})
    await seen(console.ledger, "imp_2", status="ready", paid_at=0, pay_method="vbank", vbank_num="123",
               vbank_date=NOW + 3600, vbank_holder=BUYER)  # fmt: skip
    event = (await console.call("GET", "/v1/events", params={"imp_uid": "imp_1"})).json()["data"][0]["id"]
    assert payment("imp_1")["buyer_name"] == BUYER
    return Scene("imp_1", event, well["id"], sick["id"])
