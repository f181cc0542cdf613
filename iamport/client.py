"""The calls of i'mport's API that the relay makes, for one merchant.

Source: https://api.iamport.kr (the OpenAPI description of version 1). Every call takes 10 s at most, including the
token and one retry after a 401. Nothing else is retried here; that is up to the caller's schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx

from iamport.access_tokens import AccessToken, AccessTokens, Credentials, TokenStore, parse_token
from iamport.http_exchange import HttpResponse, exchange
from iamport.responses import (
    LookupResult,
    PaymentPage,
    has_status,
    is_not_found,
    is_number,
    parse_page,
    parse_payment,
    parse_payments,
    unwrap,
)
from iamport.sandbox_lookups import look_up_singly
from schemas import wire
from schemas.errors import IamportFailing, IamportUnreachable, Invalid, MalformedPayment, TooMuchAsked
from schemas.payments.snapshot import IMP_UID
from schemas.payments.windows import LARGEST_PAGE, LONGEST_WINDOW
from schemas.reasons import Reason

LARGEST_LOOKUP = 100
TIMEOUT = 10.0
"""Seconds that a call may take, including its token."""
_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "iamport-relay"}
# Words that i'mport's own paths have in place of an imp_uid: no payment can have one of them as its imp_uid.
_RESERVED = frozenset({"cancel", "find", "findAll", "prepare", "status"})


class Client:
    """i'mport's API as one merchant sees it. ``transport`` is shared and belongs to the caller.

    ``tier`` is an agency's code for a sub-merchant. It is sent with every call but the one for a token: a token is
    valid for all of the agency's sub-merchants.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        api_url: str,
        credentials: Credentials,
        tokens: TokenStore,
        *,
        tier: str | None = None,
        include_sandbox: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        self._transport = transport
        self._url = api_url.rstrip("/")
        self._credentials = credentials
        self._tier = tier
        self._include_sandbox = include_sandbox
        self._timeout = timeout
        self._tokens = AccessTokens(tokens, credentials, self._ask_for_token)

    async def payments(self, imp_uids: Sequence[str]) -> LookupResult:
        """Looks up to 100 payments up in one call. With ``include_sandbox`` those it did not return are looked up
        singly.

        Raises `Invalid` for anything that is not an imp_uid and for more than 100, and `IamportError`.
        """
        asked = list(dict.fromkeys(_checked(imp_uid) for imp_uid in imp_uids))
        if len(asked) > LARGEST_LOOKUP:
            raise Invalid("imp_uid", Reason.of("too_many_payments", most=LARGEST_LOOKUP))
        if not asked:
            return LookupResult({}, frozenset(), {}, {})
        answer = await self._get("/payments", [("imp_uid[]", imp_uid) for imp_uid in asked])
        result = parse_payments([] if is_not_found(answer) else unwrap(answer), frozenset(asked))
        if not self._include_sandbox or not result.unknown:
            return result
        left = [imp_uid for imp_uid in asked if imp_uid in result.unknown]
        return await look_up_singly(self.payment, result, left, self._timeout)

    async def payment(self, imp_uid: str) -> dict[str, Any] | None:
        """Looks one payment up; None if i'mport does not know it.

        Raises `Invalid`, `MalformedPayment` and `IamportError`.
        """
        if _checked(imp_uid) in _RESERVED:
            return None
        answer = await self._get(f"/payments/{imp_uid}", [("include_sandbox", "true")] * self._include_sandbox)
        return None if is_not_found(answer) else parse_payment(unwrap(answer), imp_uid)

    async def page(self, since: int, until: int, page: int, limit: int = LARGEST_PAGE) -> PaymentPage:
        """Page ``page`` (from 1) of the payments whose latest status is from ``[since, until]``, UNIX seconds.

        Oldest change first, so that a payment that changes meanwhile moves to the end. A window without payments has a
        total of 0. i'mport answers 400 to a page past the end, which is returned as an empty page. A 400 to page 1 may
        also be a refusal, so that page is empty and ``refused``. Raises `Invalid` for a window over 90 days or a limit
        over 1000, and `IamportError`: `TooMuchAsked` if a shorter window or fewer rows may succeed.
        """
        if not 0 <= until - since <= LONGEST_WINDOW:
            raise Invalid("until", Reason.of("window_too_long"))
        if not 1 <= limit <= LARGEST_PAGE or page < 1:
            raise Invalid("page", Reason.of("bad_page", most=LARGEST_PAGE))
        query = [("from", since), ("to", until), ("page", page), ("limit", limit), ("sorting", "updated")]
        answer = await self._get("/payments/status/all", [(name, str(value)) for name, value in query])
        if has_status(answer, 400):
            return PaymentPage(0, 0, (), refused=page == 1)
        return replace(parse_page(unwrap(answer)), body_bytes=len(answer.body))

    async def cancel(self, imp_uid: str, form: Mapping[str, Any]) -> dict[str, Any]:
        """Asks i'mport to cancel, with a webhook; ``form`` holds the other fields of ``POST /payments/cancel``.

        Returns the payment. Raises `Invalid`; `IamportRefused` and `WrongCredentials`: nothing was cancelled;
        `IamportUnreachable`: the request did not arrive; any other `IamportFailing`: the outcome is unknown. The
        request is never sent again once it may have arrived.
        """
        fields = {name: value for name, value in form.items() if value is not None and name != "merchant_uid"}
        fields |= {"imp_uid": _checked(imp_uid), "enable_webhook": True}
        try:
            body = wire.dumps(fields)
        except TypeError:
            raise Invalid("form", Reason.of("not_writable")) from None
        response = unwrap(await self._call("POST", "/payments/cancel", (), body))
        try:
            return parse_payment(response, imp_uid)
        except MalformedPayment as error:
            raise IamportFailing(Reason.of("iamport_no_payment", error.reason)) from None

    async def prepared(self, merchant_uid: str) -> dict[str, Any] | None:
        """The amount registered beforehand, ``{merchant_uid, amount, currency}``; None without one.

        ``amount`` is a number and ``currency`` a text; either can be missing or null. Raises `MalformedPayment` if the
        answer is about another order or unusable, and `IamportError`.
        """
        # A dot segment would be resolved to another path.
        if merchant_uid in ("", ".", ".."):
            return None
        try:
            part = quote(merchant_uid, safe="")
        except UnicodeEncodeError:
            return None
        answer = await self._get(f"/payments/prepare/{part}", ())
        if is_not_found(answer):
            return None
        response = unwrap(answer)
        if not isinstance(response, dict) or response.get("merchant_uid") not in (None, merchant_uid):
            raise MalformedPayment(Reason.of("prepared_of_other_order"))
        amount, currency = response.get("amount"), response.get("currency")
        if not (amount is None or is_number(amount)) or not (currency is None or isinstance(currency, str)):
            raise MalformedPayment(Reason.of("prepared_unreadable"))
        return response

    async def _get(self, path: str, query: Iterable[tuple[str, str]]) -> HttpResponse:
        return await self._call("GET", path, query)

    async def _call(self, method: str, path: str, query: Iterable[tuple[str, str]], body: bytes = b"") -> HttpResponse:
        """Calls with a token; after a 401, again with a new one. Raises `IamportUnreachable` if nothing was sent."""
        url = httpx.URL(self._url + path, params=tuple(query))
        sent = False
        try:
            async with asyncio.timeout(self._timeout):
                token = await self._tokens.get()
                sent = True
                answer = await exchange(self._transport, _request(method, url, body, token, self._tier))
                # Only if the 401 is i'mport's own: a proxy may answer 401 after it has passed a cancellation on.
                if has_status(answer, 401):
                    sent = False
                    token = await self._tokens.renew(token)
                    sent = True
                    answer = await exchange(self._transport, _request(method, url, body, token, self._tier))
        except TimeoutError:
            why = Reason.of("iamport_timed_out", seconds=f"{self._timeout:g}")
            raise (TooMuchAsked(why, slow=True) if sent else IamportUnreachable(why)) from None
        except IamportFailing as error:
            if sent or isinstance(error, IamportUnreachable):
                raise
            raise IamportUnreachable(error.reason, retry_after=error.retry_after) from None
        return answer

    async def _ask_for_token(self) -> AccessToken:
        body = wire.dumps({"imp_key": self._credentials.imp_key, "imp_secret": self._credentials.imp_secret})
        request = _request("POST", httpx.URL(f"{self._url}/users/getToken"), body)
        try:
            async with asyncio.timeout(self._timeout):
                return parse_token(await exchange(self._transport, request))
        except TimeoutError:
            raise IamportFailing(Reason.of("iamport_token_timed_out", seconds=f"{self._timeout:g}")) from None


def _request(
    method: str, url: httpx.URL, body: bytes, token: str | None = None, tier: str | None = None
) -> httpx.Request:
    headers = dict(_HEADERS)
    if body:
        headers["content-type"] = "application/json"
    if token is not None:
        # i'mport now documents ``Bearer`` before the token. It takes both, and its own clients send the token alone.
        headers["authorization"] = token
    if tier:
        headers["Tier"] = tier
    return httpx.Request(method, url, headers=headers, content=body or None)


def _checked(imp_uid: str) -> str:
    if not IMP_UID.fullmatch(imp_uid):
        raise Invalid("imp_uid", Reason.of("not_an_imp_uid"))
    return imp_uid
