"""What a command prints: JSON for programs, tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import wire

Json = Annotated[bool, typer.Option("--json", help="Print the console's answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option(help="Go on where an earlier list ended.")]
OfMerchant = Annotated[str | None, typer.Option(help="Of one merchant.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_WIDE = 240
_COLOURS = {
    "green": ("delivered", "paid", "enabled", "applied", "closed", "confirmed"),
    "red": ("dead", "failed", "disabled", "rejected"),
    "yellow": ("open", "pending", "held", "cancellation_pending"),
    "magenta": ("cancelled", "partially_cancelled"),
    "dim": ("discarded", "unchanged"),
}
_STYLES = {word: colour for colour, words in _COLOURS.items() for word in words}


def screen() -> Console:
    """Where people read: a file or a pipe is as wide as it takes, so that nothing is cut."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDE)


def sure(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask a person before something is done that cannot be undone; a program is not asked: it means what it says."""
    if not yes and not as_json and at_terminal():
        typer.confirm(question, abort=True, err=True)


def at_terminal() -> bool:
    """Whether somebody is there who could answer."""
    return sys.stdin.isatty()


def print_json(value: Any) -> None:
    """One line of JSON."""
    print(wire.dumps(value).decode(), flush=True)


def listed(answer: Mapping[str, Any], columns: Sequence[str], *, as_json: bool) -> None:
    """A list as the console answered it; `columns` are fields, with a point for those inside others."""
    if as_json:
        print_json(answer)
        return
    rows = answer["data"]
    if not rows:
        screen().print("nothing there", style="dim")
    else:
        screen().print(table(rows, columns))
    if answer["next_cursor"]:
        screen().print(f"more: --cursor {answer['next_cursor']}", style="dim")


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Rows of the API as a table."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column.rpartition(".")[2].replace("_", " "), overflow="fold")
    for row in rows:
        drawn.add_row(*(cell(found(row, column)) for column in columns))
    return drawn


def shown(answer: Any, *, as_json: bool, leave_out: Sequence[str] = ()) -> None:
    """One thing: its fields one under the other, its lists as tables below."""
    if as_json:
        print_json(answer)
        return
    drawn = Table(box=None, pad_edge=False, show_header=False)
    drawn.add_column(style="bold")
    drawn.add_column(overflow="fold")
    below = []
    for name, value in answer.items():
        if name in leave_out:
            continue
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            below.append((name, value))
        else:
            drawn.add_row(name.replace("_", " "), cell(value))
    screen().print(drawn)
    for name, rows in below:
        screen().print(Text(f"\n{name.replace('_', ' ')}", style="bold"))
        screen().print(table(rows, [field for field in rows[0] if field not in ("data", "payment")]))


def done(text: str, answer: Any, *, as_json: bool) -> None:
    """What a verb has done, in words or as the console answered."""
    if as_json:
        print_json(answer)
    else:
        screen().print(Text(plain(text), style="green"))


def found(row: Mapping[str, Any], column: str) -> Any:
    """The field of a row, or of an object inside it."""
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def cell(value: Any) -> Text:
    """A value as people read it."""
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, Mapping):
        return Text(plain(wire.dumps(value).decode()))
    if isinstance(value, list):
        return Text(plain(", ".join(map(str, value)) or "–"))
    return Text(plain(str(value)), style=_STYLES.get(str(value), ""))


def plain(text: str) -> str:
    """Text that does nothing to a terminal: a payment's fields can hold anything."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)
