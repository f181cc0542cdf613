"""`relay replay`: deliver many events again, at a rate, behind live deliveries."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import RelayClient, console, path_part
from cli.output import (
    Cursor,
    Json,
    Limit,
    MerchantFilter,
    Since,
    Until,
    Yes,
    confirm,
    print_fields,
    print_list,
    print_result,
    terminal,
)

app = typer.Typer(help="Deliver many events again.", invoke_without_command=True)

POLL_INTERVAL = 0.5
"""Seconds between two requests for its progress."""
STALLED_AFTER = 15.0
"""Seconds without progress after which the command stops waiting; failed deliveries are retried by schedule."""

Id = Annotated[str, typer.Argument(help="The replay's id.")]


@app.callback()
def replay(
    ctx: typer.Context,
    endpoint: Annotated[
        str | None, typer.Option(help="Only to this endpoint; by default to all that subscribe.")
    ] = None,
    merchant: MerchantFilter = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; can be repeated.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only events recorded at or after this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events recorded before this time (RFC 3339).")] = None,
    only: Annotated[str, typer.Option(help="Which events: undelivered, dead or all.")] = "undelivered",
    include_silent: Annotated[bool, typer.Option(help="Also events that were recorded silently.")] = False,
    rate: Annotated[float, typer.Option(help="Deliveries a second.")] = 50.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the deliveries.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = True,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Deliver events again. Counts them and asks first. Ctrl-C stops the command, not the replay.

    Example: relay replay --endpoint ep_ab12cd34ef56gh78ij90 --since 2026-11-23T00:00:00Z
    """
    if ctx.invoked_subcommand is not None:
        return
    body = {
        "endpoint": endpoint, "merchant": merchant, "types": types or None, "since": since, "until": until,
        "only": only, "include_silent": include_silent, "rate": rate,
    }  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}
    with console() as api:
        counted = api.call("POST", "/v1/replays", {**body, "dry_run": True})
        if dry_run:
            print_result(f"{counted['matched']} deliveries would be queued", counted, as_json=as_json)
            return
        confirm(f"Queue {counted['matched']} deliveries?", yes=yes, as_json=as_json)
        started = api.call("POST", "/v1/replays", body)
        ended = wait_for_end(api, started, show_progress=not as_json) if wait else started
    counts = f"{ended['queued']} queued, {ended['delivered']} delivered, {ended['failed']} failed"
    print_result(f"replay {ended['id']} is {ended['state']}: {counts}", ended, as_json=as_json)
    if ended["failed"] and wait:
        raise typer.Exit(1)


@app.command("list")
def list_(
    since: Since = None, until: Until = None, limit: Limit = 50, cursor: Cursor = None, as_json: Json = False
) -> None:
    """List replays.

    Example: relay replay list
    """
    with console() as api:
        answer = api.call("GET", "/v1/replays", since=since, until=until, limit=limit, cursor=cursor)
    print_list(answer, ("id", "state", "matched", "queued", "delivered", "failed", "created_at"), as_json=as_json)


@app.command()
def show(replay_id: Id, as_json: Json = False) -> None:
    """Show a replay's progress.

    Example: relay replay show rpl_ab12cd34
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/replays/{path_part(replay_id)}"), as_json=as_json)


@app.command()
def stop(replay_id: Id, as_json: Json = False) -> None:
    """Stop a replay and remove its queued deliveries.

    Example: relay replay stop rpl_ab12cd34
    """
    with console() as api:
        answer = api.call("DELETE", f"/v1/replays/{path_part(replay_id)}")
    print_result(f"replay {replay_id} is stopped", answer or {"stopped": replay_id}, as_json=as_json)


def wait_for_end(api: RelayClient, started: dict[str, Any], *, show_progress: bool) -> dict[str, Any]:
    """Show a progress bar, and return the replay once all its deliveries are settled or none makes progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    now, moved = started, time.monotonic()
    with Progress(*columns, console=terminal(), disable=not show_progress) as progress:
        bar = progress.add_task("delivered", total=started["matched"] or None)
        while now["state"] == "running" or (_unsettled(now) and time.monotonic() - moved < STALLED_AFTER):
            time.sleep(POLL_INTERVAL)
            before, now = now, api.call("GET", f"/v1/replays/{path_part(started['id'])}")
            if _unsettled(now) != _unsettled(before):
                moved = time.monotonic()
            progress.update(bar, completed=now["delivered"] + now["failed"])
    return now


def _unsettled(replay_: dict[str, Any]) -> int:
    """The deliveries of a replay that are queued and not settled; 0 once it is stopped."""
    left: int = replay_["queued"] - replay_["delivered"] - replay_["failed"]
    return left if replay_["state"] == "done" else 0
