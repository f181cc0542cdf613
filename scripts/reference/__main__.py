"""`python -m scripts.reference`: writes the generated parts of `docs/`; `--check` only compares.

A part stands between `<!-- made by scripts/reference: NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.reference import commands, events

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PARTS: Mapping[str, Callable[[], str]] = {
    "events": events.payments,
    "endpoint events": events.endpoints,
    "commands": commands.all_commands,
}

_PART = re.compile(
    r"(?P<begin><!-- made by scripts/reference: (?P<name>[a-z ]+) -->\n).*?(?P<end><!-- end of (?P=name) -->)",
    re.DOTALL,
)


def renewed(text: str) -> str:
    """A page with its generated parts as the code gives them now."""
    return _PART.sub(lambda part: f"{part['begin']}\n{PARTS[part['name']]()}\n{part['end']}", text)


def outdated() -> dict[Path, str]:
    """The pages whose generated parts differ from the code, each with what it should be."""
    pages = {path: path.read_text() for path in sorted(DOCS.glob("*.md"))}
    return {path: fresh for path, text in pages.items() if (fresh := renewed(text)) != text}


def main() -> int:
    """Write pages that are out of date, or with `--check` only list them; the exit status."""
    stale = outdated()
    for path, text in stale.items():
        sys.stdout.write(f"docs/{path.name}\n")
        if "--check" not in sys.argv:
            path.write_text(text)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
