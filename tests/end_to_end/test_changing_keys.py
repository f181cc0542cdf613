"""Another encryption key: put in front of the old one it changes nothing, alone it holds what it cannot open."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet

from tests.support.relay import KEY, Relay

NEW = Fernet.generate_key().decode()


async def with_keys(relay: Relay, *keys: str) -> None:
    """Restart what opens secrets, with these keys."""
    for process in (relay.worker, relay.console):
        assert await process.terminate() == 0
    relay.environ["RELAY_ENCRYPTION_KEY"] = ",".join(keys)
    relay.console = relay.start_console()
    await relay.replace_worker()
    await relay.console.ready(relay.url("console") + "/readyz")


async def delivery(relay: Relay, imp_uid: str) -> dict[str, Any]:
    """The delivery of a payment's only event, once it has been looked at; empty before."""
    rows: list[dict[str, Any]] = (await relay.api.get("/v1/deliveries")).json()["data"]
    return next((row for row in rows if row["imp_uid"] == imp_uid and row["reason"]), {})


async def test_a_key_is_changed(relay: Relay) -> None:
    """Both keys: everything goes on, signed with the old secret. The new one alone: nothing is sent, nothing is lost,
    and operators are told why. Both again: what was held arrives."""
    created = await relay.endpoint(headers={"x-shop": "kept"})
    secret = f"/v1/endpoints/{created['id']}/secret"

    await with_keys(relay, NEW, KEY)
    await relay.paid(imp_uid="imp_both")
    await relay.until_received("paid", imp_uid="imp_both")
    assert (await relay.api.get(secret)).json()["secret"] == created["secret"]

    await with_keys(relay, NEW)
    await relay.paid(imp_uid="imp_alone")
    held = await relay.until(lambda: delivery(relay, "imp_alone"), "it is known what became of it")
    assert held["state"] == "pending"
    assert held["reason"].startswith("held: ")
    assert held["attempts"] == []
    refused = await relay.api.get(secret)
    assert (refused.status_code, "RELAY_ENCRYPTION_KEY" in refused.json()["detail"]) == (500, True)

    await with_keys(relay, NEW, KEY)
    assert (await relay.api.post(f"/v1/deliveries/{held['id']}/retry")).status_code in (200, 202)
    await relay.until_received("paid", imp_uid="imp_alone")
    relay.subscriber.verify(created["secret"])
    assert [request.headers["x-shop"] for request in relay.subscriber.requests] == ["kept", "kept"]
