"""Another encryption key: put in front of the old one it changes nothing, alone it holds what it cannot open."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet

from tests.end_to_end.conftest import StartStack
from tests.support.stack import KEY, Stack

NEW = Fernet.generate_key().decode()


async def with_keys(stack: Stack, *keys: str) -> None:
    """Restart what opens secrets, with these keys."""
    for process in (stack.worker, stack.console):
        assert await process.terminate() == 0
    stack.environ["RELAY_ENCRYPTION_KEY"] = ",".join(keys)
    stack.console = stack._run("console", "console")
    stack.worker = stack.start_worker()
    await stack.console.ready(stack.url("console") + "/readyz")
    await stack.worker.logged("worker_ready")


async def paid(stack: Stack, imp_uid: str) -> None:
    """A payment, announced."""
    await stack.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=1_900_000_000, amount=1004)
    assert (await stack.webhook(imp_uid)).status_code == 200


async def delivery(stack: Stack, imp_uid: str) -> dict[str, Any]:
    """The delivery of a payment's only event, once it has been looked at; empty before."""
    rows: list[dict[str, Any]] = (await stack.api.get("/v1/deliveries")).json()["data"]
    return next((row for row in rows if row["imp_uid"] == imp_uid and row["reason"]), {})


async def test_a_key_is_changed(start_stack: StartStack) -> None:
    """Both keys: everything goes on, signed with the old secret. The new one alone: nothing is sent, nothing is lost,
    and operators are told why. Both again: what was held arrives."""
    stack = await start_stack()
    created = await stack.endpoint(headers={"x-shop": "kept"})
    secret = f"/v1/endpoints/{created['id']}/secret"

    await with_keys(stack, NEW, KEY)
    await paid(stack, "imp_both")
    await stack.until_heard("paid", imp_uid="imp_both")
    assert (await stack.api.get(secret)).json()["secret"] == created["secret"]

    await with_keys(stack, NEW)
    await paid(stack, "imp_alone")
    held = await stack.until(lambda: delivery(stack, "imp_alone"), "it is known what became of it")
    assert held["state"] == "pending"
    assert held["reason"].startswith("held: ")
    assert held["attempts"] == []
    refused = await stack.api.get(secret)
    assert (refused.status_code, "RELAY_ENCRYPTION_KEY" in refused.json()["detail"]) == (500, True)

    await with_keys(stack, NEW, KEY)
    assert (await stack.api.post(f"/v1/deliveries/{held['id']}/retry")).status_code in (200, 202)
    await stack.until_heard("paid", imp_uid="imp_alone")
    stack.heard.verify(created["secret"])
    assert [headers["x-shop"] for headers, _ in stack.heard.requests] == ["kept", "kept"]
