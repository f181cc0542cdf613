"""The demo of `relay up`: two endpoints, a few payments of the sandbox, and whether every callback has arrived."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from cli.screen import Screen
from cli.stack import Addresses
from schemas.errors import RelayError


@dataclass(frozen=True, slots=True)
class Scene:
    """A scenario of the sandbox, what the account calls it, and the events that it gives."""

    scenario: str
    title: str
    events: tuple[str, ...]


SCENES = (
    Scene("card", "a card payment", ("payment.paid",)),
    Scene(
        "virtual-account",
        "a virtual account is issued, then the deposit comes",
        ("payment.virtual_account_issued", "payment.paid"),
    ),
    Scene(
        "paymentwall-cancel",
        "a Paymentwall payment is cancelled through the relay: pending first, then final",
        ("payment.paid", "payment.cancellation_pending", "payment.cancelled"),
    ),
)

ENDPOINTS = (("/", "shop"), ("/flaky", "flaky"))
"""Paths of the subscriber and how the account calls them; the second answers 500 to its first callback."""

PATIENCE = 20.0
"""Seconds for one scene to come to its end."""
QUIET = 1.0
"""Seconds without a new line after which a scene is over."""

_MARK = "made by relay up: "


class Demo:
    """Registers the subscriber's endpoints and plays the scenes."""

    def __init__(self, screen: Screen, addresses: Addresses, token: str) -> None:
        self._screen = screen
        self._addresses = addresses
        self._token = token

    async def register(self) -> dict[str, str]:
        """Replace the endpoints of earlier runs by ones on today's port; each path's secret. Raises `RelayError`."""
        headers = {"authorization": f"Bearer {self._token}"}
        secrets = {}
        async with httpx.AsyncClient(base_url=self._addresses.url("console"), headers=headers, trust_env=False) as api:
            for endpoint in (await _call(api, "GET", "/v1/endpoints?limit=200"))["data"]:
                if str(endpoint.get("description") or "").startswith(_MARK):
                    await _call(api, "DELETE", f"/v1/endpoints/{endpoint['id']}")
            for path, name in ENDPOINTS:
                url = f"{self._addresses.url('subscriber')}{path}"
                wanted = {"merchant": "default", "url": url, "types": ["payment.*"], "description": f"{_MARK}{name}"}
                made = await _call(api, "POST", "/v1/endpoints", wanted)
                self._screen.account.names[made["id"]] = name
                secrets[path] = made["secret"]
        return secrets

    async def play(self) -> bool:
        """Play the scenes one after another; whether every event came and reached both endpoints."""
        account, begun = self._screen.account, time.monotonic()
        missing: list[str] = []
        async with httpx.AsyncClient(base_url=self._addresses.url("sandbox"), trust_env=False, timeout=60) as sandbox:
            for number, scene in enumerate(SCENES, 1):
                self._screen.say(f"\n{number} of {len(SCENES)}: {scene.title}", "bold")
                missing += await self._scene(sandbox, scene)
        events, callbacks = len(account.recorded), len(account.recorded) * len(ENDPOINTS)
        complete = not missing and account.delivered >= callbacks
        lacking = f" (missing: {', '.join(missing)})" if missing else ""
        outcome = f"{'done' if complete else 'INCOMPLETE'} after {time.monotonic() - begun:.0f} s"
        self._screen.say(
            f"\ndemo {outcome}: {events} events{lacking},"
            f" {account.delivered} of {callbacks} callbacks delivered, {account.retried} attempts failed on the way",
            "bold green" if complete else "bold red",
        )
        return complete

    async def _scene(self, sandbox: httpx.AsyncClient, scene: Scene) -> list[str]:
        """Play one; the events that it should have given and did not."""
        before = len(self._screen.account.recorded)
        relay = {"url": self._addresses.url("console"), "token": self._token}  # who is asked to cancel
        try:
            await _call(sandbox, "POST", f"/_sandbox/scenarios/{scene.scenario}?wait=true", {"relay_api": relay})
        except RelayError as error:
            self._screen.say(str(error), "red")
        await self._settled(before + len(scene.events))
        return list((Counter(scene.events) - Counter(self._screen.account.recorded[before:])).elements())

    async def _settled(self, events: int) -> None:
        """Wait until so many events were recorded, all of them were delivered, and nothing more comes."""
        account, screen = self._screen.account, self._screen
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            done = len(account.recorded) >= events and account.delivered >= len(account.recorded) * len(ENDPOINTS)
            if done and screen.quiet and time.monotonic() - screen.last_told > QUIET:
                return
            await asyncio.sleep(0.1)


async def _call(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON of an answer that is well, `{}` where it has none. Raises `RelayError` in one line."""
    try:
        answer = await client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise RelayError(f"{method} {client.base_url}{path.lstrip('/')} failed: {type(error).__name__}") from None
    if not answer.is_success:
        said = " ".join(answer.text.split())[:200]
        raise RelayError(f"{method} {answer.url} answered {answer.status_code}: {said}")
    return answer.json() if answer.content else {}
