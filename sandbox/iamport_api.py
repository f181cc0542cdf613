"""i'mport's API, with the answers that its OpenAPI description and its documentation promise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cancellations import CancellationRefused, Cancellations
from sandbox.faults import Faults
from sandbox.issued_tokens import IssuedTokens
from sandbox.lists import STATUSES, InvalidQuery, Query, by_status, ordered, page_of
from sandbox.payments import Fields, Requester, SandboxPayment, SandboxPayments
from sandbox.responses import failure, parse_body, success

LARGEST_BATCH = 100
_UNKNOWN = "존재하지 않는 결제정보입니다."
_TRUE = (True, "true", "1", 1)

Handler = Callable[[Request, Requester], Awaitable[Response]]


class IamportApi:
    """The handlers of all calls. Each but `getToken` needs a token, which identifies the account."""

    def __init__(
        self, tokens: IssuedTokens, payments: SandboxPayments, cancellations: Cancellations, faults: Faults
    ) -> None:
        self._tokens = tokens
        self._payments = payments
        self._cancellations = cancellations
        self._faults = faults

    def routes(self) -> list[Route]:
        """All paths; `/payments/{imp_uid}` comes last, as it would match the others."""
        return [
            Route("/users/getToken", self.get_token, methods=["POST"]),
            Route("/payments", self._signed_in(self.batch)),
            Route("/payments/cancel", self._signed_in(self.cancel), methods=["POST"]),
            Route("/payments/status/{status}", self._signed_in(self.status_list)),
            Route("/payments/find/{rest:path}", self._signed_in(self.find)),
            Route("/payments/findAll/{rest:path}", self._signed_in(self.find_all)),
            Route("/payments/prepare/{rest:path}", self._signed_in(self.prepared)),
            Route("/payments/{imp_uid}", self._signed_in(self.single)),
        ]

    async def get_token(self, request: Request) -> Response:
        """``{imp_key, imp_secret}`` → ``{access_token, now, expired_at}``; 401 for wrong credentials."""
        form = await parse_body(request)
        issued = self._tokens.issue(form.get("imp_key"), form.get("imp_secret"))
        if issued is None:
            return failure("imp_key, imp_secret 인증에 실패하였습니다. API키, API secret을 확인해주세요.", 401)
        token, now = issued
        return success({"access_token": token.text, "now": now, "expired_at": token.expired_at})

    async def single(self, request: Request, requester: Requester) -> Response:
        """One payment; a test payment only with `include_sandbox=true`."""
        payment = self._payments.find(request.path_params["imp_uid"], requester)
        with_tests = request.query_params.get("include_sandbox") == "true"
        if payment is None or (payment.fields["sandbox"] and not with_tests):
            return failure(_UNKNOWN, 404)
        return self._poisoned([payment]) or success(self._rows(payment.fields)[0])

    async def batch(self, request: Request, requester: Requester) -> Response:
        """Up to 100 payments, also test payments: 200 if all are found, 207 if some are, 404 if none is."""
        names = request.query_params.getlist("imp_uid[]")
        orders = request.query_params.getlist("merchant_uid[]")
        if not 1 <= len(names) + len(orders) <= LARGEST_BATCH:
            return failure(f"imp_uid 또는 merchant_uid는 1개 이상 {LARGEST_BATCH}개 이하여야 합니다", 400)
        asked = [self._payments.find(name, requester) for name in names]
        asked += [next(iter(self._of_order(order, requester)), None) for order in orders]
        found = [payment for payment in asked if payment is not None]
        if not found:
            return failure("해당되는 결제건을 찾지 못하였습니다.", 404)
        rows = [row for payment in found for row in self._rows(payment.fields)]
        return self._poisoned(found) or success(rows, 200 if len(found) == len(asked) else 207)

    async def status_list(self, request: Request, requester: Requester) -> Response:
        """A page of the payments of one status within a window; 400 past the end."""
        try:
            query = Query.read(request.query_params, self._payments.now)
            page = by_status(self._of(requester), request.path_params["status"], query)
        except InvalidQuery as error:
            return failure(str(error), 400)
        return success(page | {"list": [row for fields in page["list"] for row in self._rows(fields)]})

    async def find(self, request: Request, requester: Requester) -> Response:
        """The first payment of an order number by `sorting`; of one status if one is given."""
        found = self._found(request, requester)
        if isinstance(found, Response):
            return found
        try:
            query = Query.read(request.query_params, self._payments.now)
        except InvalidQuery as error:
            return failure(str(error), 400)
        return success(ordered(found, query.sorting)[0].fields)

    async def find_all(self, request: Request, requester: Requester) -> Response:
        """All payments of an order number, in pages."""
        found = self._found(request, requester)
        if isinstance(found, Response):
            return found
        try:
            return success(page_of(found, Query.read(request.query_params, self._payments.now)))
        except InvalidQuery as error:
            return failure(str(error), 400)

    async def prepared(self, request: Request, _requester: Requester) -> Response:
        """The amount registered beforehand; 404 without one."""
        prepared = self._payments.prepared.get(_parts(request)[0])
        return failure("사전등록된 결제정보가 존재하지 않습니다", 404) if prepared is None else success(prepared)

    async def cancel(self, request: Request, requester: Requester) -> Response:
        """`POST /payments/cancel`; a refusal is a ``code`` other than 0 under HTTP 200."""
        form = await parse_body(request)
        payment = None
        if isinstance(form.get("imp_uid"), str):
            payment = self._payments.find(form["imp_uid"], requester)
        elif isinstance(form.get("merchant_uid"), str):
            payment = next(iter(self._of_order(form["merchant_uid"], requester)), None)
        if payment is None:
            return failure(_UNKNOWN, code=1)
        try:
            cancellation_id = self._cancellations.ask(payment, form)
        except CancellationRefused as error:
            return failure(str(error), code=1)
        if cancellation_id is not None and form.get("enable_webhook") in _TRUE:
            self._cancellations.announce(payment, cancellation_id)
        return success(self._rows(payment.fields)[0])

    def _signed_in(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            account = self._tokens.account(_token(request))
            if account is None:
                return failure("Unauthorized", 401)
            return await handler(request, Requester(account, request.headers.get("tier") or None))

        return guarded

    def _of(self, requester: Requester) -> list[SandboxPayment]:
        return [payment for payment in self._payments if requester.sees(payment)]

    def _of_order(self, merchant_uid: str, requester: Requester) -> list[SandboxPayment]:
        of_order = (payment for payment in self._of(requester) if payment.fields["merchant_uid"] == merchant_uid)
        return ordered(of_order, "-started")

    def _found(self, request: Request, requester: Requester) -> list[SandboxPayment] | Response:
        merchant_uid, *status = _parts(request)
        if len(status) > 1 or (status and status[0] not in STATUSES):
            return failure("유효하지 않은 status입니다", 400)
        found = self._of_order(merchant_uid, requester)
        if status and status[0] != "all":
            found = [payment for payment in found if payment.fields["status"] == status[0]]
        return found or failure(_UNKNOWN, 404)

    def _rows(self, fields: Fields) -> list[Any]:
        """A payment's rows in an answer: one, or what its poison turns it into."""
        match self._faults.poison(fields["imp_uid"]):
            case "nameless":
                return [None]
            case "row":
                return [{"imp_uid": fields["imp_uid"], "amount": "?", "status": None}]
            case "other":
                return [fields | {"imp_uid": f"imp_other_{fields['imp_uid']}"[:32]}]
            case "twice":
                return [fields, fields | {"amount": fields["amount"] + 1}]
        return [fields]

    def _poisoned(self, payments: list[SandboxPayment]) -> Response | None:
        poisons = {self._faults.poison(payment.imp_uid) for payment in payments}
        if "error" in poisons:
            return failure("Internal Server Error", 500)
        return failure("잘못된 요청입니다", 400) if "refused" in poisons else None


def _token(request: Request) -> str:
    """The access token. ``Bearer <token>`` is the documented form; the token alone works, too."""
    text = request.headers.get("authorization", "").strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text


def _parts(request: Request) -> list[str]:
    """The path parts after `/payments/{call}/`, decoded one by one: an order number may hold a slash."""
    return [unquote(part) for part in request.scope["raw_path"].decode("latin-1").split("/")[3:]]
