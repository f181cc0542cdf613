"""`Idempotency-Key`: a repeated POST gets the first answer again (24 h, per token and path)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable

import orjson
import structlog
from starlette.responses import Response

from console.http.problems import WrongField, invalid, problem
from ledger.idempotency import Idempotency
from runtime.encryption import Sealer
from schemas.errors import LedgerUnavailable
from schemas.reasons import Reason

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_NOT_STORED = frozenset((422, 500, 502, 503))
"""Statuses of requests that had no effect. Their answers are not stored, so the key may be used again."""
_STORED_HEADERS = ("content-type", "location")

log = structlog.get_logger()


async def run_once(
    idempotency: Idempotency,
    sealer: Sealer,
    key: str,
    *,
    caller: str,
    path: str,
    request: bytes,
    carry_out: Callable[[], Awaitable[Response]],
) -> Response:
    """The answer of `carry_out`, or the one that it gave before under this key. `request`, the query and the body, must
    be the same as then. Answers are stored sealed, as they may hold secrets."""
    if not _KEY.fullmatch(key):
        return invalid([WrongField("Idempotency-Key", Reason.of("bad_idempotency_key"))])
    name = _digest(f"{caller}\n{path}\n{key}".encode())
    owner = secrets.token_hex(8)
    before = await idempotency.begin(name, _digest(request), owner)
    if before is None:
        return await _first(idempotency, sealer, name, owner, carry_out)
    match before.what:
        case "other":
            return invalid([WrongField("Idempotency-Key", Reason.of("idempotency_key_reused"))])
        case "running":
            return problem(409, Reason.of("request_running"), headers={"retry-after": "1"})
    return _unpacked(sealer.open(before.answer))


async def _first(
    idempotency: Idempotency, sealer: Sealer, name: str, owner: str, carry_out: Callable[[], Awaitable[Response]]
) -> Response:
    try:
        response = await carry_out()
    except BaseException:
        # There is no answer to store; the caller handles the error.
        await idempotency.end(name, owner, None)
        raise
    stored = None if response.status_code in _NOT_STORED else sealer.seal(_packed(response))
    try:
        await idempotency.end(name, owner, stored)
    except LedgerUnavailable as error:
        # The request took effect, and after an error the client would repeat it. A repeat gets "still running" for a
        # while.
        log.warning("idempotent_answer_not_stored", reason=str(error))
    return response


def _packed(response: Response) -> str:
    headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
    return orjson.dumps([response.status_code, headers, bytes(response.body).decode()]).decode()


def _unpacked(packed: str) -> Response:
    status, headers, body = orjson.loads(packed)
    return Response(body.encode(), status, {**headers, "idempotency-replayed": "true"})


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
