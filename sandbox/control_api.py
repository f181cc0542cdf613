"""The sandbox's own API under `/_sandbox`: plays scenarios, sets payments and faults, shows requests and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cancellations import CancellationRefused, Cancellations
from sandbox.faults import Fault, Faults
from sandbox.issued_tokens import IssuedTokens
from sandbox.payments import DelayedOutcome, SandboxPayments
from sandbox.request_log import RequestLog
from sandbox.responses import json_response
from sandbox.scenario_run import ScenarioOptions, ScenarioRun
from sandbox.scenarios import SCENARIOS
from sandbox.webhooks import Webhooks
from schemas import wire

log = structlog.get_logger()

_ROUTING = ("merchant", "format", "webhook_url", "retries", "source")


class ControlApi:
    """The handlers; ``running`` are the scenarios that are not over yet."""

    def __init__(
        self,
        tokens: IssuedTokens,
        payments: SandboxPayments,
        webhooks: Webhooks,
        cancellations: Cancellations,
        faults: Faults,
        request_log: RequestLog,
    ) -> None:
        self._tokens = tokens
        self._payments = payments
        self._webhooks = webhooks
        self._cancellations = cancellations
        self._faults = faults
        self._request_log = request_log
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """All paths."""
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
        """`GET`: the scenarios' names and descriptions."""
        listed = [{"name": name, "description": _first_line(play)} for name, play in SCENARIOS.items()]
        return json_response({"data": listed})

    async def play(self, request: Request, body: dict[str, Any]) -> Response:
        """`POST {ScenarioOptions}`: plays it. Answers with its payments at once, or with `?wait=true` at its end."""
        name = request.path_params["name"]
        scenario = SCENARIOS.get(name)
        if scenario is None:
            return json_response({"title": f"no scenario {name}", "scenarios": list(SCENARIOS)}, 404)
        options = ScenarioOptions.model_validate(body)
        runs = [ScenarioRun(options, self._payments, self._webhooks, self._cancellations) for _ in range(options.count)]
        tasks = [asyncio.create_task(_played(name, scenario, run)) for run in runs]
        self._running.update(tasks)
        for task in tasks:
            task.add_done_callback(self._running.discard)
        waits = request.query_params.get("wait") == "true"
        if waits:
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if any(isinstance(result, BaseException) for result in results):
                return json_response({"title": f"scenario {name} failed: the sandbox's log says why"}, 500)
        else:
            await asyncio.sleep(0)  # a scenario makes its first payment before it first waits
        imp_uids = [imp_uid for run in runs for imp_uid in run.imp_uids]
        return json_response({"scenario": name, "imp_uids": imp_uids, "done": waits}, 200 if waits else 202)

    async def set_payment(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {fields…}`: makes a payment, or changes the one with this imp_uid; answers with it.

        Further fields, besides i'mport's: `imp_key` and `tier` for its owner, `late` ``{outcome, seconds}``,
        `partial_status`, and for its webhooks `merchant`, `format`, `webhook_url`, `retries` and `source`.
        """
        names = ("imp_key", "tier", "late", "partial_status", *_ROUTING)
        special = {name: body.pop(name) for name in names if name in body}
        outcome = DelayedOutcome.model_validate(special.pop("late")) if "late" in special else None
        options = ScenarioOptions.model_validate(special)
        found = self._payments.find(str(body.get("imp_uid", "")))
        payment = self._payments.start(**body) if found is None else self._payments.patch(found, **body)
        payment.delayed_outcome = outcome or payment.delayed_outcome
        payment.account, payment.tier = options.imp_key or payment.account, options.tier or payment.tier
        if "partial_status" in special:
            payment.partial_status = options.partial_status
        if special.keys() & set(_ROUTING):
            payment.webhook_target = options.webhook_target
        return json_response(payment.fields, 201 if found is None else 200)

    async def show_payment(self, request: Request) -> Response:
        """`GET`: a payment as i'mport's API shows it; no token needed."""
        payment = self._payments.find(request.path_params["imp_uid"])
        return json_response({"title": "no such payment"}, 404) if payment is None else json_response(payment.fields)

    async def decide(self, request: Request, body: dict[str, Any]) -> Response:
        """`POST {"outcome"}`: the PG decides on the latest pending cancellation of a payment now: `cancelled` or
        `rejected`."""
        payment = self._payments.find(request.path_params["imp_uid"])
        pending = self._cancellations.latest_pending(payment) if payment is not None else None
        if payment is None or pending is None:
            return json_response({"title": "no such cancellation"}, 404)
        await self._cancellations.decide(pending, str(body.get("outcome", "cancelled")))
        return json_response(payment.fields)

    async def take_back(self, request: Request, _body: dict[str, Any]) -> Response:
        """`POST`: the PG takes back the latest cancellation or, without one, the latest deposit; without a webhook."""
        payment = self._payments.find(request.path_params["imp_uid"])
        if payment is None:
            return json_response({"title": "no such payment"}, 404)
        if self._payments.take_back(payment) is None:
            return json_response({"title": "there is nothing to take back"}, 409)
        return json_response(payment.fields)

    async def prepare(self, request: Request, body: dict[str, Any]) -> Response:
        """`PUT {"amount", "currency"}`: sets the amount that the merchant registered beforehand for an order."""
        order = request.path_params["merchant_uid"]
        prepared = {"merchant_uid": order, "amount": body.get("amount"), "currency": body.get("currency", "KRW")}
        self._payments.prepared[order] = prepared
        return json_response(prepared)

    async def add_account(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {"imp_key", "imp_secret"}`: adds the credentials of one more merchant."""
        self._tokens.accounts[str(body.get("imp_key"))] = str(body.get("imp_secret"))
        return json_response({"accounts": len(self._tokens.accounts)}, 201)

    async def show_webhooks(self, _request: Request) -> Response:
        """`GET`: the webhooks sent, oldest first, with the status code of each."""
        return json_response({"count": len(self._webhooks.sent), "webhooks": list(self._webhooks.sent)})

    async def send_webhook(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {imp_uid, …}`: posts this webhook now, once; answers with the status code."""
        options = ScenarioOptions.model_validate({name: body.pop(name) for name in _ROUTING if name in body})
        target = options.webhook_target
        return json_response({"status_code": await self._webhooks.post(body, target)})

    async def show_faults(self, _request: Request) -> Response:
        """`GET`: the fault that is on."""
        return json_response(self._faults.current.model_dump())

    async def switch_faults(self, _request: Request, body: dict[str, Any]) -> Response:
        """`POST {Fault}` replaces what was on; `{}` and `DELETE` turn all faults off."""
        fault = Fault.model_validate(body)
        self._faults.switch(fault)
        self._tokens.revoked = fault.revoked
        if fault.expired_token or fault.revoked:
            self._tokens.expire_all()
        log.info("faults_switched", **fault.model_dump(exclude_defaults=True))
        return json_response(fault.model_dump())

    async def requests(self, request: Request) -> Response:
        """`GET`: the requests that i'mport's API got; `DELETE` clears them."""
        summary = self._request_log.summary()
        if request.method == "DELETE":
            self._request_log.entries.clear()
        return json_response(summary)

    async def close(self) -> None:
        """Stops the scenarios that are still running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _played(name: str, scenario: Callable[[ScenarioRun], Awaitable[None]], run: ScenarioRun) -> None:
    try:
        await scenario(run)
    except Exception:
        log.exception("scenario_failed", scenario=name, imp_uids=run.imp_uids)
        raise
    log.info("scenario_played", scenario=name, merchant=run.options.merchant, imp_uids=run.imp_uids)


def _checked(
    handler: Callable[[Request, dict[str, Any]], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Reads the body as a JSON object, empty without one; answers 422 if it does not validate."""

    async def guarded(request: Request) -> Response:
        try:
            body = wire.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                return json_response({"title": "the body must be a JSON object"}, 422)
            return await handler(request, body)
        except ValidationError as error:
            wrong = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
            return json_response({"title": "the body does not validate", "errors": wrong}, 422)
        except (ValueError, TypeError, CancellationRefused) as error:
            return json_response({"title": str(error)}, 422)

    return guarded


def _first_line(play: Callable[..., Any]) -> str:
    return (play.__doc__ or "").strip().splitlines()[0]
