"""The ways subscribers behave, each with what the sender must answer and what must become of the delivery.

The sender's tests and the end-to-end suite share it. A behaviour is a coroutine that gets the connection once a
request has been read whole.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Literal

from tests.support.http_server import Connection
from tests.support.subscribers import Behaviour, Play


def status(code: int, body: bytes = b"", *headers: str) -> Play:
    """A well-formed answer."""
    lines = [f"HTTP/1.1 {code} Whatever", *headers]
    if code not in (204, 304) and code >= 200:
        lines.append(f"Content-Length: {len(body)}")
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def raw(*parts: bytes, pause: float = 0.0, end: Literal["keep", "close", "reset", "hang"] = "keep") -> Play:
    """These bytes, one part after the other with a pause between, and then what `end` says."""

    async def play(connection: Connection) -> None:
        for index, part in enumerate(parts):
            if index and pause:
                await asyncio.sleep(pause)
            await connection.write(part)
        if end == "close":
            connection.close()
        elif end == "reset":
            # Let what was written arrive first: a reset throws away what the other side has not read yet.
            await asyncio.sleep(0.2 if parts else 0)
            connection.reset()
        elif end == "hang":
            await connection.until_left()

    return play


def endless(head: bytes, part: bytes, pause: float = 0.0) -> Play:
    """The head, then the part again and again until the other side has had enough."""

    async def play(connection: Connection) -> None:
        connection.keep = False
        await connection.write(head)
        while not connection.writer.is_closing():
            await connection.write(part)
            await asyncio.sleep(pause)

    return play


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_ANSWER = _OK + b"Content-Length: 2\r\n\r\nok"
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"
_ERROR = b"HTTP/1.1 500 Oh\r\n"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
_BOMB = gzip.compress(bytes(10_000_000))
_CUT = "invalid HTTP answer"
_GONE = "connection closed without an answer"
_LATE = "timed out"


def _delivered(name: str, play: Play, code: int = 200, *, reads: bool = True, lingers: bool = False) -> Behaviour:
    return Behaviour(name, play, "delivered", code, reads=reads, lingers=lingers)


def _headers(count: int, length: int) -> bytes:
    """So many headers of so many bytes each."""
    return b"".join(f"X-{n:05}: ".encode().ljust(length - 2, b"y") + b"\r\n" for n in range(count))


def _refused(name: str, code: int, *headers: str, body: bytes = b"no", lane_wait: float | None = None) -> Behaviour:
    return Behaviour(name, status(code, body, *headers), "again", code, lane_wait=lane_wait)


def _failed(name: str, play: Play, error: str, code: int | None = None, *, reads: bool = True) -> Behaviour:
    return Behaviour(name, play, "again", code, error, reads=reads)


_BEHAVIOURS = (
    _delivered("ok", status(200, b"ok")),
    _delivered("created", status(201, b"{}", "Location: /made"), 201),
    _delivered("accepted", status(202), 202),
    _delivered("no_content", status(204), 204),
    _delivered("odd_success", status(299), 299),
    _delivered("chunked", raw(_CHUNKED + b"2\r\nok\r\n0\r\n\r\n")),
    _delivered("http_1_0", raw(b"HTTP/1.0 200 OK\r\n\r\nok", end="close")),
    _delivered("no_length", raw(_OK + b"\r\nok", end="close")),
    _delivered("connection_close", raw(_OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", end="close")),
    _delivered("closes_unannounced", raw(_ANSWER, end="close")),
    _delivered("continue_first", raw(b"HTTP/1.1 100 Continue\r\n\r\n", _ANSWER, pause=0.05)),
    _delivered("early_hints", raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", _ANSWER, pause=0.05)),
    _delivered("byte_by_byte", raw(*(bytes([byte]) for byte in _ANSWER), pause=0.005)),
    _delivered("late_but_in_time", raw(b"", _ANSWER, pause=0.3)),
    _delivered("answers_before_reading", raw(_ANSWER, pause=0.0, end="hang"), reads=False),
    _delivered("cookies", status(200, b"", "Set-Cookie: session=1; Path=/")),
    _delivered("huge_body", raw(_OK + b"Content-Length: 50000000\r\n\r\n", *[b"x" * 50_000] * 1000)),
    _delivered("endless_body", endless(_OK + b"\r\n", b"x" * 10_000)),
    _delivered("endless_chunks", endless(_CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n")),
    _delivered("length_too_long", raw(_OK + b"Content-Length: 100\r\n\r\nok", end="close")),
    _delivered("length_too_short", raw(_OK + b"Content-Length: 2\r\n\r\nok", b" and more", pause=0.1, end="close")),
    _delivered("two_answers", raw(_ANSWER + b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")),
    _delivered("reset_in_body", raw(_OK + b"Content-Length: 100\r\n\r\nok", end="reset")),
    _delivered("not_really_gzip", status(200, b"plain", "Content-Encoding: gzip")),
    _delivered("gzip_bomb", status(200, _BOMB, "Content-Encoding: gzip")),
    _delivered("no_reason", raw(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")),
    _delivered("lower_case", raw(_OK + b"content-length: 2\r\nx: \r\n\r\nok")),
    _delivered("bare_newlines", raw(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok")),
    _delivered("latin_header", raw(_OK + b"X: caf\xe9 \xff\r\nContent-Length: 2\r\n\r\nok")),
    _delivered(
        "odd_content_type", status(200, b"ok", "Content-Type: text/html; charset*=\"x''%E0", "Retry-After: \xff")
    ),
    # A policy that names every host of a shop, and as many cookies as anybody sets.
    _delivered("long_header", status(200, b"ok", "Content-Security-Policy: " + "https://cdn.example " * 1000)),
    _delivered("long_headers", raw(_OK + _headers(8, 8192) + b"Content-Length: 2\r\n\r\nok")),
    _delivered("many_headers", raw(_OK + _headers(4096, 16) + b"Content-Length: 2\r\n\r\nok")),
    # From here on only the status line is worth anything.
    _delivered("too_long_header", raw(_OK + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", end="close")),
    _delivered("header_flood", endless(_OK, _headers(100, 16))),
    _delivered("no_content_with_body", raw(b"HTTP/1.1 204 No Content\r\n\r\nok"), 204),
    _delivered("no_content_with_length", raw(_NO_CONTENT + b"ok"), 204),
    _delivered("no_content_body_later", raw(_NO_CONTENT, b"ok", pause=0.1, end="close"), 204),
    _delivered("closes_after_status", raw(_OK, end="close")),
    _delivered("closes_in_headers", raw(_OK + b"Content-Le", end="close")),
    _delivered("resets_after_status", raw(_OK, end="reset")),
    _delivered("two_lengths", raw(_OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", end="close")),
    _delivered("bad_length", raw(_OK + b"Content-Length: minus one\r\n\r\n", end="close")),
    _delivered("nul_in_header", raw(_OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n", end="close")),
    _delivered("no_header", raw(_OK + b"what is this\r\n\r\n", end="close")),
    _delivered("junk_right_after", raw(_OK + b"Content-Length: 2\r\n\r\nok and more", end="close")),
    _delivered("hints_then_junk", raw(_HINTS + _OK + b"what is this\r\n\r\n", end="close")),
    _delivered("bad_chunk", raw(_CHUNKED + b"zz\r\nok", end="close")),
    _delivered("bad_chunk_later", raw(_CHUNKED, b"2\r\nok\r\n", b"zz\r\n", pause=0.1, end="hang")),
    _delivered("chunks_break_off", raw(_CHUNKED + b"5\r\nok", end="close")),
    _delivered("stops_in_headers", raw(_OK, end="hang"), lingers=True),
    _delivered("dripping_headers", endless(_OK + b"X: ", b"y", 0.05), lingers=True),
    _delivered("stops_in_body", raw(_OK + b"Content-Length: 100\r\n\r\nok", end="hang"), lingers=True),
    _delivered("dripping_body", endless(_OK + b"Content-Length: 100000\r\n\r\n", b"y", 0.05), lingers=True),
    Behaviour("gone", status(410, b"bye"), "disable", 410),
    Behaviour("gone_without_body", status(410), "disable", 410),
    Behaviour("gone_in_headers", raw(b"HTTP/1.1 410 Gone\r\nContent-Le", end="close"), "disable", 410, _CUT),
    _refused("redirect_301", 301, "Location: /elsewhere"),
    _refused("redirect_302", 302, "Location: http://127.0.0.1:1/"),
    _refused("redirect_307", 307, "Location: /hook"),
    _refused("redirect_308", 308, "Location: /hook"),
    _refused("not_modified", 304, body=b""),
    _refused("multiple_choices", 300),
    _refused("bad_request", 400),
    _refused("unauthorized", 401, 'WWW-Authenticate: Basic realm="x"'),
    _refused("not_found", 404),
    _refused("proxy_authentication", 407, "Proxy-Authenticate: Basic"),
    _refused("too_large", 413, "Connection: close"),
    _refused("busy", 429),
    _refused("busy_for_seconds", 429, "Retry-After: 77", lane_wait=77),
    _refused("busy_for_no_time", 429, "Retry-After: 0"),
    _refused("busy_for_too_long", 429, "Retry-After: 999999", lane_wait=86400),
    _refused("busy_until_the_past", 429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"),
    _refused("busy_until_far_off", 429, "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT", lane_wait=86400),
    _refused("busy_for_nonsense", 429, "Retry-After: soon"),
    _refused("switching_protocols", 101, "Upgrade: websocket", "Connection: upgrade", body=b""),
    _refused("error_500", 500, body=b"x" * 100_000),
    _refused("error_500_with_retry_after", 500, "Retry-After: 60"),
    _refused("error_502_in_korean", 502, "Content-Type: text/html; charset=euc-kr", body="오류".encode("cp949")),
    _refused("unavailable", 503),
    _refused("unavailable_for_seconds", 503, "Retry-After: 120", lane_wait=120),
    _refused("error_599", 599),
    _failed("closes_without_answer", raw(end="close"), _GONE),
    _failed("closes_before_reading", raw(end="close"), "connection ", reads=False),
    _failed("resets_without_answer", raw(end="reset"), "connection reset"),
    _failed("garbage", raw(b"\x00\x01\x02 what is this\r\n\r\n", end="close"), _CUT),
    _failed("another_protocol", raw(b"SSH-2.0-OpenSSH_9.9\r\n", end="close"), _CUT),
    _failed("hints_only", raw(_HINTS, end="close"), "connection closed"),
    _failed("hints_then_garbage", raw(_HINTS + b"what is this\r\n\r\n", end="close"), _CUT),
    _failed("endless_hints", endless(b"", _HINTS), _CUT),
    _failed("endless_line", endless(b"HTTP/1.1 200 ", b"y" * 1000), _CUT),
    _failed("endless_nonsense", endless(b"", bytes(range(256)) * 16), _CUT),
    _failed("another_http", raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", end="close"), _CUT),
    _failed("status_cut_short", raw(b"HTTP/1.1 200", end="close"), _CUT),
    _failed("failure_with_long_header", raw(_ERROR + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n"), _CUT, 500),
    _failed("failure_in_headers", raw(_ERROR + b"Content-Le", end="close"), _CUT, 500),
    _failed("failure_that_lingers", raw(_ERROR, end="hang"), _LATE, 500),
    _failed("no_status", raw(b"HTTP/1.1 two hundred\r\n\r\n", end="close"), _CUT),
    _failed("silent", raw(end="hang"), _LATE),
    _failed("endless_continue", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), _LATE),
)

CATALOGUE = {behaviour.name: behaviour for behaviour in _BEHAVIOURS}
