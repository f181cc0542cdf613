"""People at the web console: one without a browser, who reads HTML, and a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.console.conftest import TOKEN, Console
from tests.support.browser import FLAGS, find_browser
from tests.support.clients import http_client
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE

ARTEFACTS = ROOT / "var" / "screenshots"
"""Where screenshots of a run are kept; nothing in `var` is part of the repository."""


@dataclass
class Reader:
    """Somebody who opens pages and sends their forms, without a script."""

    client: httpx.AsyncClient
    csrf: str = ""

    async def open(self, path: str, **options: Any) -> httpx.Response:
        """A page; its forms can be sent afterwards."""
        answer = await self.client.get(path, **options)
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    async def send(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """A form."""
        return await self.client.post(path, data={"csrf": self.csrf, **(fields or {})}, headers=headers)

    async def sign_in(self, token: str = TOKEN) -> httpx.Response:
        """Sign in, and be ready to send forms."""
        await self.open("/sign-in")
        answer = await self.send("/sign-in", {"token": token})
        await self.open("/")
        return answer


@pytest.fixture
async def visitor(console: Console) -> AsyncIterator[Reader]:
    """Somebody who is not signed in."""
    async with http_client(console.url) as client:
        yield Reader(client)


@pytest.fixture
async def reader(visitor: Reader) -> Reader:
    """Somebody who is signed in with a token that may do everything."""
    await visitor.sign_in()
    return visitor


def chromium() -> str:
    """Debian's chromium; the test is skipped where there is none."""
    found = find_browser()
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser without a screen: one for all tests of a file, which need the event loop of their module."""
    path = chromium()
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        await browser.close()


def picture(name: str) -> Path:
    """Where a screenshot goes."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS / f"{name}.png"
