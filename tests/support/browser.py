"""Chromium as tests and pictures need it: without a screen, and without asking anything of the network by itself."""

from __future__ import annotations

import shutil

_UNUSED_FEATURES = (
    # Each window would load two pages of its own for the address bar, which take more CPU than most pages under test.
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup",
    # What Playwright switches off: Chromium heeds one list of features only, the last.
    "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)  # fmt: skip

_SCRIPTS = ("--no-opt", "--no-maglev", "--no-flush-bytecode")
"""Pages live for a second: their scripts are not worth optimizing, but the same ones come again on the next page."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    f"--disable-features={','.join(_UNUSED_FEATURES)}", f"--js-flags={','.join(_SCRIPTS)}",
)  # fmt: skip


def find_browser() -> str | None:
    """Debian's chromium, or a relative of it; None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
