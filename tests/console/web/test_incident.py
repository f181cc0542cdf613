"""An incident at 3 a.m. in a real browser: the customer paid, shipping heard nothing.

Screenshots of every step are kept in `var/screenshots`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.web.conftest import picture
from tests.support.processes import Processes
from tests.support.relay import TOKEN, Relay
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
        "reason": "3회 시도 후 실패 확정, 마지막: 500 응답", "retry": "지금 다시 시도",
        "arrived": "전달 1건이 도착했습니다.", "delivered": "전달됨", "live": "실시간",
        "claimed": "웹훅이 알린 상태", "found": "조회 결과", "count": "먼저 세어 보기",
        "matched": "전달 6건을 보내게 됩니다", "begin": "시작: 6건 보내기", "so_far": "6건 중 6건",
        "done": "완료", "title": "현황",
    },
}  # fmt: skip


@pytest.fixture
async def relay(processes: Processes, redis_url: str, free_port: Callable[[], int]) -> AsyncIterator[Relay]:
    """A whole relay whose subscriber is unwell, and gives up soon."""
    relay = Relay(processes, redis_url, free_port, {"RELAY_RETRY_SCHEDULE": "100ms,100ms"})
    relay.subscriber.reply = lambda _count: (500, 0)
    await relay.start()
    yield relay
    await relay.stop()


async def signed_in(browser: Browser, relay: Relay, language: str, **options: Any) -> Page:
    """A page of the console, as a browser of this language sees it, signed in by its form."""
    locale = {"en": "en-US", "ko": "ko-KR"}[language]
    context = await browser.new_context(base_url=relay.url("console"), locale=locale, **options)
    page = await context.new_page()
    page.set_default_timeout(WAIT)
    await page.goto("/")
    await page.get_by_label(re.compile("token|토큰", re.IGNORECASE)).fill(TOKEN)
    await page.get_by_role("button", name=WORDS[language]["sign_in"]).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(WORDS[language]["title"], timeout=WAIT)
    return page


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_an_incident_is_understood_and_resolved(browser: Browser, relay: Relay, language: str) -> None:
    """Find the payment, see the dead delivery and its reason, retry it, see it turn green without loading again."""
    words = WORDS[language]
    await relay.endpoint(description="shipping")
    (imp_uid,) = await relay.play("card")
    await relay.until(lambda: dead(relay, 1), "the delivery is dead")
    page = await signed_in(browser, relay, language, color_scheme="dark" if language == "ko" else "light")
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
    await expect(page.locator("[data-live-words]")).to_have_text(words["live"], timeout=WAIT)
    await page.screenshot(path=picture(f"story-{language}-2-payment"), full_page=True)

    relay.subscriber.reply = lambda _count: (200, 0)
    await page.evaluate("window.sameDocument = true")
    await page.get_by_role("button", name=words["retry"]).click()
    await expect(page.get_by_text(words["arrived"]).first).to_be_visible(timeout=WAIT)
    await expect(page.locator(".sends .badge-ok").first).to_have_text(words["delivered"])
    await page.screenshot(path=picture(f"story-{language}-3-delivered"), full_page=True)
    assert problems == []


async def test_it_turns_green_while_one_watches(browser: Browser, relay: Relay) -> None:
    """Somebody else retries; the page of the delivery shows it without being asked, and says so to screen readers."""
    await relay.endpoint()
    await relay.play("card")
    await relay.until(lambda: dead(relay, 1), "the delivery is dead")
    (row,) = (await relay.api.get("/v1/deliveries", params={"state": "dead"})).json()["data"]
    page = await signed_in(browser, relay, "en")
    await page.goto(f"/deliveries/{row['id']}")
    await expect(page.locator("[data-live-words]")).to_have_text("Live", timeout=WAIT)
    await page.evaluate("window.sameDocument = true")

    relay.subscriber.reply = lambda _count: (200, 0)
    await relay.api.post(f"/v1/deliveries/{row['id']}/retry")

    await expect(page.locator("#part-delivery_now .badge-ok").first).to_have_text("Delivered", timeout=WAIT)
    await expect(page.locator("#announce")).to_have_text("Delivered", timeout=WAIT)
    assert await page.evaluate("window.sameDocument") is True


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_many_are_replayed_at_once(browser: Browser, relay: Relay, language: str) -> None:
    """An endpoint that came late: choose, see the count, begin, and watch the bar until everything has arrived."""
    words = WORDS[language]
    for _ in range(6):
        await relay.play("card")
    await relay.until(lambda: recorded(relay, 6), "all are recorded")
    relay.subscriber.reply = lambda _count: (200, 0)
    endpoint = await relay.endpoint()
    page = await signed_in(browser, relay, language)
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
    await expect(page.locator("#part-replay_progress strong")).to_have_text(words["so_far"], timeout=WAIT)
    await expect(page.locator("#part-replay_progress .badge-ok")).to_have_text(words["done"], timeout=WAIT)
    await page.screenshot(path=picture(f"replay-{language}-3-done"), full_page=True)
    assert problems == []


async def test_events_appear_as_they_happen(browser: Browser, relay: Relay) -> None:
    """The list of events grows by itself; paused, it stays as it is."""
    page = await signed_in(browser, relay, "en")
    await page.goto("/events")
    await expect(page.locator("[data-live-words]")).to_have_text("Live", timeout=WAIT)
    (first,) = await relay.play("card")
    await expect(page.get_by_role("link", name=first)).to_be_visible(timeout=WAIT)
    await page.get_by_role("button", name="Pause").click()
    (second,) = await relay.play("card")
    await relay.until(lambda: relay.payment(second), "it is found")
    await page.wait_for_timeout(1500)
    await expect(page.get_by_role("link", name=second)).to_have_count(0)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("link", name=second)).to_be_visible(timeout=WAIT)


async def test_it_reads_without_a_script(browser: Browser, relay: Relay) -> None:
    """With scripts off, the same pages show the same, and forms still work."""
    await relay.endpoint()
    (imp_uid,) = await relay.play("card")
    await relay.until(lambda: dead(relay, 1), "the delivery is dead")
    page = await signed_in(browser, relay, "en", java_script_enabled=False)
    await page.goto(f"/payments/default/{imp_uid}")
    await expect(page.get_by_text("1 of 1 deliveries have not arrived.").first).to_be_visible()
    await page.get_by_role("button", name="Retry now").click()
    await expect(page.get_by_text("It is attempted again now.")).to_be_visible()


def watched(page: Page) -> list[str]:
    """What the browser complains about from now on: errors of scripts, and what the policy refused."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    return problems


async def dead(relay: Relay, count: int) -> bool:
    """Whether so many deliveries have been given up."""
    answer = await relay.api.get("/v1/deliveries", params={"state": "dead"})
    return len(answer.json()["data"]) == count


async def recorded(relay: Relay, count: int) -> bool:
    """Whether so many events have been recorded."""
    return len((await relay.api.get("/v1/events")).json()["data"]) == count
