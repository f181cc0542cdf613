"""`relay replay`: many events sent again, at a rate, behind whatever happens now."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import RelayClient, console, part
from cli.output import Cursor, Json, Limit, OfMerchant, Yes, done, listed, screen, shown, sure

app = typer.Typer(help="Replays: events sent again, many at once.", invoke_without_command=True)

LOOK_EVERY = 0.5
"""Seconds between two looks at how far it is."""
LAST_ONES = 15.0
"""Seconds without a change after which what is left is left to itself: it is tried again by schedule."""

Id = Annotated[str, typer.Argument(help="The replay's id.")]


@app.callback()
def replay(
    ctx: typer.Context,
    endpoint: Annotated[str | None, typer.Option(help="To one endpoint; all that subscribe, unless given.")] = None,
    merchant: OfMerchant = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Of this type; more than once.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded from this RFC 3339 time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this RFC 3339 time.")] = None,
    only: Annotated[str, typer.Option(help="undelivered, dead or all.")] = "undelivered",
    include_silent: Annotated[bool, typer.Option(help="Also what was recorded without delivery.")] = False,
    rate: Annotated[float, typer.Option(help="Deliveries a second.")] = 50.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is over.")] = True,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send events again; counts them first and asks. Ctrl-C stops watching, not the replay.

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
            done(f"{counted['matched']} deliveries would be queued", counted, as_json=as_json)
            return
        sure(f"Queue {counted['matched']} deliveries?", yes=yes, as_json=as_json)
        begun = api.call("POST", "/v1/replays", body)
        ended = watched(api, begun, quiet=as_json) if wait else begun
    counts = f"{ended['queued']} queued, {ended['delivered']} delivered, {ended['failed']} failed"
    done(f"replay {ended['id']} is {ended['state']}: {counts}", ended, as_json=as_json)
    if ended["failed"] and wait:
        raise typer.Exit(1)


@app.command("list")
def list_(limit: Limit = 50, cursor: Cursor = None, as_json: Json = False) -> None:
    """List replays.

    Example: relay replay list
    """
    with console() as api:
        answer = api.call("GET", "/v1/replays", limit=limit, cursor=cursor)
    listed(answer, ("id", "state", "matched", "queued", "delivered", "failed", "created_at"), as_json=as_json)


@app.command()
def show(replay_id: Id, as_json: Json = False) -> None:
    """Show how far a replay is.

    Example: relay replay show rpl_ab12cd34
    """
    with console() as api:
        shown(api.call("GET", f"/v1/replays/{part(replay_id)}"), as_json=as_json)


@app.command()
def stop(replay_id: Id, as_json: Json = False) -> None:
    """Stop a replay: what it has queued and nobody is sending is taken out again.

    Example: relay replay stop rpl_ab12cd34
    """
    with console() as api:
        answer = api.call("DELETE", f"/v1/replays/{part(replay_id)}")
    done(f"replay {replay_id} is stopped", answer or {"stopped": replay_id}, as_json=as_json)


def watched(api: RelayClient, begun: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The replay when all of it is queued and settled, or nothing moves any more; with a progress bar meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    now, moved = begun, time.monotonic()
    with Progress(*columns, console=screen(), disable=quiet) as progress:
        bar = progress.add_task("delivered", total=begun["matched"] or None)
        while now["state"] == "running" or (_left(now) and time.monotonic() - moved < LAST_ONES):
            time.sleep(LOOK_EVERY)
            before, now = now, api.call("GET", f"/v1/replays/{part(begun['id'])}")
            if _left(now) != _left(before):
                moved = time.monotonic()
            progress.update(bar, completed=now["delivered"] + now["failed"])
    return now


def _left(replay_: dict[str, Any]) -> int:
    """What a replay has queued and nobody has settled; nothing of a stopped one."""
    left: int = replay_["queued"] - replay_["delivered"] - replay_["failed"]
    return left if replay_["state"] == "done" else 0
