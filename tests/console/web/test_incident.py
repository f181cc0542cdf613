"""An incident at 3 a.m. in a real browser: the customer paid, shipping heard nothing.

Screenshots of every step are kept in `var/screenshots`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.console.web.conftest import picture
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import shared_relay
from tests.support.waiting import PATIENCE

WAIT = PATIENCE * 1000

WORDS = {
    "en": {
        "sign_in": "Sign in", "find": "Find", "missing": "1 of 1 deliveries have not arrived.", "dead": "Dead",
        "reason": "dead after 3 attempts; the last answered 500", "retry": "Retry now",
        "arrived": "Its only delivery has arrived.", "delivered": "Delivered", "live": "Live",
        "claimed": "A webhook reported", "found": "A look-up found", "count": "Count first",
        "matched": "6 deliveries would be sent", "begin": "Start: send 6 deliveries", "so_far": "6 of 6",
        "done": "Done", "title": "Overview",
    },
    "ko": {
        "sign_in": "로그인", "find": "찾기", "missing": "전달 1건 중 1건이 도착하지 않았습니다.", "dead": "실패 확정",
        "reason": "3회 시도 후 실패 확정, 마지막 시도는 500 응답", "retry": "지금 다시 시도",
        "arrived": "전달 1건이 도착했습니다.", "delivered": "전달됨", "live": "실시간",
        "claimed": "웹훅이 알린 상태", "found": "조회 결과", "count": "먼저 건수 확인",
        "matched": "전달 6건을 보내게 됩니다", "begin": "시작: 6건 보내기", "so_far": "6건 중 6건",
        "done": "완료", "title": "현황",
    },
}  # fmt: skip


SignIn = Callable[..., Awaitable[Page]]

pytestmark = pytest.mark.asyncio(loop_scope="module")
relay = shared_relay(RELAY_RETRY_SCHEDULE="100ms,100ms")
"""A whole relay that gives up soon; each test has a merchant of its own."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Shop:
    """A merchant of the relay."""

    relay: Relay
    merchant: str

    async def subscribe(self, **fields: Any) -> dict[str, Any]:
        """Subscribe the subscriber of the relay to this merchant's events; the endpoint."""
        return await self.relay.endpoint(merchant=self.merchant, **fields)

    async def sell(self, count: int = 1) -> list[str]:
        """Customers pay by card; the imp_uids of their payments."""
        return await self.relay.play("card", merchant=self.merchant, imp_key=f"key-{self.merchant}", count=count)

    async def until_there_are(self, count: int, what: str, **query: str) -> list[dict[str, Any]]:
        """Wait until a list has so many rows of this merchant; these."""

        async def all_of_them() -> list[dict[str, Any]] | None:
            rows = await self.relay.list_all(f"/v1/{what}", merchant=self.merchant, **query)
            return rows if len(rows) == count else None

        rows: list[dict[str, Any]] = await self.relay.until(all_of_them, f"there are {count} {what} {query}")
        return rows


@pytest_asyncio.fixture(loop_scope="module")
async def shop(relay: Relay) -> Shop:
    """A merchant of this test's own; the subscriber is unwell."""
    relay.subscriber.reply = lambda _count: (500, 0)
    shop = Shop(relay, f"shop-{next(_numbers)}")
    await relay.merchant(shop.merchant)
    return shop


@pytest_asyncio.fixture(loop_scope="module")
async def sign_in(browser: Browser, relay: Relay) -> AsyncIterator[SignIn]:
    """Opens the console as a browser of this language sees it, signed in by its form.

    Its person likes no motion: to draw the breathing dot of a live page takes as much CPU as the page.
    """
    async with AsyncExitStack() as opened:

        async def sign_in(language: str, **options: Any) -> Page:
            locale = {"en": "en-US", "ko": "ko-KR"}[language]
            context = await browser.new_context(
                base_url=relay.url("console"), locale=locale, reduced_motion="reduce", **options
            )
            page = await (await opened.enter_async_context(context)).new_page()
            page.set_default_timeout(WAIT)
            await page.goto("/")
            await page.get_by_label(re.compile("token|토큰", re.IGNORECASE)).fill(TOKEN)
            await page.get_by_role("button", name=WORDS[language]["sign_in"]).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(WORDS[language]["title"])
            return page

        yield sign_in


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_an_incident_is_understood_and_resolved(shop: Shop, sign_in: SignIn, language: str) -> None:
    """Find the payment, see the dead delivery and its reason, retry it, see it turn green without loading again."""
    words = WORDS[language]
    await shop.subscribe(description="shipping")
    (imp_uid,) = await shop.sell()
    await shop.until_there_are(1, "deliveries", state="dead")
    page = await sign_in(language, color_scheme="dark" if language == "ko" else "light")
    problems = watched(page)
    await page.screenshot(path=picture(f"story-{language}-1-overview"), full_page=True)

    await page.keyboard.press("/")
    await page.keyboard.type(imp_uid)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(imp_uid)
    await expect(page.get_by_text(words["missing"]).first).to_be_visible()
    await expect(page.get_by_text(words["reason"]).first).to_be_visible()
    for part in ("claimed", "found"):
        await expect(page.get_by_text(words[part]).first).to_be_visible()
    await expect(page.locator("[data-live-words]")).to_have_text(words["live"])
    await page.screenshot(path=picture(f"story-{language}-2-payment"), full_page=True)

    shop.relay.subscriber.reply = lambda _count: (200, 0)
    await page.evaluate("window.sameDocument = true")
    await page.get_by_role("button", name=words["retry"]).click()
    await expect(page.get_by_text(words["arrived"]).first).to_be_visible()
    await expect(page.locator(".sends .badge-ok").first).to_have_text(words["delivered"])
    await page.screenshot(path=picture(f"story-{language}-3-delivered"), full_page=True)
    assert problems == []


async def test_it_turns_green_while_one_watches(shop: Shop, sign_in: SignIn) -> None:
    """Somebody else retries; the page of the delivery shows it without being asked, and says so to screen readers."""
    await shop.subscribe()
    await shop.sell()
    (row,) = await shop.until_there_are(1, "deliveries", state="dead")
    page = await sign_in("en")
    await page.goto(f"/deliveries/{row['id']}")
    await expect(page.locator("[data-live-words]")).to_have_text("Live")
    await page.evaluate("window.sameDocument = true")

    shop.relay.subscriber.reply = lambda _count: (200, 0)
    await shop.relay.api.post(f"/v1/deliveries/{row['id']}/retry")

    await expect(page.locator("#part-delivery_now .badge-ok").first).to_have_text("Delivered")
    await expect(page.locator("#announce")).to_have_text("Delivered")
    assert await page.evaluate("window.sameDocument") is True


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_many_are_replayed_at_once(shop: Shop, sign_in: SignIn, language: str) -> None:
    """An endpoint that came late: choose, see the count, begin, and watch the bar until everything has arrived."""
    words = WORDS[language]
    await shop.sell(6)
    await shop.until_there_are(6, "events")
    shop.relay.subscriber.reply = lambda _count: (200, 0)
    endpoint = await shop.subscribe()
    page = await sign_in(language)
    problems = watched(page)

    await page.goto(f"/replays?endpoint={endpoint['id']}")
    await page.locator("#f-rate").fill("1")
    await page.get_by_role("button", name=words["count"]).click()
    await expect(page.get_by_text(words["matched"])).to_be_visible()
    await page.screenshot(path=picture(f"replay-{language}-1-counted"), full_page=True)
    await page.get_by_role("button", name=words["begin"]).click()
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await page.wait_for_function(
        "() => { const bar = document.querySelector('[role=progressbar]');"
        " const now = Number(bar.getAttribute('aria-valuenow')); return now > 0; }"
    )
    await page.screenshot(path=picture(f"replay-{language}-2-running"), full_page=True)
    await expect(page.locator("#part-replay_progress strong")).to_have_text(words["so_far"])
    await expect(page.locator("#part-replay_progress .badge-ok")).to_have_text(words["done"])
    await page.screenshot(path=picture(f"replay-{language}-3-done"), full_page=True)
    assert problems == []


async def test_events_appear_as_they_happen(shop: Shop, sign_in: SignIn) -> None:
    """The list of events grows by itself; paused, it stays as it is."""
    page = await sign_in("en")
    await page.goto("/events")
    await expect(page.locator("[data-live-words]")).to_have_text("Live")
    (first,) = await shop.sell()
    await expect(page.get_by_role("link", name=first)).to_be_visible()
    await page.get_by_role("button", name="Pause").click()
    (second,) = await shop.sell()
    await shop.relay.until(lambda: shop.relay.payment(second, shop.merchant), "it is found")
    await page.wait_for_timeout(1500)
    await expect(page.get_by_role("link", name=second)).to_have_count(0)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("link", name=second)).to_be_visible()


async def test_it_reads_without_a_script(shop: Shop, sign_in: SignIn) -> None:
    """With scripts off, the same pages show the same, and forms still work."""
    await shop.subscribe()
    (imp_uid,) = await shop.sell()
    await shop.until_there_are(1, "deliveries", state="dead")
    page = await sign_in("en", java_script_enabled=False)
    await page.goto(f"/payments/{shop.merchant}/{imp_uid}")
    await expect(page.get_by_text("1 of 1 deliveries have not arrived.").first).to_be_visible()
    await page.get_by_role("button", name="Retry now").click()
    await expect(page.get_by_text("It is attempted again now.")).to_be_visible()


def watched(page: Page) -> list[str]:
    """What the browser complains about from now on: errors of scripts, and what the policy refused."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    return problems
