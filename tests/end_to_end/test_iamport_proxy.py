"""A relay whose only way to i'mport is a proxy: what goes through it, and what operators see when it is in trouble."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import StartStack
from tests.support.http_proxy import HttpProxy
from tests.support.processes import Processes, clean_environ
from tests.support.stack import TOKEN, Stack

PASSWORD = "planted-proxy-password"


async def doctor(stack: Stack, processes: Processes) -> str:
    """What `relay doctor` prints."""
    environ = {**clean_environ(), "RELAY_CONSOLE_URL": stack.url("console"), "RELAY_API_TOKEN": TOKEN}
    process = processes.python("cli.main", "doctor", "--no-test", **environ)
    await process.ended()
    return process.output


async def test_calls_go_through_it_and_callbacks_do_not(start_stack: StartStack) -> None:
    """Tokens, look-ups, lists and cancellations of worker and console do; callbacks know no proxy at all."""
    async with HttpProxy(f"relay:{PASSWORD}") as proxy, HttpProxy() as environments:
        others = dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), f"http://{environments.address}"
        )
        stack = await start_stack(RELAY_IAMPORT_PROXY=f"http://relay:{PASSWORD}@{proxy.address}", **others)
        await stack.endpoint()
        (imp_uid,) = await stack.play("card")
        await stack.until_heard("paid", imp_uid=imp_uid)
        answer = await stack.api.post(f"/v1/payments/{imp_uid}/cancellations", json={})
        assert answer.status_code == 200, answer.text
        await stack.until_heard("paid", "cancelled", imp_uid=imp_uid)
        targets = {line.split(" ")[1].partition("?")[0].removeprefix(stack.url("sandbox")) for line in proxy.seen}
        assert {"/users/getToken", "/payments", "/payments/cancel"} <= targets
        assert all(line.split(" ")[1].startswith(stack.url("sandbox")) for line in proxy.seen)
        assert environments.seen == []
        (shown,) = (await stack.api.get("/v1/merchants")).json()["data"]
        assert shown["trouble"] is None
        assert PASSWORD not in stack.worker.output + stack.console.output + stack.receiver.output


@pytest.mark.parametrize("away", [False, True])
async def test_its_trouble_is_named(start_stack: StartStack, processes: Processes, away: bool) -> None:
    """In one line that names the setting: in the log, in the console, and by `relay doctor`; never its password."""
    words = "cannot be reached (connection refused)" if away else "(407)"
    async with HttpProxy("relay:another") as proxy:
        address = "127.0.0.1:1" if away else proxy.address
        stack = await start_stack(RELAY_IAMPORT_PROXY=f"http://relay:{PASSWORD}@{address}")
        await stack.play("card")
        line = await stack.worker.logged("iamport_failing")
        assert "RELAY_IAMPORT_PROXY" in line["error"]
        assert words in line["error"]
        trouble = (await stack.api.get("/v1/merchants/default")).json()["trouble"]
        assert trouble == line["error"]
        said = await doctor(stack, processes)
        assert "see RELAY_IAMPORT_PROXY" in said
        assert words in said
        assert PASSWORD not in said + stack.worker.output + stack.console.output
