"""The two processes as people start them."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.sandbox.test_subscriber import BODY, SECRET, signed
from tests.support.clients import http_client
from tests.support.processes import Processes


async def test_a_scenario_over_real_processes(processes: Processes, free_port: Callable[[], int]) -> None:
    """The sandbox posts a scenario's webhook to the configured URL, logs it, and ends on SIGTERM."""
    port, subscriber_port = free_port(), free_port()
    target = f"http://127.0.0.1:{subscriber_port}/webhooks"
    subscriber = processes.python("sandbox.subscriber", PORT=str(subscriber_port), SUBSCRIBER_SECRETS=f"/={SECRET}")
    sandbox = processes.python("sandbox", PORT=str(port), SANDBOX_WEBHOOK_URL=target, IMP_KEY="k", IMP_SECRET="s")
    await subscriber.listening(subscriber_port)
    await sandbox.ready(f"http://127.0.0.1:{port}/_sandbox/scenarios")
    async with http_client() as client:
        played = await client.post(f"http://127.0.0.1:{port}/_sandbox/scenarios/card?wait=true", json={})
        token = await client.post(f"http://127.0.0.1:{port}/users/getToken", json={"imp_key": "k", "imp_secret": "s"})
        await client.post(f"http://127.0.0.1:{subscriber_port}/", content=BODY, headers=signed("evt_1"))
    assert token.status_code == 200
    (imp_uid,) = played.json()["imp_uids"]
    sent = await sandbox.logged("webhook_sent", imp_uid=imp_uid)
    assert (sent["url_path"], sent["status"], sent["status_code"]) == ("/webhooks", "paid", 401)
    received = await subscriber.logged("callback_received", type="payment.paid")
    assert (received["imp_uid"], received["sequence"], received["verified"]) == ("imp_1", 2, True)
    for process in (sandbox, subscriber):
        await process.terminate()
        assert "Traceback" not in process.output


@pytest.mark.parametrize("module", ["sandbox", "sandbox.subscriber"])
async def test_a_bad_port_is_one_line(processes: Processes, module: str) -> None:
    """A port that is none stops the process with one line."""
    process = processes.python(module, PORT="99999")
    assert await process.ended() == 1
    assert process.lines == ["PORT=99999 is not usable: it takes a port, 1 to 65535"]


async def test_a_hanging_caller_does_not_keep_it(processes: Processes, free_port: Callable[[], int]) -> None:
    """SIGTERM ends the sandbox within seconds although a request hangs in a fault and a scenario is in mid-play."""
    port = free_port()
    sandbox = processes.python("sandbox", PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    await sandbox.ready(f"{url}/_sandbox/scenarios")
    async with http_client() as client:
        await client.post(f"{url}/_sandbox/scenarios/virtual-account", json={"speed": 0.001})
        await client.post(f"{url}/_sandbox/faults", json={"timeout": True})
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{url}/users/getToken", timeout=0.3)
        await sandbox.terminate()
    assert not sandbox.running
