"""A running receiver, and clients that are not as polite as httpx."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx

from tests.support.clients import http_client
from tests.support.ledger_state import ledger_state
from tests.support.processes import Process, Processes

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def webhook(number: int = 1, **fields: Any) -> bytes:
    """A JSON webhook for the payment `imp_{number}`."""
    return json.dumps({"imp_uid": f"imp_{number}", "merchant_uid": "order_1", "status": "paid", **fields}).encode()


class Receiver:
    """`python -m receiver` on a port of loopback."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.client = http_client(self.url)

    async def post(self, content: bytes, path: str = "/webhooks", **headers: str) -> httpx.Response:
        """Post a JSON webhook; `x_forwarded_for=…` and the like become headers."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=content, headers={**JSON, **given})

    async def raw(self, data: bytes) -> bytes:
        """Send these bytes on a connection of their own; everything that comes back until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def ready(self) -> dict[str, Any]:
        """What `/readyz` says, whatever its status."""
        report = (await self.client.get("/readyz")).json()
        assert isinstance(report, dict)
        return report

    async def metric(self, line: str) -> float:
        """The value of one line of `/metrics`, 0 where there is none."""
        text = (await self.client.get("/metrics")).text
        return next(
            (float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(f"{line} ")), 0.0
        )


async def start(processes: Processes, port: int, redis_url: str, **environ: str) -> Receiver:
    """Start a receiver; its spool is in the test's own folder unless given."""
    process = processes.python("receiver", REDIS_URL=redis_url, HOST="127.0.0.1", PORT=str(port), **environ)
    await process.ready(f"http://127.0.0.1:{port}/livez")
    return Receiver(process, port)


async def notified(redis_url: str) -> Counter[str]:
    """How many notifications of each payment are in the ledger."""
    async with ledger_state(redis_url) as state:
        return await state.notified()
