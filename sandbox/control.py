"""The sandbox's own API under `/_sandbox`: plays scenarios, sets payments and faults, tells what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.book import Book, Late
from sandbox.cancellations import Cancellations, Refused
from sandbox.faults import Fault, Faults
from sandbox.journal import Journal
from sandbox.responses import as_json
from sandbox.scenarios import SCENARIOS
from sandbox.stage import Options, Stage
from sandbox.tokens import IssuedTokens
from sandbox.webhooks import Webhooks
from schemas import wire

log = structlog.get_logger()

_ROUTING = ("merchant", "format", "webhook_url", "retries", "source")


class Control:
    """The handlers; ``running`` are scenarios whose steps are still to come."""

    def __init__(
        self,
        tokens: IssuedTokens,
        book: Book,
        webhooks: Webhooks,
        cancellations: Cancellations,
        faults: Faults,
        journal: Journal,
    ) -> None:
        self._tokens = tokens
        self._book = book
        self._webhooks = webhooks
        self._cancellations = cancellations
        self._faults = faults
        self._journal = journal
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """The paths at a glance."""
        return [
            Route("/_sandbox/scenarios", self.scenarios),
            Route("/_sandbox/scenarios/{name}", _checked(self.play), methods=["POST"]),
            Route("/_sandbox/payments", _checked(self.set_payment), methods=["POST"]),
            Route("/_sandbox/payments/{imp_uid}", self.show_payment),
            Route("/_sandbox/payments/{imp_uid}/ticket", _checked(self.decide), methods=["POST"]),
            Route("/_sandbox/payments/{imp_uid}/taken-back", _checked(self.take_back), methods=["POST"]),
            Route("/_sandbox/prepared/{merchant_uid:path}", _checked(self.prepare), methods=["PUT"]),
            Route("/_sandbox/accounts", _checked(self.add_account), methods=["POST"]),
            Route("/_sandbox/webhooks", self.show_webhooks),
            Route("/_sandbox/webhooks", _checked(self.send_webhook), methods=["POST"]),
            Route("/_sandbox/faults", self.show_faults),
            Route("/_sandbox/faults", _checked(self.switch_faults), methods=["POST", "DELETE"]),
            Route("/_sandbox/requests", self.requests, methods=["GET", "DELETE"]),
        ]

    async def scenarios(self, _request: Request) -> Response:
        """`GET`: names and what each plays, in one line."""
        told = [{"name": name, "description": _first_line(play)} for name, play in SCENARIOS.items()]
        return as_json({"data": told})

    async def play(self, request: Request, body: dict[str, Any]) -> Response:
        """`POST {Options}`: plays a scenario; answers with its payments at once, with `?wait=true` when it is over."""
        name = request.path_params["name"]
        scenario = SCENARIOS.get(name)
        if scenario is None:
            return as_json({"title": f"no scenario {name}", "scenarios": list(SCENARIOS)}, 404)
        options = Options.model_validate(body)
        stages = [Stage(options, self._book, self._webhooks, self._cancellations) for _ in range(options.count)]
        tasks = [asyncio.create_task(_played(name, scenario, stage)) for stage in stages]
        self._running.update(tasks)
        for task in tasks:
            task.add_done_callback(self._running.discard)
        waits = request.query_params.get("wait") == "true"
        if waits:
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if any(isinstance(result, BaseException) for result in results):
                return as_json({"title": f"scenario {name} failed: the sandbox's log says why"}, 500)
        else:
            await asyncio.sleep(0)  # a scenario makes its first payment before it first waits
        imp_uids = [imp_uid for stage in stages for imp_uid in stage.imp_uids]
        return as_json({"scenario": name, "imp_uids": imp_uids, "done": waits}, 200 if waits else 202)

    async def set_payment(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {fields…}`: makes a payment, or changes the one of this imp_uid; answers with it.

        Besides i'mport's fields: `imp_key` and `tier` (whose it is), `late` ``{outcome, seconds}``, `partial_status`,
        and where its webhooks go (`merchant`, `format`, `webhook_url`, `retries`, `source`).
        """
        names = ("imp_key", "tier", "late", "partial_status", *_ROUTING)
        special = {name: body.pop(name) for name in names if name in body}
        late = Late.model_validate(special.pop("late")) if "late" in special else None
        options = Options.model_validate(special)
        found = self._book.find(str(body.get("imp_uid", "")))
        payment = self._book.start(**body) if found is None else self._book.patch(found, **body)
        payment.late = late or payment.late
        payment.account, payment.tier = options.imp_key or payment.account, options.tier or payment.tier
        if "partial_status" in special:
            payment.partial_status = options.partial_status
        if special.keys() & set(_ROUTING):
            payment.route = Stage(options, self._book, self._webhooks, self._cancellations).route
        return as_json(payment.fields, 201 if found is None else 200)

    async def show_payment(self, request: Request) -> Response:
        """`GET`: a payment as the API would show it, without a token."""
        payment = self._book.find(request.path_params["imp_uid"])
        return as_json({"title": "no such payment"}, 404) if payment is None else as_json(payment.fields)

    async def decide(self, request: Request, body: dict[str, Any]) -> Response:
        """`POST {"outcome"}`: the PG decides on the latest ticket of a payment now: `cancelled` or `rejected`."""
        payment = self._book.find(request.path_params["imp_uid"])
        ticket = self._cancellations.ticket_of(payment) if payment is not None else None
        if payment is None or ticket is None:
            return as_json({"title": "no such ticket"}, 404)
        await self._cancellations.decide(ticket, str(body.get("outcome", "cancelled")))
        return as_json(payment.fields)

    async def take_back(self, request: Request, _body: dict[str, Any]) -> Response:
        """`POST`: the PG takes the latest cancellation back, or else the latest deposit; no webhook says so."""
        payment = self._book.find(request.path_params["imp_uid"])
        if payment is None:
            return as_json({"title": "no such payment"}, 404)
        if self._book.undo(payment) is None:
            return as_json({"title": "there is nothing to take back"}, 409)
        return as_json(payment.fields)

    async def prepare(self, request: Request, body: dict[str, Any]) -> Response:
        """`PUT {"amount", "currency"}`: what the merchant registered beforehand for an order."""
        order = request.path_params["merchant_uid"]
        prepared = {"merchant_uid": order, "amount": body.get("amount"), "currency": body.get("currency", "KRW")}
        self._book.prepared[order] = prepared
        return as_json(prepared)

    async def add_account(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {"imp_key", "imp_secret"}`: credentials of one more merchant."""
        self._tokens.accounts[str(body.get("imp_key"))] = str(body.get("imp_secret"))
        return as_json({"accounts": len(self._tokens.accounts)}, 201)

    async def show_webhooks(self, _request: Request) -> Response:
        """`GET`: the webhooks sent, oldest first, with the status code of each."""
        return as_json({"count": len(self._webhooks.sent), "webhooks": list(self._webhooks.sent)})

    async def send_webhook(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {imp_uid, …}`: posts this very claim now, once; answers with what came back."""
        routing = Options.model_validate({name: body.pop(name) for name in _ROUTING if name in body})
        route = Stage(routing, self._book, self._webhooks, self._cancellations).route
        return as_json({"status_code": await self._webhooks.post(body, route)})

    async def show_faults(self, _request: Request) -> Response:
        """`GET`: the fault that is on."""
        return as_json(self._faults.current.model_dump())

    async def switch_faults(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {Fault}` replaces what was on; `{}` and `DELETE` turn everything off."""
        fault = Fault.model_validate(body)
        self._faults.switch(fault)
        self._tokens.revoked = fault.revoked
        if fault.expired_token or fault.revoked:
            self._tokens.expire_all()
        log.info("faults_switched", **fault.model_dump(exclude_defaults=True))
        return as_json(fault.model_dump())

    async def requests(self, request: Request) -> Response:
        """`GET`: what was asked of i'mport's API; `DELETE` forgets it."""
        summary = self._journal.summary()
        if request.method == "DELETE":
            self._journal.entries.clear()
        return as_json(summary)

    async def close(self) -> None:
        """Stops scenarios in mid-play."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _played(name: str, scenario: Callable[[Stage], Awaitable[None]], stage: Stage) -> None:
    try:
        await scenario(stage)
    except Exception:
        log.exception("scenario_failed", scenario=name, imp_uids=stage.imp_uids)
        raise
    log.info("scenario_played", scenario=name, merchant=stage.options.merchant, imp_uids=stage.imp_uids)


def _checked(
    handler: Callable[[Request, dict[str, Any]], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Reads the body as a JSON object, empty where there is none; what does not validate is 422."""

    async def guarded(request: Request) -> Response:
        try:
            body = wire.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                return as_json({"title": "the body must be a JSON object"}, 422)
            return await handler(request, body)
        except ValidationError as error:
            wrong = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
            return as_json({"title": "the body does not validate", "errors": wrong}, 422)
        except (ValueError, TypeError, Refused) as error:
            return as_json({"title": str(error)}, 422)

    return guarded


def _first_line(play: Callable[..., Any]) -> str:
    return (play.__doc__ or "").strip().splitlines()[0]
