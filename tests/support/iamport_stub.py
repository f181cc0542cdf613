"""A tiny i'mport on a real socket whose every answer a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from schemas import wire
from tests.support.http_server import Connection, HttpServer, Request

Asked = Request
Reply = Callable[[Asked], bytes | None]


def http(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> bytes:
    """An HTTP answer; a body that is not bytes is written as JSON."""
    content = body if isinstance(body, bytes) else wire.dumps(body)
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def well(response: Any, status: int = 200) -> bytes:
    """An answer of i'mport's shape that is well."""
    return http(status, {"code": 0, "message": None, "response": response})


def no(status: int, message: str = "no", code: int = -1) -> bytes:
    """An answer of i'mport's shape that says no."""
    return http(status, {"code": code, "message": message, "response": None})


def token_answer(text: str, lifetime: int = 1800, now: int = 1_700_000_000) -> bytes:
    """The answer of ``POST /users/getToken``; i'mport's clock need not be ours."""
    return well({"access_token": text, "now": now, "expired_at": now + lifetime})


def payment(imp_uid: str, **fields: Any) -> dict[str, Any]:
    """A payment with the fields i'mport always sends."""
    required = {"merchant_uid": f"order_{imp_uid}", "amount": 1000, "cancel_amount": 0, "currency": "KRW"}
    return {"imp_uid": imp_uid, **required, "status": "paid", "sandbox": False, **fields}


class Last(bytes):
    """An answer, whole or not, after which the connection is closed."""


def always(answer: bytes | None) -> Reply:
    """A reply that never changes."""
    return lambda _asked: answer


class Stub(HttpServer):
    """Answers ``POST /users/getToken`` with ``token`` and everything else with what ``reply`` says.

    A reply of None closes the connection; ``delay`` seconds pass before each answer but a token's, and it is
    ``held_up`` until that event.
    """

    def __init__(self, reply: Reply | None = None) -> None:
        super().__init__()
        self.reply = reply or always(no(404))
        self.token: Callable[[], bytes | None] | None = None
        self.delay = 0.0
        self.held_up: asyncio.Event | None = None
        self.tokens_given = 0

    @property
    def asked(self) -> list[Asked]:
        """Every request so far."""
        return self.requests

    @property
    def calls(self) -> list[Asked]:
        """What was asked for apart from tokens."""
        return [asked for asked in self.requests if asked.path != "/users/getToken"]

    async def answer(self, request: Request, connection: Connection) -> None:
        """Answer as the test says."""
        if request.path == "/users/getToken":
            self.tokens_given += 1
            answer = self.token() if self.token else token_answer(f"token-{self.tokens_given}")
        else:
            await asyncio.sleep(self.delay)
            if self.held_up is not None:
                await self.held_up.wait()
            answer = self.reply(request)
        if answer is not None:
            await connection.write(answer)
        if answer is None or isinstance(answer, Last):
            connection.close()
