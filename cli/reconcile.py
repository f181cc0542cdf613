"""`relay reconcile`: compare with i'mport, and mend what is missing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.client import RelayClient, console, part
from cli.output import Cursor, Json, Limit, OfMerchant, done, listed, screen, shown

app = typer.Typer(help="Reconciliations: comparing with what i'mport has.", invoke_without_command=True)

LOOK_EVERY = 0.5
"""Seconds between two looks at how far it is."""


@app.callback()
def reconcile(
    ctx: typer.Context,
    merchant: Annotated[str, typer.Option(help="Whose payments.")] = "default",
    since: Annotated[str | None, typer.Option(help="From this RFC 3339 time on; 24 hours ago unless given.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this RFC 3339 time; now unless given.")] = None,
    deliver: Annotated[bool, typer.Option("--deliver", help="Send what is found, not only record it.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="The ledger was lost: fill an empty one.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is over.")] = True,
    as_json: Json = False,
) -> None:
    """Compare i'mport's payments with the ledger and look at what differs; recorded silently unless --deliver.

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
            run = _watched(api, run, quiet=as_json)
    done(f"reconciliation {run['id']} is {run['state']}: {_told(run)}", run, as_json=as_json)
    if wait and (run["repaired"] < run["missing"] or run["trouble"]):
        raise typer.Exit(1)


@app.command("list")
def list_(
    merchant: OfMerchant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List reconciliations that were asked for.

    Example: relay reconcile list
    """
    with console() as api:
        answer = api.call("GET", "/v1/reconciliations", merchant=merchant, limit=limit, cursor=cursor)
    listed(answer, ("id", "merchant", "since", "until", "state", "compared", "missing", "repaired"), as_json=as_json)


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="The reconciliation's id.")],
    as_json: Json = False,
) -> None:
    """Show how far a reconciliation is.

    Example: relay reconcile show rec_ab12cd34
    """
    with console() as api:
        shown(api.call("GET", f"/v1/reconciliations/{part(run_id)}"), as_json=as_json)


def _watched(api: RelayClient, begun: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The reconciliation when it is over, with its numbers meanwhile."""
    run = begun
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen(), disable=quiet) as progress:
        task = progress.add_task("comparing")
        while run["state"] == "running":
            time.sleep(LOOK_EVERY)
            run = api.call("GET", f"/v1/reconciliations/{part(begun['id'])}")
            progress.update(task, description=_told(run))
    return run


def _told(run: dict[str, Any]) -> str:
    counts = f"{run['compared']} compared, {run['missing']} missing, {run['repaired']} repaired"
    return f"{counts}; {run['trouble']}" if run["trouble"] else counts
