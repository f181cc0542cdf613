"""`relay reconcile`: compare a period with i'mport and refresh the payments that differ."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.client import RelayClient, console, path_part
from cli.output import (
    Cursor,
    Json,
    Limit,
    MerchantFilter,
    Since,
    Until,
    print_fields,
    print_list,
    print_result,
    terminal,
)

app = typer.Typer(help="Compare payments with i'mport and refresh those that differ.", invoke_without_command=True)

POLL_INTERVAL = 0.5
"""Seconds between two requests for its progress."""


@app.callback()
def reconcile(
    ctx: typer.Context,
    merchant: Annotated[str, typer.Option(help="The merchant to compare.")] = "default",
    since: Annotated[str | None, typer.Option(help="From this RFC 3339 time on; by default 24 hours ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this RFC 3339 time; by default now.")] = None,
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Deliver the events that are found; by default they are only recorded.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Rebuild a lost ledger.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = True,
    as_json: Json = False,
) -> None:
    """Compare i'mport's payments with the ledger and refresh those that differ.

    Example: relay reconcile --since 2026-11-01T00:00:00Z --rebuild
    """
    if ctx.invoked_subcommand is not None:
        return
    now = datetime.now(UTC)
    body = {
        "merchant": merchant,
        "since": since or (now - timedelta(days=1)).isoformat(),
        "until": until or now.isoformat(),
        "deliver": deliver,
        "rebuild": rebuild,
    }
    with console() as api:
        run = api.call("POST", "/v1/reconciliations", body)
        if wait:
            run = _wait_for_end(api, run, show_progress=not as_json)
    print_result(f"reconciliation {run['id']} is {run['state']}: {_summary(run)}", run, as_json=as_json)
    if wait and (run["repaired"] < run["missing"] or run["trouble"]):
        raise typer.Exit(1)


@app.command("list")
def list_(
    merchant: MerchantFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List reconciliations that operators started.

    Example: relay reconcile list
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/reconciliations", merchant=merchant, since=since, until=until, limit=limit, cursor=cursor
        )
    print_list(
        answer, ("id", "merchant", "since", "until", "state", "compared", "missing", "repaired"), as_json=as_json
    )


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="The reconciliation's id.")],
    as_json: Json = False,
) -> None:
    """Show a reconciliation's progress.

    Example: relay reconcile show rec_ab12cd34
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/reconciliations/{path_part(run_id)}"), as_json=as_json)


def _wait_for_end(api: RelayClient, started: dict[str, Any], *, show_progress: bool) -> dict[str, Any]:
    """Show a reconciliation's progress, and return it once it has ended."""
    run = started
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=terminal(), disable=not show_progress) as progress:
        task = progress.add_task("comparing")
        while run["state"] == "running":
            time.sleep(POLL_INTERVAL)
            run = api.call("GET", f"/v1/reconciliations/{path_part(started['id'])}")
            progress.update(task, description=_summary(run))
    return run


def _summary(run: dict[str, Any]) -> str:
    counts = f"{run['compared']} compared, {run['missing']} missing, {run['repaired']} repaired"
    return f"{counts}; {run['trouble']}" if run["trouble"] else counts
