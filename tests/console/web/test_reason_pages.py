"""Reasons on real pages: a Korean page is Korean, whatever an endpoint does."""

from __future__ import annotations

import html
import re
import time
from random import Random

from ledger.keys import Lane
from schemas.endpoints.delivery import AttemptResult, Retry, attempt, judge
from schemas.endpoints.health import EndpointHealth
from schemas.reasons import Reason
from tests.console.conftest import Console
from tests.console.web.conftest import Reader
from tests.support import machine

KOREAN = {"accept-language": "ko"}
REASON = re.compile(r'<span class="reason">(.*?)</span>(?=\s*<)', re.DOTALL)


async def failed(console: Console, result: AttemptResult) -> tuple[str, str]:
    """A delivery whose first attempt had this result: its id and its endpoint's."""
    endpoint = (await console.endpoint(url="http://127.0.0.1:9/"))["id"]
    await machine.seen(console.ledger, "imp_1")
    (delivery,) = (await console.ledger.delivery_lane.claim(Lane("deliver", endpoint))).deliveries
    verdict = judge(result, 0, (5.0,), Random(1))
    assert isinstance(verdict, Retry)
    made = attempt(result, time.time(), replay=False)
    await console.ledger.delivery_lane.settle(delivery.lease, verdict, [made])
    return delivery.id, endpoint


async def reasons(reader: Reader, path: str) -> list[str]:
    """The reasons that a page shows in Korean, as a reader sees them."""
    page = (await reader.open(path, headers=KOREAN)).text
    return [html.unescape(re.sub(r"<[^>]+>", "", found)).strip() for found in REASON.findall(page)]


async def test_a_breaker_that_opened_after_failures_is_explained_in_korean(reader: Reader, console: Console) -> None:
    """The pause and, behind it, what the last attempt came to: on the delivery, in the list, in the explanation."""
    refused = AttemptResult(None, Reason.of("connection_refused"), None, 3, "")
    delivery, endpoint = await failed(console, refused)
    now = time.time()
    opened = EndpointHealth(failures=5, failing_since=now - 60, open_until=now + 600, opens=1)
    assert await console.ledger.delivery_lane.note_health(endpoint, EndpointHealth(), opened)

    for path in (f"/deliveries/{delivery}", "/deliveries", f"/events/{delivery.partition('.')[0]}"):
        found = await reasons(reader, path)
        assert any(
            re.search(r"5회 연속 실패로 [\d: -]+까지 차단됨; 마지막 시도는 실패\(연결 거부\)", one) for one in found
        ), found
        assert not [one for one in found if re.search("[A-Za-z]{2,}", one)]


async def test_a_retry_after_reads_correctly_in_korean(reader: Reader, console: Console) -> None:
    """The time stands where a Korean sentence has it, and nothing of another sentence stands inside."""
    delivery, _ = await failed(console, AttemptResult(429, None, 600.0, 3, ""))

    found = await reasons(reader, f"/deliveries/{delivery}")

    asked = r"엔드포인트가 [\d: -]+까지 전송을 멈춰 달라고 함\(Retry-After\); 마지막 시도는 429 응답"
    assert any(re.fullmatch(asked, one) for one in found), found


async def test_an_answer_that_is_not_shown_is_described_in_korean(reader: Reader, console: Console) -> None:
    """Its length and encoding are data: the page shows them in the reader's language, the API in English."""
    encoded = Reason.of("response_encoded", bytes=5, encoding="gzip")
    delivery, _ = await failed(console, AttemptResult(500, None, None, 3, encoded))

    assert "(5바이트, gzip 인코딩)" in (await reader.open(f"/deliveries/{delivery}", headers=KOREAN)).text
    (made,) = (await console.call("GET", f"/v1/deliveries/{delivery}")).json()["attempts"]
    assert (made["response"], made["error"], made["error_code"]) == ("(5 bytes, gzip-encoded)", None, None)
