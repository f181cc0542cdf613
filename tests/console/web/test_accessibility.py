"""No page has a serious fault that axe-core can find, in either language and in light and dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.console.conftest import TOKEN, Console
from tests.console.web.conftest import picture
from tests.console.web.scene import set_up
from tests.support.processes import ROOT

_AXE = "axe-core@4"
_FOLDER = ROOT / "var" / "axe"


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from npm; kept in `var` for the next run. Skipped where it cannot be had."""
    script = _FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        _install(_FOLDER)
    if not script.exists():
        pytest.skip(f"needs {_AXE} from npm, which could not be installed")
    return script.read_text("utf-8")


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, for axe-core")
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        npm,
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        _AXE,
    ]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=180)


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1360), ("ko", "dark", 1360), ("en", "dark", 390)]
)
async def test_no_page_has_a_serious_fault(
    browser: Browser, axe: str, console: Console, language: str, scheme: Any, width: int
) -> None:
    """Neither contrast nor names nor structure: people with screen readers and keyboards are on call, too."""
    scene = await set_up(console)
    context = await browser.new_context(
        base_url=console.url, locale=language, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    page = await context.new_page()
    await page.goto("/sign-in")
    faults = {"/sign-in": await _faults(page, axe)}
    await page.locator("#token").fill(TOKEN)
    await page.locator("main form button").click()
    await page.wait_for_url(f"{console.url}/")
    for path in [*scene.pages, "/events/evt_none"]:
        await page.goto(path)
        await page.evaluate("document.querySelectorAll('main details').forEach((details) => (details.open = true))")
        faults[path] = await _faults(page, axe)
        if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults[path].append("the page has to be scrolled sideways")
        name = re.sub(r"(evt|ep)_[a-z0-9]{16,}", r"\1", path.partition("?")[0]).strip("/").replace("/", "-")
        await page.screenshot(path=picture(f"page-{language}-{scheme}-{width}-{name or 'overview'}"), full_page=True)
    assert {path: found for path, found in faults.items() if found} == {}


async def _faults(page: Any, axe: str) -> list[str]:
    # Handed to the browser from outside: the page's own policy would let no foreign script in.
    await page.evaluate(axe)
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:160]}"
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"][:3]
    ]
