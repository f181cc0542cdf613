"""The demo of `relay up`: registers two endpoints, plays scenarios and checks that every callback arrives."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from cli.failure import CommandFailed
from cli.screen import Screen
from cli.stack import Addresses


@dataclass(frozen=True, slots=True)
class DemoScenario:
    """A scenario of the sandbox, its title, and the events that it must cause."""

    name: str
    title: str
    events: tuple[str, ...]


SCENARIOS = (
    DemoScenario("card", "a card payment", ("payment.paid",)),
    DemoScenario(
        "virtual-account",
        "a virtual account is issued, then the deposit comes",
        ("payment.virtual_account_issued", "payment.paid"),
    ),
    DemoScenario(
        "paymentwall-cancel",
        "a Paymentwall payment is cancelled through the relay: pending first, then final",
        ("payment.paid", "payment.cancellation_pending", "payment.cancelled"),
    ),
)

ENDPOINTS = (("/", "shop"), ("/flaky", "flaky"))
"""Paths of the subscriber and the names to show for them; the second answers 500 to the first attempt."""

SCENARIO_TIMEOUT = 20.0
"""Seconds within which a scenario must be over."""
SETTLED_AFTER = 1.0
"""Seconds without a new line after which a scenario counts as over."""
RECORDED_WITHIN = 10.0
"""Seconds after the last scenario within which history must have everything."""

_MARK = "made by relay up: "


class Demo:
    """Registers the subscriber's endpoints and plays the scenarios."""

    def __init__(self, screen: Screen, addresses: Addresses, token: str) -> None:
        self._screen = screen
        self._addresses = addresses
        self._token = token
        self._payments: set[str] = set()

    async def register(self) -> dict[str, str]:
        """Replaces the endpoints of earlier runs. Returns the secret of each path. Raises `CommandFailed`."""
        secrets = {}
        async with self._api() as api:
            for endpoint in (await _call(api, "GET", "/v1/endpoints?limit=200"))["data"]:
                if str(endpoint.get("description") or "").startswith(_MARK):
                    await _call(api, "DELETE", f"/v1/endpoints/{endpoint['id']}")
            for path, name in ENDPOINTS:
                url = f"{self._addresses.url('subscriber')}{path}"
                wanted = {"merchant": "default", "url": url, "types": ["payment.*"], "description": f"{_MARK}{name}"}
                made = await _call(api, "POST", "/v1/endpoints", wanted)
                self._screen.narrator.names[made["id"]] = name
                secrets[path] = made["secret"]
        return secrets

    async def play(self) -> bool:
        """Plays the scenarios one by one. Returns whether every event was recorded and delivered to both endpoints, and
        history has everything."""
        narrator, begun = self._screen.narrator, time.monotonic()
        missing: list[str] = []
        async with httpx.AsyncClient(base_url=self._addresses.url("sandbox"), trust_env=False, timeout=60) as sandbox:
            for number, scenario in enumerate(SCENARIOS, 1):
                self._screen.say(f"\n{number} of {len(SCENARIOS)}: {scenario.title}", "bold")
                missing += await self._play_scenario(sandbox, scenario)
        events, callbacks = len(narrator.recorded), len(narrator.recorded) * len(ENDPOINTS)
        complete = not missing and narrator.delivered >= callbacks
        lacking = f" (missing: {', '.join(missing)})" if missing else ""
        outcome = f"{'done' if complete else 'INCOMPLETE'} after {time.monotonic() - begun:.0f} s"
        self._screen.say(
            f"\ndemo {outcome}: {events} events{lacking},"
            f" {narrator.delivered} of {callbacks} callbacks delivered, {narrator.retried} attempts failed on the way",
            "bold green" if complete else "bold red",
        )
        done = {"payments": len(self._payments), "events": events, "deliveries": callbacks}
        return await self._check_history(done) and complete

    async def _check_history(self, done: dict[str, int]) -> bool:
        """Whether history has the demo's payments, events and deliveries, whose numbers are `done`; prints a line."""
        until = time.monotonic() + RECORDED_WITHIN
        async with self._api() as api:
            found = await self._in_history(api)
            while found != done and time.monotonic() < until:
                await asyncio.sleep(0.1)
                found = await self._in_history(api)
        if found == done:
            self._screen.say(f"history has all {', '.join(f'{n} {what}' for what, n in done.items())}", "bold green")
        else:
            lacks = ", ".join(f"{found[what]} of {n} {what}" for what, n in done.items())
            self._screen.say(f"history is INCOMPLETE: it has {lacks}", "bold red")
        return found == done

    async def _in_history(self, api: httpx.AsyncClient) -> dict[str, int]:
        """How many of the demo's payments, events and deliveries are among the newest 200 that the API lists."""
        payments, events, deliveries = [
            (await _call(api, "GET", f"/v1/{what}?limit=200"))["data"] for what in ("payments", "events", "deliveries")
        ]
        mine, endpoints = self._payments, self._screen.narrator.names
        return {
            "payments": sum(row["imp_uid"] in mine for row in payments),
            "events": sum(row["data"].get("imp_uid") in mine for row in events),
            "deliveries": sum(row["imp_uid"] in mine and row["endpoint"] in endpoints for row in deliveries),
        }

    def _api(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self._token}"}
        return httpx.AsyncClient(base_url=self._addresses.url("console"), headers=headers, trust_env=False)

    async def _play_scenario(self, sandbox: httpx.AsyncClient, scenario: DemoScenario) -> list[str]:
        """Plays one scenario. Returns the events that are missing after it."""
        before = len(self._screen.narrator.recorded)
        relay = {"url": self._addresses.url("console"), "token": self._token}  # the scenario cancels through it
        try:
            played = await _call(
                sandbox, "POST", f"/_sandbox/scenarios/{scenario.name}?wait=true", {"relay_api": relay}
            )
            self._payments.update(played["imp_uids"])
        except CommandFailed as error:
            self._screen.say(str(error), "red")
        await self._settled(before + len(scenario.events))
        return list((Counter(scenario.events) - Counter(self._screen.narrator.recorded[before:])).elements())

    async def _settled(self, events: int) -> None:
        """Waits until so many events are recorded, all are delivered, and nothing more happens."""
        narrator, screen = self._screen.narrator, self._screen
        until = time.monotonic() + SCENARIO_TIMEOUT
        while time.monotonic() < until:
            done = len(narrator.recorded) >= events and narrator.delivered >= len(narrator.recorded) * len(ENDPOINTS)
            if done and screen.is_idle and time.monotonic() - screen.last_line_at > SETTLED_AFTER:
                return
            await asyncio.sleep(0.1)


async def _call(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON of a successful answer, `{}` if it has no body. Raises `CommandFailed` with one line."""
    try:
        answer = await client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise CommandFailed(f"{method} {client.base_url}{path.lstrip('/')} failed: {type(error).__name__}") from None
    if not answer.is_success:
        text = " ".join(answer.text.split())[:200]
        raise CommandFailed(f"{method} {answer.url} answered {answer.status_code}: {text}")
    return answer.json() if answer.content else {}
