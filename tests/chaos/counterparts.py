"""The others: i'mport, which knows what the shop knows, and subscribers, who remember what they took."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from typing import Any

import orjson
from aiohttp import web

from tests.chaos.shop import Shop

Taken = tuple[float, str, int, str]
"""When a callback was taken, event id, place among all that was taken, type."""


class Trouble:
    """How a counterpart misbehaves: a share of requests is answered ``status``, and all take ``seconds``."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.heal()

    def heal(self) -> None:
        """Be well."""
        self.share, self.status, self.seconds = 0.0, 500, 0.0

    async def happens(self) -> web.Response | None:
        """The answer of a request that goes wrong."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return web.Response(status=self.status) if self._rng.random() < self.share else None


class Counterpart:
    """An HTTP server on loopback."""

    def __init__(self, rng: random.Random) -> None:
        self.trouble = Trouble(rng)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def serve(self, *routes: web.RouteDef) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()


class Iamport(Counterpart):
    """i'mport's API as far as looks and reconciliations need it."""

    def __init__(self, shop: Shop, rng: random.Random) -> None:
        super().__init__(rng)
        self._shop = shop
        self._rng = rng
        self.asked: Counter[str] = Counter()
        self.confused = False
        """Whether it answers with other payments than those that it is asked for."""

    async def start(self) -> None:
        """Listen."""
        await self.serve(
            web.post("/users/getToken", self._token),
            web.get("/payments/status/{status}", self._list),
            web.get("/payments", self._payments),
        )

    async def _token(self, _request: web.Request) -> web.Response:
        now = int(time.time())
        return _answer({"access_token": "token", "now": now, "expired_at": now + 1800})

    async def _payments(self, request: web.Request) -> web.Response:
        asked = request.query.getall("imp_uid[]", [])
        self.asked.update(asked)
        if (wrong := await self.trouble.happens()) is not None:
            return wrong
        known = [self._shop.payments[imp_uid].shown for imp_uid in asked if imp_uid in self._shop.payments]
        if self.confused and len(self._shop.payments) > len(asked):
            others = [payment.shown for imp_uid, payment in self._shop.payments.items() if imp_uid not in asked]
            return _answer(self._rng.sample(others, min(len(others), max(1, len(known)))))
        if not known:
            return _answer(None, 404, -1)
        return _answer(known, 200 if len(known) == len(asked) else 207)

    async def _list(self, request: web.Request) -> web.Response:
        if (wrong := await self.trouble.happens()) is not None:
            return wrong
        page, limit = (int(request.query[name]) for name in ("page", "limit"))
        since, until = (int(request.query[name]) for name in ("from", "to"))
        rows = [each.shown for each in self._shop.payments.values() if since <= _latest(each.shown) <= until]
        if page > 1 and (page - 1) * limit >= len(rows):
            return _answer(None, 400, -1)
        following = page + 1 if page * limit < len(rows) else 0
        part = rows[(page - 1) * limit : page * limit]
        return _answer({"total": len(rows), "previous": page - 1, "next": following, "list": part})


class Subscriber(Counterpart):
    """Endpoints that remember, for each event, when they first took it and how often in all."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.first: dict[tuple[str, str], Taken] = {}
        """By endpoint and imp_uid/sequence."""
        self.ids: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._sequences: dict[str, list[int]] = defaultdict(list)
        self.taken: Counter[str] = Counter()
        self._place = 0

    async def start(self) -> None:
        """Listen."""
        await self.serve(web.post("/{name}", self._take))

    def step(self, imp_uid: str, sequence: int) -> int:
        """Which of its payment's steps an event is. Once history was lost, sequences of payments that were new then
        need not begin with 1; they are in order all the same."""
        return bisect_left(self._sequences[imp_uid], sequence) + 1

    def took(self, name: str, imp_uid: str, step: int) -> Taken | None:
        """How an endpoint first took a payment's step, None where it has not."""
        sequences = self._sequences[imp_uid]
        return self.first.get((name, f"{imp_uid}/{sequences[step - 1]}")) if step <= len(sequences) else None

    def deliveries(self) -> set[tuple[str, str]]:
        """Endpoint and event of all that was taken."""
        return {(name, event) for (name, _), (_, event, _, _) in self.first.items()}

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if (wrong := await self.trouble.happens()) is not None:
            return wrong
        event, name = orjson.loads(body), request.match_info["name"]
        data = event["data"]
        self._place += 1
        self.taken[name] += 1
        self.ids[data["imp_uid"], data["sequence"]].add(event["id"])
        if data["sequence"] not in (sequences := self._sequences[data["imp_uid"]]):
            insort(sequences, data["sequence"])
        known = (name, f"{data['imp_uid']}/{data['sequence']}")
        self.first.setdefault(known, (time.monotonic(), event["id"], self._place, event["type"]))
        return web.Response()


def _latest(shown: dict[str, Any]) -> int:
    return max(int(shown.get(name) or 0) for name in ("vbank_issued_at", "paid_at", "failed_at", "cancelled_at"))


def _answer(response: Any, status: int = 200, code: int = 0) -> web.Response:
    body = orjson.dumps({"code": code, "message": None, "response": response})
    return web.Response(status=status, body=body, content_type="application/json")
