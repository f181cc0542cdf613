"""`relay export`: every row of a list into a file. The file appears only once it is complete."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.client import RelayClient, console
from cli.failure import CommandFailed
from cli.output import Json, MerchantFilter, Since, Until, print_result

app = typer.Typer()

PIECE = 1 << 16
"""Bytes that are written at once."""


class What(StrEnum):
    """What can be exported."""

    payments = "payments"
    events = "events"
    deliveries = "deliveries"
    notifications = "notifications"


class Format(StrEnum):
    """The format of the file: a JSON object a line, or a table for spreadsheets."""

    ndjson = "ndjson"
    csv = "csv"


@app.command()
def export(
    what: Annotated[What, typer.Argument(help="What to export.")],
    since: Since = None,
    until: Until = None,
    merchant: MerchantFilter = None,
    format_: Annotated[
        Format, typer.Option("--format", help="csv opens in Excel, with Korean intact.")
    ] = Format.ndjson,
    output: Annotated[Path | None, typer.Option(help="The file to write; by default standard output.")] = None,
    as_json: Json = False,
) -> None:
    """Export every payment, event, delivery or notification, the oldest first.

    The file appears only when the export is complete. If the export fails, no file is left and the exit status is 1.

    Example: relay export payments --since 2026-11-01T00:00:00Z --format csv --output november.csv
    """
    query = {"since": since, "until": until, "merchant": merchant, "format": format_.value}
    with console() as api:
        if output is None:
            _receive(api, what.value, query, sys.stdout.buffer)
            return
        with _whole_file(output) as file:
            rows = _receive(api, what.value, {**query, "count": "true"}, file)
    text = f"{rows:,} {what.value} are in {output}"
    print_result(text, {"file": str(output), "what": what.value, "rows": rows}, as_json=as_json)


def _receive(api: RelayClient, what: str, query: dict[str, Any], file: BinaryIO) -> int:
    """Write an export as it comes, and show a person at a terminal the progress. Returns how many rows the export had
    when it began. Raises `CallFailed`."""
    with api.stream(f"/v1/export/{what}", **query) as answer:
        total = int(answer.headers.get("relay-export-rows", 0))
        with _progress() as progress:
            task = progress.add_task(what, total=total or None)
            for piece in answer.iter_bytes(PIECE):
                file.write(piece)
                progress.advance(task, piece.count(b"\n"))
    return total


def _progress() -> Progress:
    """A progress bar on standard error, for people only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` once it is complete; if writing breaks off, nothing is left. Only its owner may
    read it. Raises `CommandFailed`."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(handle)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None
