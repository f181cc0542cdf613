"""The demo of `relay up`: two endpoints, a few payments of the sandbox, and whether every callback has arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

from cli.screen import Screen
from cli.stack import Addresses
from schemas.errors import RelayError

SCENES = (
    ("card", "a card payment"),
    ("virtual-account", "a virtual account is issued, then the deposit comes"),
    ("paymentwall-cancel", "a Paymentwall payment is cancelled: pending first, then final"),
)
"""Scenarios of the sandbox, in the order in which the demo plays them."""

ENDPOINTS = (("/", "shop"), ("/flaky", "flaky"))
"""Paths of the subscriber and how the account calls them; the second answers 500 to its first callback."""

PATIENCE = 30.0
"""Seconds for one scene to come to its end."""
QUIET = 1.5
"""Seconds without a new line after which a scene is over."""

_MARK = "made by relay up: "


class Demo:
    """Registers the subscriber's endpoints and plays the scenes."""

    def __init__(self, screen: Screen, addresses: Addresses, token: str) -> None:
        self._screen = screen
        self._addresses = addresses
        self._token = token

    async def register(self) -> list[str]:
        """Replace the endpoints of earlier runs by ones on today's port; their secrets. Raises `RelayError`."""
        headers = {"authorization": f"Bearer {self._token}"}
        secrets = []
        async with httpx.AsyncClient(base_url=self._addresses.url("console"), headers=headers, trust_env=False) as api:
            for endpoint in (await _call(api, "GET", "/v1/endpoints?limit=200"))["data"]:
                if str(endpoint.get("description") or "").startswith(_MARK):
                    await _call(api, "DELETE", f"/v1/endpoints/{endpoint['id']}")
            for path, name in ENDPOINTS:
                url = f"{self._addresses.url('subscriber')}{path}"
                wanted = {"merchant": "default", "url": url, "types": ["payment.*"], "description": f"{_MARK}{name}"}
                made = await _call(api, "POST", "/v1/endpoints", wanted)
                self._screen.account.names[made["id"]] = name
                secrets.append(made["secret"])
        return secrets

    async def play(self, scenes: Sequence[tuple[str, str]] = SCENES) -> bool:
        """Play the scenes one after another; whether every event reached both endpoints. Raises `RelayError`."""
        account = self._screen.account
        begun = time.monotonic()
        async with httpx.AsyncClient(base_url=self._addresses.url("sandbox"), trust_env=False, timeout=30) as sandbox:
            for number, (scenario, title) in enumerate(scenes, 1):
                self._screen.say(f"\n{number} of {len(scenes)}: {title}", "bold")
                events = len(account.recorded)
                relay = {"url": self._addresses.url("console"), "token": self._token}
                await _call(sandbox, "POST", f"/_sandbox/scenarios/{scenario}", {"relay_api": relay})
                await self._settled(events)
        expected = len(account.recorded) * len(ENDPOINTS)
        complete = bool(account.recorded) and account.delivered >= expected
        self._screen.say(
            f"\ndemo {'done' if complete else 'INCOMPLETE'} after {time.monotonic() - begun:.0f} s:"
            f" {len(account.recorded)} events, {account.delivered} of {expected} callbacks delivered,"
            f" {account.retried} retried",
            "bold green" if complete else "bold red",
        )
        return complete

    async def _settled(self, events_before: int) -> None:
        """Wait until something was recorded, all of it was delivered, and nothing more comes."""
        account, screen = self._screen.account, self._screen
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            done = len(account.recorded) > events_before and account.delivered >= len(account.recorded) * len(ENDPOINTS)
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
