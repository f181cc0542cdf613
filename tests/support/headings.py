"""The headings of a page, as GitHub links to them."""

from __future__ import annotations

import re


def anchor(heading: str) -> str:
    """What follows the `#` in a link to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Those of all headings of a page."""
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
