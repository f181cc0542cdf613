"""Faults that can be switched on: the ways in which i'mport can fail."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.responses import failure

Poison = Literal["row", "nameless", "other", "twice", "error", "refused"]
_PAGE = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


class Fault(BaseModel):
    """What goes wrong; several faults can be combined. Durations are seconds.

    ``after``: i'mport acts first and fails or is slow afterwards, so that its answer is old when it arrives. ``poison``
    maps payments to their fault: `row` (an unusable row), `nameless` (no imp_uid), `other` (another payment in its
    place), `twice` (two rows that differ), `error` or `refused` (for every look-up that includes the payment).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int | None = Field(default=None, ge=400, le=599)
    retry_after: float | None = Field(default=None, ge=0)
    timeout: bool = False
    slow: float = Field(default=0.0, ge=0)
    html: bool = False
    code: int | None = None
    message: str = "sandbox fault"
    after: bool = False
    revoked: bool = False
    expired_token: bool = False
    poison: dict[str, Poison] = Field(default_factory=dict)
    paths: tuple[str, ...] = ()
    times: int | None = Field(default=None, ge=1)

    @property
    def replaces_answer(self) -> bool:
        """Whether it replaces or withholds i'mport's answer."""
        return self.status is not None or self.timeout or self.html or self.code is not None


NO_FAULT = Fault()


class Faults:
    """The fault that is switched on, and the number of requests it still applies to."""

    def __init__(self) -> None:
        self.current = NO_FAULT
        self._left: int | None = None

    def switch(self, fault: Fault) -> None:
        """Replaces the current fault."""
        self.current = fault
        self._left = fault.times

    def poison(self, imp_uid: str) -> Poison | None:
        """The fault of this payment, None without one."""
        return self.current.poison.get(imp_uid)

    def for_request(self, path: str) -> Fault:
        """The fault for one request; `NO_FAULT` if none applies. Counts the request."""
        if self.current.paths and not path.startswith(self.current.paths):
            return NO_FAULT
        if self._left is not None:
            if self._left == 0:
                return NO_FAULT
            self._left -= 1
        return self.current


class FaultMiddleware:
    """Middleware that applies the current fault to i'mport's API."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request with the fault applied."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        fault = self._faults.for_request(scope["path"])
        if not fault.after:
            await asyncio.sleep(fault.slow)
        if not fault.replaces_answer:
            await self._app(scope, receive, _delayed(send, fault.slow) if fault.after else send)
            return
        if fault.after:
            await self._app(scope, receive, _discard)
        if fault.timeout:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await _answer(fault)(scope, receive, send)


def _delayed(send: Send, seconds: float) -> Send:
    async def later(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return later


async def _discard(_message: Message) -> None:
    return


def _answer(fault: Fault) -> Response:
    if fault.html:
        return HTMLResponse(_PAGE, fault.status or 200)
    if fault.code is not None:
        return failure(fault.message, fault.status or 200, fault.code)
    response = failure(fault.message, fault.status or 500)
    if fault.retry_after is not None:
        response.headers["retry-after"] = f"{fault.retry_after:g}"
    return response
