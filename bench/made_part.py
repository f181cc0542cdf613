"""The part of a page that is made of results, between two markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

BEGIN, END = "<!-- made by bench: begin -->", "<!-- made by bench: end -->"


def renewed(text: str, lines: Sequence[str]) -> str:
    """The page with these lines as its made part; empty ones behind another are left out."""
    squeezed = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: "\n".join((BEGIN, *squeezed, END)), text)
