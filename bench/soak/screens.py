"""Pictures of the web console and of Prometheus' alerts, light and dark, as an operator sees them during the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Protocol

from playwright.async_api import Page, ViewportSize, async_playwright

from bench.soak.stage import TOKEN, Missing, Stage
from tests.support.browser import FLAGS, find_browser

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZE = 1200, 600
"""Of a browser's window, in pixels; a picture has the whole page."""


class Photographer(Protocol):
    """Takes pictures when something can be seen."""

    async def healthy(self, stage: Stage) -> None:
        """Everything works, under load."""

    async def without_redis(self, stage: Stage) -> None:
        """Redis is away, and alerts fire."""


class NoPictures:
    """For a run without pictures."""

    async def healthy(self, stage: Stage) -> None:
        """Takes none."""

    async def without_redis(self, stage: Stage) -> None:
        """Takes none."""


class Camera:
    """Writes PNGs into a folder: `console-SCHEME`, `console-redis-away-SCHEME`, `alerts`."""

    def __init__(self, folder: Path, pages: dict[Scheme, Page], plain: Page) -> None:
        self._folder = folder
        self._pages = pages
        self._plain = plain

    async def healthy(self, stage: Stage) -> None:
        for scheme, page in self._pages.items():
            await page.goto(f"{stage.console}/")
            await page.locator("input[name=token]").fill(TOKEN)
            await page.keyboard.press("Enter")
            await page.wait_for_url(f"{stage.console}/")
            await self._take(page, f"console-{scheme}")

    async def without_redis(self, stage: Stage) -> None:
        for scheme, page in self._pages.items():
            await page.goto(f"{stage.console}/")
            await self._take(page, f"console-redis-away-{scheme}")
        await self._plain.goto(f"{stage.watcher.url}/classic/alerts")
        await self._plain.get_by_text("Inactive").click()
        await self._plain.get_by_text("Show annotations").click()
        for alert in await self._plain.locator(".alert_header").all():
            if await alert.is_visible():
                await alert.click()
        await self._take(self._plain, "alerts")

    async def _take(self, page: Page, name: str) -> None:
        await page.screenshot(path=self._folder / f"{name}.png", full_page=True, animations="disabled")


@asynccontextmanager
async def camera(folder: Path) -> AsyncIterator[Camera]:
    """A browser for each scheme, and a plain one; pictures go into this folder, which is there. Raises `Missing`."""
    program = find_browser()
    if program is None:
        raise Missing("the pictures need a browser: apt-get install chromium")
    viewport = ViewportSize(width=SIZE[0], height=SIZE[1])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            contexts = {
                scheme: await browser.new_context(locale="en-US", color_scheme=scheme, viewport=viewport)
                for scheme in SCHEMES
            }
            pages = {scheme: await context.new_page() for scheme, context in contexts.items()}
            yield Camera(folder, pages, await (await browser.new_context(viewport=viewport)).new_page())
        finally:
            await browser.close()
