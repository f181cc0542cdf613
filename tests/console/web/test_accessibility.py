"""No page has a serious fault that axe-core can find, in either language and in light and dark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.console.conftest import TOKEN, Console, running
from tests.console.web.conftest import picture
from tests.console.web.scene import Scene, set_up
from tests.support.processes import ROOT
from tests.support.redis_process import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

_AXE = "axe-core@4"
_FOLDER = ROOT / "var" / "axe"
_SEARCH = """() => {
    const minor = axe._audit.rules.filter((rule) => ["minor", "moderate"].includes(rule.impact));
    const off = Object.fromEntries(minor.map((rule) => [rule.id, {enabled: false}]));
    return axe.run(document, {rules: off, resultTypes: ["violations"], preload: false});
}"""
"""Rules whose every fault is a minor one are not asked; the others, all of them, are."""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from npm; kept in `var` for the next run. Skipped where it cannot be had."""
    script = _FOLDER / "axe.min.js"
    if not script.exists():
        with tempfile.TemporaryDirectory() as folder:
            _install(Path(folder), script)
    if not script.exists():
        pytest.skip(f"needs {_AXE} from npm, which could not be installed")
    return script.read_text("utf-8")


def _install(folder: Path, script: Path) -> None:
    """Install it into a folder, and put its script where it stays; whoever finds it there finds all of it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, for axe-core")
    options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    subprocess.run([npm, "install", *options, _AXE], cwd=folder, capture_output=True, timeout=180)
    installed = folder / "node_modules" / "axe-core" / "axe.min.js"
    if installed.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        part = script.with_suffix(f".{os.getpid()}")
        shutil.copy(installed, part)
        part.replace(script)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(redis_server: RedisServer) -> AsyncIterator[Console]:
    """One console for both languages, which only look."""
    redis_server.empty()
    async with running(redis_server.url, {}) as console:
        yield console


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(console: Console) -> Scene:
    """Something of everything."""
    return await set_up(console)


@pytest.mark.parametrize(("language", "looks"), [("en", [("light", 1360), ("dark", 390)]), ("ko", [("dark", 1360)])])
async def test_no_page_has_a_serious_fault(
    browser: Browser, axe: str, console: Console, scene: Scene, language: str, looks: list[tuple[Any, int]]
) -> None:
    """Neither contrast nor names nor structure: people with screen readers and keyboards are on call, too.

    A page with a fault is kept as a screenshot.
    """
    async with await browser.new_context(base_url=console.url, locale=language) as context:
        # Handed to the browser from outside: the page's own policy would let no foreign script in.
        await context.add_init_script(axe)
        page = await context.new_page()
        await page.goto("/sign-in")
        faults = await _faults(page, "/sign-in", looks)
        await page.locator("#token").fill(TOKEN)
        await page.locator("main form button").click()
        await page.wait_for_url(f"{console.url}/")
        for path in [*scene.pages, "/events/evt_none"]:
            await page.goto(path)
            await page.evaluate("document.querySelectorAll('main details').forEach((details) => (details.open = true))")
            faults += await _faults(page, path, looks)
    assert faults == []


async def _faults(page: Page, path: str, looks: list[tuple[Any, int]]) -> list[str]:
    found = []
    for scheme, width in looks:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        result = await page.evaluate(_SEARCH)
        faults = [
            f"{path} {scheme} {width}: {fault['id']} ({fault['impact']}): {node['html'][:160]}"
            for fault in result["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"][:3]
        ]
        if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"{path} {width}: the page has to be scrolled sideways")
        if faults:
            name = re.sub(r"\W+", "-", path).strip("-") or "overview"
            await page.screenshot(path=picture(f"fault-{name}-{scheme}-{width}"), full_page=True)
        found += faults
    return found
