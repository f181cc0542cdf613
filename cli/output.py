"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import wire

Json = Annotated[bool, typer.Option("--json", help="Print the operator API's answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="The most rows to list.")]
Cursor = Annotated[str | None, typer.Option(help="Continue an earlier list, with the cursor that it printed.")]
MerchantFilter = Annotated[str | None, typer.Option(help="Only rows of this merchant.")]
TypeFilter = Annotated[str | None, typer.Option("--type", help="Only rows of this type, e.g. payment.paid.")]
Since = Annotated[str | None, typer.Option(help="Only rows first recorded at or after this time (RFC 3339).")]
Until = Annotated[str | None, typer.Option(help="Only rows first recorded before this time (RFC 3339).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

_WIDE = 240
_COLOURS = {
    "green": ("delivered", "paid", "enabled", "applied", "closed", "confirmed"),
    "red": ("dead", "failed", "disabled", "rejected"),
    "yellow": ("open", "pending", "held", "cancellation_pending"),
    "magenta": ("cancelled", "partially_cancelled"),
    "dim": ("discarded", "unchanged"),
}
_STYLES = {word: colour for colour, words in _COLOURS.items() for word in words}


def terminal() -> Console:
    """The console to print on. For files and pipes it is wide, so that nothing is cut."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDE)


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Asks a person at a terminal for confirmation; with `yes` or `as_json` it does not ask."""
    if not yes and not as_json and is_interactive():
        typer.confirm(question, abort=True, err=True)


def is_interactive() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


def print_json(value: Any) -> None:
    """Prints one line of JSON."""
    print(wire.dumps(value).decode(), flush=True)


def print_list(answer: Mapping[str, Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints a list of the operator API; `columns` are fields, with a dot for those inside others."""
    if as_json:
        print_json(answer)
        return
    rows = answer["data"]
    if not rows:
        terminal().print("no rows", style="dim")
    else:
        terminal().print(table(rows, columns))
    if answer["next_cursor"]:
        terminal().print(f"more: --cursor {answer['next_cursor']}", style="dim")


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Rows of the operator API as a table."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column.rpartition(".")[2].replace("_", " "), overflow="fold")
    for row in rows:
        drawn.add_row(*(cell(field_of(row, column)) for column in columns))
    return drawn


def print_fields(answer: Any, *, as_json: bool, leave_out: Sequence[str] = ()) -> None:
    """Prints one object: its fields line by line, then its lists as tables."""
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
    terminal().print(drawn)
    for name, rows in below:
        terminal().print(Text(f"\n{name.replace('_', ' ')}", style="bold"))
        terminal().print(table(rows, [field for field in rows[0] if field not in ("data", "payment")]))


def print_result(text: str, answer: Any, *, as_json: bool) -> None:
    """Prints what a command has done: `text` for people, the answer for programs."""
    if as_json:
        print_json(answer)
    else:
        terminal().print(Text(printable(text), style="green"))


def field_of(row: Mapping[str, Any], column: str) -> Any:
    """A field of a row; `a.b` is the field `b` of the object in `a`."""
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def cell(value: Any) -> Text:
    """A value for people."""
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, Mapping):
        return Text(printable(wire.dumps(value).decode()))
    if isinstance(value, list):
        return Text(printable(", ".join(map(str, value)) or "–"))
    return Text(printable(str(value)), style=_STYLES.get(str(value), ""))


def printable(text: str) -> str:
    """Text for a terminal, without control characters: a payment's fields can hold anything."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)
