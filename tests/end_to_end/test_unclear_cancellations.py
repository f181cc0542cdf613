"""Cancellations whose answer never comes: i'mport out of reach, answers lost, consoles killed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.clients import http_client
from tests.support.ledger_state import ledger_state
from tests.support.processes import Process
from tests.support.relay import REQUESTED, Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()


async def test_wrong_credentials_leave_no_trace(relay: Relay) -> None:
    """502 where i'mport turns the credentials down: nothing was sent, nothing is open, and it works again later."""
    imp_uid = await relay.paid()
    await relay.faults(revoked=True)

    answer = await relay.cancel(imp_uid)

    assert answer.status_code == 502, answer.text
    await relay.faults()
    assert (await relay.payment(imp_uid))["cancellations"] == []
    assert (await relay.cancel(imp_uid)).status_code == 200
    await relay.until_recorded(imp_uid, "paid", "cancelled")


async def test_too_many_requests_leave_no_trace(relay: Relay) -> None:
    """A 429 turned it away at the door: 502, and nothing is open."""
    imp_uid = await relay.paid()
    await relay.faults(status=429, paths=["/payments/cancel"])

    answer = await relay.cancel(imp_uid)

    await relay.faults()
    assert answer.status_code == 502, answer.text
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"]) == ("paid", [])


async def test_an_i_mport_that_cannot_be_reached(relay: Relay) -> None:
    """A connection that never came about is 502 and leaves no trace."""
    imp_uid = await relay.paid()
    console, api = await another_console(relay, IMP_API_URL=f"http://127.0.0.1:{relay.free_port()}")

    async with api:
        answer = await api.post(f"/v1/payments/{imp_uid}/cancellations", json={})

    assert answer.status_code == 502, answer.text
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"]) == ("paid", [])
    assert await console.terminate() == 0


@pytest.mark.parametrize("fault", [{"status": 500}, {"html": True, "status": 502}, {"timeout": True}])
async def test_an_answer_that_is_lost(relay: Relay, fault: dict[str, Any]) -> None:
    """504 where i'mport acts and its answer is lost: it stays open, is never sent again, and asking finds out."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    await relay.faults(after=True, paths=["/payments/cancel"], **fault)

    answer = await relay.cancel(imp_uid)

    assert answer.status_code == 504, answer.text
    await relay.faults()
    payment = await relay.until_status(imp_uid, "cancelled")
    assert [row["state"] for row in payment["cancellations"]] == ["confirmed"]
    told = await relay.event_types(imp_uid)
    assert told in (["paid", "cancelled"], ["paid", REQUESTED, "cancelled"])
    assert len(await relay.asked("/payments/cancel")) == 1


async def test_an_answer_about_another_payment(relay: Relay) -> None:
    """504 where i'mport acts and answers with another payment: nothing is made of that one, and asking finds out."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    await relay.faults(poison={imp_uid: "other"})

    answer = await relay.cancel(imp_uid)

    assert (answer.status_code, f"not about {imp_uid}" in answer.json()["detail"]) == (504, True), answer.text
    await relay.console.logged("cancellation_unclear", imp_uid=imp_uid)
    await relay.until_status(imp_uid, REQUESTED)
    await relay.faults()
    payment = await relay.until_status(imp_uid, "cancelled")
    assert [row["state"] for row in payment["cancellations"]] == ["confirmed"]
    assert await relay.payment(f"imp_other_{imp_uid}") == {}
    assert len(await relay.asked("/payments/cancel")) == 1
    await relay.until_recorded(imp_uid, "paid", REQUESTED, "cancelled")


async def test_an_answer_that_is_lost_before_i_mport_acts(relay: Relay) -> None:
    """504 where i'mport never acts: it stays open until an operator closes it, and more can be asked for after that."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    await relay.faults(status=500, paths=["/payments/cancel"], times=1)

    answer = await relay.cancel(imp_uid)

    assert answer.status_code == 504, answer.text
    payment = await relay.until_status(imp_uid, REQUESTED)
    (request,) = payment["cancellations"]
    assert (request["amount"], request["state"]) == (1004, "open")
    assert (await relay.cancel(imp_uid)).status_code == 409
    await asyncio.sleep(1.2)  # it may not be sent again with the refreshes that ask for it
    assert len(await relay.asked("/payments/cancel")) == 1
    await relay.api.post(f"/v1/payments/{imp_uid}/cancellations/{request['id']}/reject", json={})
    assert (await relay.cancel(imp_uid)).status_code == 200
    await relay.until_recorded(imp_uid, "paid", REQUESTED, "cancellation_rejected", "cancelled")


async def test_a_console_killed_while_i_mport_acts(relay: Relay) -> None:
    """Killed between intent and answer, i'mport having acted: the result is found, and nothing is sent twice."""
    imp_uid = await relay.paid()
    await relay.forget_requests()

    await kill_while_asking(relay, imp_uid, after=True, slow=5)

    await relay.until_recorded(imp_uid, "paid", "cancelled")
    payment = await relay.payment(imp_uid)
    assert [row["state"] for row in payment["cancellations"]] == ["confirmed"]
    assert len(await relay.asked("/payments/cancel")) == 1


async def test_a_console_killed_and_nobody_knows(relay: Relay) -> None:
    """Killed between intent and answer, i'mport never having acted: after a minute it is open, and stays so."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    await kill_while_asking(relay, imp_uid, slow=5, status=500)
    assert (await relay.cancel(imp_uid)).status_code == 409
    assert await relay.event_types(imp_uid) == ["paid"]

    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        await state.age_request(imp_uid, 61)
    await relay.api.post(f"/v1/payments/{imp_uid}/refresh")

    await relay.until_recorded(imp_uid, "paid", REQUESTED)
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"][0]["state"]) == (REQUESTED, "open")
    assert len(await relay.asked("/payments/cancel")) == 1


async def another_console(relay: Relay, **environ: str) -> tuple[Process, httpx.AsyncClient]:
    """One more console, and a client of it."""
    port = relay.free_port()
    console = relay.start_process("console", PORT=str(port), **environ)
    await console.ready(f"http://127.0.0.1:{port}/livez")
    return console, http_client(f"http://127.0.0.1:{port}", headers=relay.api.headers)


async def kill_while_asking(relay: Relay, imp_uid: str, **fault: Any) -> None:
    """Ask a console to cancel, and kill it when i'mport has got the request and has not answered."""
    await relay.faults(paths=["/payments/cancel"], times=1, **fault)
    console, api = await another_console(relay)
    async with api:
        asking = asyncio.create_task(api.post(f"/v1/payments/{imp_uid}/cancellations", json={}))
        await relay.until(lambda: relay.asked("/payments/cancel"), "i'mport is asked")
        await console.kill()
        with pytest.raises(httpx.TransportError):
            await asking
    await relay.until(lambda: _answered(relay), "i'mport is done with it")
    await relay.faults()


async def _answered(relay: Relay) -> bool:
    return all(row["status_code"] for row in await relay.asked("/payments/cancel"))
