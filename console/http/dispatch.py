"""Handles a request to the operator API: token, route, rights, validation, idempotency, then the handler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console.context import Context
from console.http.audited import action_done
from console.http.idempotency import run_once
from console.http.operation import Call, Operation, OperationResult, Table
from console.http.problems import invalid, is_outcome_unknown, of_error, problem
from console.http.requests import MAX_BODY_BYTES, InvalidFields, TooLarge, parse_request, read_body
from console.http.streams import Streamed
from console.operations.audit import AuditTrail
from console.operations.token_uses import TokenUses
from runtime.api_tokens import ApiTokens, Caller
from schemas import wire
from schemas.errors import RelayError
from schemas.reasons import Reason

log = structlog.get_logger()


class OperatorApi:
    """The operator API as an ASGI application, made from its table of `operations`; `trail` audits what they do."""

    def __init__(
        self,
        context: Context,
        operations: Iterable[Operation],
        tokens: ApiTokens,
        uses: TokenUses,
        trail: AuditTrail,
    ) -> None:
        self._context = context
        self._trail = trail
        self._table = Table(operations)
        self._tokens = tokens
        self._uses = uses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except RelayError as error:
            response = of_error(error)
            if response.status_code >= 500:
                log.warning("operator_call_failed", path=request.url.path, reason=str(error))
        except Exception:
            log.exception("operator_call_crashed", path=request.url.path)
            response = problem(500, Reason.of("unexpected_error"))
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        caller = self._tokens.caller(request.headers.get("authorization"))
        if caller is None:
            return problem(401, Reason.of("token_needed"), headers={"www-authenticate": "Bearer"})
        await self._uses.note(caller.name)
        if caller.metrics_only:
            return problem(403, Reason.of("token_metrics_only"))
        found = self._table.find(request.scope["raw_path"])
        if found is None:
            return problem(404, Reason.of("nothing_at_path"))
        methods, path = found
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            allowed = ", ".join(sorted(methods))
            return problem(405, Reason.of("method_not_allowed", allowed=allowed), headers={"allow": allowed})
        if caller.read_only and not operation.for_all_tokens:
            return problem(403, Reason.of("token_read_only"))
        return await self._carry_out(operation, path, caller, request)

    async def _carry_out(
        self, operation: Operation, path: dict[str, str], caller: Caller, request: Request
    ) -> Response:
        try:
            body = await read_body(request)
            query, parsed = parse_request(operation, request, body, self._context.settings)
        except TooLarge:
            reason = Reason.of("body_too_large", kib=MAX_BODY_BYTES // 1024)
            return problem(413, reason, headers={"connection": "close"})
        except InvalidFields as error:
            return invalid(error.errors)
        call: Call[Any, Any] = Call(self._context, path, query, parsed, caller.read_only)

        async def carry_out() -> Response:
            try:
                result = await operation.handler(call)
                await self._audit(operation, call, caller, result)
                return render(result)
            except RelayError as error:
                if is_outcome_unknown(error):
                    await self._audit(operation, call, caller, OperationResult())
                return of_error(error)

        key = request.headers.get("idempotency-key")
        if operation.method != "POST" or key is None:
            return await carry_out()
        return await run_once(
            self._context.ledger.idempotency,
            self._context.sealer,
            key,
            caller=caller.name,
            path=request.scope["raw_path"].decode("latin-1"),
            request=request.scope["query_string"] + b"\n" + body,
            carry_out=carry_out,
        )

    async def _audit(self, operation: Operation, call: Call[Any, Any], caller: Caller, result: OperationResult) -> None:
        """Audit what was done, or what is about to be shown. Raises `LedgerUnavailable` only in the second case."""
        audited = operation.audited
        if audited is None or not audited.counts(result.status):
            return
        made = {"id": getattr(result.value, "id", None)}
        done = action_done(audited, {**made, **call.query.model_dump(), **call.path}, call.body)
        await (self._trail.viewed if audited.is_view else self._trail.wrote)(caller.actor, done)


def render(answer: OperationResult) -> Response:
    """The response for a result; amounts keep the digits that they had."""
    headers = dict(answer.headers)
    if answer.stream is not None:
        return Streamed(answer.stream, answer.status, headers)
    if answer.value is None:
        return Response(status_code=answer.status, headers=headers)
    value = answer.value.model_dump() if isinstance(answer.value, BaseModel) else answer.value
    return Response(wire.dumps(value), answer.status, headers, "application/json")
