"""The calls of i'mport's API that the relay makes, for one merchant.

Source: https://api.iamport.kr (the OpenAPI description of version 1). Every call takes 10 s at most, its token and
the one retry after a 401 included. Nothing else is retried here: when to ask again is the caller's schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx

from iamport.http_exchange import HttpResponse, exchange
from iamport.responses import (
    LookupResult,
    PaymentPage,
    is_number,
    none_of,
    page_of,
    payment_of,
    payments_of,
    response_of,
    says,
)
from iamport.sandbox_lookups import ask_singly
from iamport.tokens import AccessToken, AccessTokens, Credentials, TokenStore, token_of
from schemas import wire
from schemas.errors import IamportFailing, IamportUnreachable, Invalid, MalformedPayment, TooMuchAsked
from schemas.payments.snapshot import IMP_UID
from schemas.reasons import Reason

LARGEST_BATCH = 100
LARGEST_PAGE = 1000
LONGEST_WINDOW = 90 * 86400
TIMEOUT = 10.0
"""Seconds that a call may take, its token included."""
_HEADERS = {"accept": "application/json", "accept-encoding": "gzip, deflate", "user-agent": "iamport-relay"}
# Words that i'mport's own paths use where an imp_uid may stand: a payment cannot have such a name.
_TAKEN = frozenset({"cancel", "find", "findAll", "prepare", "status"})


class Client:
    """i'mport's API as one merchant sees it. ``transport`` is shared and belongs to the caller.

    ``tier`` is an agency's code for a sub-merchant: sent with every call but the one for a token, which takes key and
    secret only and gives a token for all of the agency's sub-merchants.
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
        """Looks at up to 100 payments in one call; with ``include_sandbox`` asks singly for what it did not return.

        Raises `Invalid` for a name that is no imp_uid or more than 100 of them, and `IamportError`.
        """
        asked = list(dict.fromkeys(_checked(imp_uid) for imp_uid in imp_uids))
        if len(asked) > LARGEST_BATCH:
            raise Invalid("imp_uid", Reason.of("too_many_payments", most=LARGEST_BATCH))
        if not asked:
            return LookupResult({}, frozenset(), {}, {})
        answer = await self._get("/payments", [("imp_uid[]", imp_uid) for imp_uid in asked])
        looked = payments_of([] if none_of(answer) else response_of(answer), frozenset(asked))
        if not self._include_sandbox or not looked.unknown:
            return looked
        left = [imp_uid for imp_uid in asked if imp_uid in looked.unknown]
        return await ask_singly(self.payment, looked, left, self._timeout)

    async def payment(self, imp_uid: str) -> dict[str, Any] | None:
        """Looks at one payment; None where i'mport knows none. Raises `Invalid`, `MalformedPayment`, `IamportError`."""
        if _checked(imp_uid) in _TAKEN:
            return None
        answer = await self._get(f"/payments/{imp_uid}", [("include_sandbox", "true")] * self._include_sandbox)
        return None if none_of(answer) else payment_of(response_of(answer), imp_uid)

    async def page(self, since: int, until: int, page: int, limit: int = LARGEST_PAGE) -> PaymentPage:
        """Page ``page`` (from 1) of the payments whose latest status is from ``[since, until]``, UNIX seconds.

        Oldest change first, so that what changes meanwhile moves to the end. A window without payments has a total of
        0; a page past the end is a 400 of i'mport's and given as an empty one. On page 1 that may mean either: the
        page is empty and says that it was turned down. Raises `Invalid` for a window over 90 days or a limit over
        1000, and `IamportError`: `TooMuchAsked` where a shorter window or fewer rows may be answered.
        """
        if not 0 <= until - since <= LONGEST_WINDOW:
            raise Invalid("until", Reason.of("window_too_long"))
        if not 1 <= limit <= LARGEST_PAGE or page < 1:
            raise Invalid("page", Reason.of("bad_page", most=LARGEST_PAGE))
        query = [("from", since), ("to", until), ("page", page), ("limit", limit), ("sorting", "updated")]
        answer = await self._get("/payments/status/all", [(name, str(value)) for name, value in query])
        if says(answer, 400):
            return PaymentPage(0, 0, (), turned_down=page == 1)
        return replace(page_of(response_of(answer)), body_bytes=len(answer.body))

    async def cancel(self, imp_uid: str, form: Mapping[str, Any]) -> dict[str, Any]:
        """Asks i'mport to cancel, with a webhook; ``form`` holds the other fields of ``POST /payments/cancel``.

        Answers with the payment. Raises `Invalid`; `IamportRefused` and `WrongCredentials`: nothing happened;
        `IamportUnreachable`: it had no effect; any other `IamportFailing`: the outcome is unknown. Never sent again
        after it may have arrived.
        """
        fields = {name: value for name, value in form.items() if value is not None and name != "merchant_uid"}
        fields |= {"imp_uid": _checked(imp_uid), "enable_webhook": True}
        try:
            body = wire.dumps(fields)
        except TypeError:
            raise Invalid("form", Reason.of("not_writable")) from None
        response = response_of(await self._call("POST", "/payments/cancel", (), body))
        try:
            return payment_of(response, imp_uid)
        except MalformedPayment as error:
            raise IamportFailing(Reason.of("iamport_no_payment", error.reason)) from None

    async def prepared(self, merchant_uid: str) -> dict[str, Any] | None:
        """The amount registered beforehand, ``{merchant_uid, amount, currency}``; None where there is none.

        ``amount`` is a number and ``currency`` a text; either can be missing or null. Raises `MalformedPayment` where
        the answer is about another order or holds no such amount, and `IamportError`.
        """
        # A dot segment would be resolved away on its way and reach another path.
        if merchant_uid in ("", ".", ".."):
            return None
        try:
            part = quote(merchant_uid, safe="")
        except UnicodeEncodeError:
            return None
        answer = await self._get(f"/payments/prepare/{part}", ())
        if none_of(answer):
            return None
        response = response_of(answer)
        if not isinstance(response, dict) or response.get("merchant_uid") not in (None, merchant_uid):
            raise MalformedPayment(Reason.of("prepared_of_other_order"))
        amount, currency = response.get("amount"), response.get("currency")
        if not (amount is None or is_number(amount)) or not (currency is None or isinstance(currency, str)):
            raise MalformedPayment(Reason.of("prepared_unreadable"))
        return response

    async def _get(self, path: str, query: Iterable[tuple[str, str]]) -> HttpResponse:
        return await self._call("GET", path, query)

    async def _call(self, method: str, path: str, query: Iterable[tuple[str, str]], body: bytes = b"") -> HttpResponse:
        """One call with a token, and once more with a new one after a 401; `IamportUnreachable` where none went out."""
        url = httpx.URL(self._url + path, params=tuple(query))
        out = False
        try:
            async with asyncio.timeout(self._timeout):
                token = await self._tokens.get()
                out = True
                answer = await exchange(self._transport, _request(method, url, body, token, self._tier))
                # Not for a page that something in between made up: a cancellation may have passed it.
                if says(answer, 401):
                    out = False
                    token = await self._tokens.renew(token)
                    out = True
                    answer = await exchange(self._transport, _request(method, url, body, token, self._tier))
        except TimeoutError:
            why = Reason.of("iamport_timed_out", seconds=f"{self._timeout:g}")
            raise (TooMuchAsked(why, slow=True) if out else IamportUnreachable(why)) from None
        except IamportFailing as error:
            if out or isinstance(error, IamportUnreachable):
                raise
            raise IamportUnreachable(error.reason, retry_after=error.retry_after) from None
        return answer

    async def _ask_for_token(self) -> AccessToken:
        body = wire.dumps({"imp_key": self._credentials.imp_key, "imp_secret": self._credentials.imp_secret})
        request = _request("POST", httpx.URL(f"{self._url}/users/getToken"), body)
        try:
            async with asyncio.timeout(self._timeout):
                return token_of(await exchange(self._transport, request))
        except TimeoutError:
            raise IamportFailing(Reason.of("iamport_token_timed_out", seconds=f"{self._timeout:g}")) from None


def _request(
    method: str, url: httpx.URL, body: bytes, token: str | None = None, tier: str | None = None
) -> httpx.Request:
    headers = dict(_HEADERS)
    if body:
        headers["content-type"] = "application/json"
    if token is not None:
        # ``Bearer`` before it is how i'mport documents it now. It takes both, and its own clients send the token alone.
        headers["authorization"] = token
    if tier:
        headers["Tier"] = tier
    return httpx.Request(method, url, headers=headers, content=body or None)


def _checked(imp_uid: str) -> str:
    if not IMP_UID.fullmatch(imp_uid):
        raise Invalid("imp_uid", Reason.of("not_an_imp_uid"))
    return imp_uid
