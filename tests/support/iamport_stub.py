"""A tiny i'mport on a real socket whose every byte a test decides."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from schemas import wire


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without its query, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's pairs."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def imp_uids(self) -> list[str]:
        """The ids a batched look-up asks for."""
        return [value for name, value in self.query if name == "imp_uid[]"]


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


def payment(imp_uid: str, **fields: Any) -> dict[str, Any]:
    """A payment with the fields i'mport always sends."""
    required = {"merchant_uid": f"order_{imp_uid}", "amount": 1000, "cancel_amount": 0, "currency": "KRW"}
    return {"imp_uid": imp_uid, **required, "status": "paid", "sandbox": False, **fields}


def always(answer: bytes | None) -> Reply:
    """A reply that never changes."""
    return lambda _asked: answer


@dataclass
class Stub:
    """Answers ``POST /users/getToken`` with ``token`` and everything else with what ``reply`` says.

    A reply of None closes the connection; ``delay`` seconds pass before each answer but a token's.
    """

    reply: Reply = lambda _asked: no(404)
    token: Callable[[], bytes | None] | None = None
    delay: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    tokens_given: int = 0
    port: int = 0
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Asked]:
        """What was asked for apart from tokens."""
        return [asked for asked in self.asked if asked.path != "/users/getToken"]

    async def start(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Listens on a port of the kernel's choice."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the door and every connection."""
        if self.server is not None:
            self.server.close()
        for writer in self.writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _version = head[0].split(" ")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = await self._answer(Asked(method, target, headers, body))
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, asked: Asked) -> bytes | None:
        self.asked.append(asked)
        if asked.path == "/users/getToken":
            self.tokens_given += 1
            return self.token() if self.token else token_answer(f"token-{self.tokens_given}")
        if self.delay:
            await asyncio.sleep(self.delay)
        return self.reply(asked)


def token_answer(text: str, lifetime: int = 1800, now: int = 1_700_000_000) -> bytes:
    """The answer of ``POST /users/getToken``; i'mport's clock need not be ours."""
    return well({"access_token": text, "now": now, "expired_at": now + lifetime})
