"""The tables of `docs/facts.md`, for the tests that play their rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_DOCUMENT = Path(__file__).parents[2] / "docs" / "facts.md"


@dataclass(frozen=True)
class TableRow:
    """One case: ``note`` is its second column, ``facts`` are keys with placeholders, ``events`` full types in order."""

    name: str
    note: str
    facts: tuple[str, ...]
    events: tuple[str, ...]
    status: str

    @property
    def needs(self) -> frozenset[str]:
        """What a scenario has to be played with: `relay`, `reject`, `reconcile`, `expected`, `verified`,
        `sub-merchant`."""
        return frozenset(_listed(self.note))


def scenarios() -> list[TableRow]:
    """The rows that the sandbox plays, too."""
    return _table("Scenarios")


def other_cases() -> list[TableRow]:
    """The rows that only looks play."""
    return _table("What else i'mport can show")


def _table(heading: str) -> list[TableRow]:
    section = _DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [
        TableRow(name, note, _listed(facts), tuple(f"payment.{event}" for event in _listed(events)), status)
        for name, note, facts, events, status in cells
    ]


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip())
