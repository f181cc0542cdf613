"""Whatever i'mport, or something in between, answers: only errors of the tree come out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iamport.client import Client
from iamport.responses import LookupResult, PaymentPage
from schemas import wire
from schemas.errors import IamportError
from tests.support.iamport_stub import Last, Stub, always, http

CALLS: list[Callable[[Client], Awaitable[object]]] = [
    lambda client: client.payments(["a", "b"]),
    lambda client: client.payment("a"),
    lambda client: client.page(0, 1, 1),
    lambda client: client.cancel("a", {}),
    lambda client: client.prepared("order"),
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.decimals(allow_nan=False, allow_infinity=False)
)
NAMES = st.sampled_from(
    ["code", "message", "response", "list", "total", "next", "imp_uid", "status", "amount", "access_token", "now"]
)
JSON = st.recursive(
    SCALARS | st.text(max_size=8) | st.sampled_from(["a", "b", "paid", "expired_at"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(wire.dumps)
    | JSON.map(lambda value: wire.dumps({"code": 0, "message": None, "response": value}))
)
STATUSES = st.sampled_from([200, 200, 200, 207, 400, 401, 404, 429, 500]) | st.integers(200, 999)
SLOW = settings(suppress_health_check=list(HealthCheck), max_examples=150, deadline=None)


async def _holds(client: Client, call: Callable[[Client], Awaitable[object]]) -> None:
    try:
        result = await call(client)
    except IamportError:
        return
    if isinstance(result, LookupResult):
        parts = [set(result.found), set(result.unknown), set(result.malformed), set(result.failed)]
        assert sorted(name for part in parts for name in part) == ["a", "b"]
    else:
        assert result is None or isinstance(result, dict | PaymentPage)


@SLOW
@given(status=STATUSES, body=BODIES, call=st.sampled_from(CALLS))
async def test_any_body(
    stub: Stub, client: Client, status: int, body: bytes, call: Callable[[Client], Awaitable[object]]
) -> None:
    """Any status with any bytes or JSON gives a result of the right shape or an error of the tree."""
    stub.reply = lambda _asked: http(status, body)
    await _holds(client, call)


@SLOW
@given(raw=st.binary(max_size=120), call=st.sampled_from(CALLS))
async def test_any_bytes_instead_of_http(
    stub: Stub, client: Client, raw: bytes, call: Callable[[Client], Awaitable[object]]
) -> None:
    """Bytes that need not be HTTP give an error of the tree, or a result of the right shape where they are."""
    stub.reply = always(Last(b"HTTP/1.1 2" + raw if len(raw) % 2 else raw))
    await _holds(client, call)


@SLOW
@given(status=STATUSES, body=BODIES)
async def test_any_answer_instead_of_a_token(stub: Stub, client: Client, status: int, body: bytes) -> None:
    """What need not be a token gives an error of the tree, or a result of the right shape where it is one."""
    stub.token = lambda: http(status, body)
    stub.reply = lambda _asked: http(404, {"code": -1, "message": "no", "response": None})
    await _holds(client, CALLS[0])
