"""A relay whose only way to i'mport is a proxy: what goes through it, and what operators see when it is in trouble."""

from __future__ import annotations

import pytest

from tests.support.processes import Processes, clean_environ
from tests.support.proxies import HttpProxy
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import StartRelay

PASSWORD = "planted-proxy-password"


async def doctor(relay: Relay, processes: Processes) -> str:
    """What `relay doctor` prints."""
    environ = {**clean_environ(), "RELAY_CONSOLE_URL": relay.url("console"), "RELAY_API_TOKEN": TOKEN}
    process = processes.python("cli.main", "doctor", "--no-test", **environ)
    await process.ended()
    return process.output


async def test_calls_go_through_it_and_callbacks_do_not(start_relay: StartRelay) -> None:
    """Tokens, look-ups, lists and cancellations of worker and console do; callbacks know no proxy at all."""
    async with HttpProxy(f"relay:{PASSWORD}") as proxy, HttpProxy() as environments:
        others = dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), f"http://{environments.address}"
        )
        relay = await start_relay(RELAY_IAMPORT_PROXY=f"http://relay:{PASSWORD}@{proxy.address}", **others)
        await relay.endpoint()
        (imp_uid,) = await relay.play("card")
        await relay.until_received("paid", imp_uid=imp_uid)
        answer = await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json={})
        assert answer.status_code == 200, answer.text
        await relay.until_received("paid", "cancelled", imp_uid=imp_uid)
        targets = {line.split(" ")[1].partition("?")[0].removeprefix(relay.url("sandbox")) for line in proxy.seen}
        assert {"/users/getToken", "/payments", "/payments/cancel"} <= targets
        assert all(line.split(" ")[1].startswith(relay.url("sandbox")) for line in proxy.seen)
        assert environments.seen == []
        (shown,) = (await relay.api.get("/v1/merchants")).json()["data"]
        assert shown["trouble"] is None
        assert PASSWORD not in relay.worker.output + relay.console.output + relay.receiver.output


@pytest.mark.parametrize("away", [False, True])
async def test_its_trouble_is_named(start_relay: StartRelay, processes: Processes, away: bool) -> None:
    """In one line that names the setting: in the log, in the console, and by `relay doctor`; never its password."""
    words = "cannot be reached (connection refused)" if away else "(407)"
    async with HttpProxy("relay:another") as proxy:
        address = "127.0.0.1:1" if away else proxy.address
        relay = await start_relay(RELAY_IAMPORT_PROXY=f"http://relay:{PASSWORD}@{address}")
        await relay.play("card")
        line = await relay.worker.logged("iamport_failing")
        assert "RELAY_IAMPORT_PROXY" in line["error"]
        assert words in line["error"]
        trouble = (await relay.api.get("/v1/merchants/default")).json()["trouble"]
        assert trouble == line["error"]

        async def listed() -> bool:
            return [row["merchant"] for row in await relay.list_all("/v1/merchants")] == ["default"]

        await relay.until(listed, "history has the merchant")
        said = await doctor(relay, processes)
        assert "check RELAY_IAMPORT_PROXY" in said
        assert words in said
        assert PASSWORD not in said + relay.worker.output + relay.console.output
