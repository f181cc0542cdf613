"""`relay restore`: restores from history a ledger that Redis has lost."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli.output import Json, Yes, confirm, is_interactive, print_json, printable, terminal
from cli.stores import stores
from runtime.settings import Settings
from schemas.errors import BadSetting, RelayError
from schemas.times import rfc3339

if TYPE_CHECKING:
    from cli.restore_ledger import Restored
    from history import History
    from ledger import Ledger
    from runtime.encryption import Sealer

app = typer.Typer()

_ORDER = (
    "merchants", "endpoints", "orders", "payments", "deliveries", "notifications", "replays", "reconciliations",
)  # fmt: skip
_ACTOR = "command line"
"""The actor in the audit, as this command needs no token."""
_ANEW = (
    "Open the empty ledger and put nothing back? Merchants and endpoints have to be set up again, and what was not"
    " delivered is discarded."
)


@app.command()
def restore(
    begin_anew: Annotated[
        bool, typer.Option("--begin-anew", help="Put nothing back; open the empty ledger beside the old history.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Restore from history what Redis has lost: merchants, endpoints, open payments, pending and held deliveries.

    It connects to Redis and history directly: run it where the console runs, with the same REDIS_URL, RELAY_HISTORY_URL
    and RELAY_ENCRYPTION_KEY. If it is interrupted, run it again.

    If a row of history is damaged, it restores everything else, lists the damaged rows with what to do about each, and
    exits with 1.

    Example: relay restore
    """
    if begin_anew:
        if not yes and not is_interactive():
            typer.echo("relay restore: --begin-anew asks first; give --yes where there is no terminal", err=True)
            raise typer.Exit(2)
        confirm(_ANEW, yes=yes, as_json=False)
    try:
        settings = Settings.load()
        settings.needs("encryption_keys")
        done = asyncio.run(_restore(settings, begin_anew=begin_anew, show_progress=not as_json))
    except (BadSetting, RelayError) as error:
        typer.echo(f"relay restore: {error}", err=True)
        raise typer.Exit(1) from None
    _print(done, as_json=as_json)
    if done.damaged:
        raise typer.Exit(1)


async def _restore(settings: Settings, *, begin_anew: bool, show_progress: bool) -> Restored:
    async with stores(settings) as (ledger, history, sealer):
        return await _carry_out(settings, ledger, history, sealer, anew=begin_anew, show_progress=show_progress)


async def _carry_out(
    settings: Settings, ledger: Ledger, history: History, sealer: Sealer, *, anew: bool, show_progress: bool
) -> Restored:
    from cli.restore_ledger import Restored, begin_anew, restore_ledger
    from console.http import acts
    from console.operations.audit import AuditedAction, AuditTrail

    trail = AuditTrail(ledger)
    if anew:
        await begin_anew(ledger, history, sealer)
        await trail.wrote(_ACTOR, AuditedAction(acts.LEDGER_BEGIN_ANEW.action, ""))
        return Restored()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=terminal(), disable=not show_progress) as progress:
        task = progress.add_task("putting back")
        done = await restore_ledger(
            ledger, history, sealer,
            ledger_retention=settings.ledger_retention, lookback=settings.lookback,
            show=lambda done: progress.update(task, description=_counted(done)),
        )  # fmt: skip
    counts = {**done.counts, "damaged": len(done.damaged)}
    await trail.wrote(_ACTOR, AuditedAction(acts.LEDGER_RESTORE.action, "", counts))
    return done


def _print(done: Restored, *, as_json: bool) -> None:
    commands, damaged = _commands(done), list(done.damaged.values())
    if as_json:
        answer: dict[str, Any] = {"put_back": {what: done.counts.get(what, 0) for what in _ORDER}, "compare": commands}
        print_json({**answer, "damaged": [{**asdict(one), "advice": one.advice} for one in damaged]})
        return
    terminal().print(f"the ledger is open; {_counted(done) or 'nothing was put back'}", style="green")
    if commands:
        terminal().print("compare with i'mport what happened since, and deliver what history lacks:")
        for command in commands:
            terminal().print(f"  {command}", style="bold", soft_wrap=True)
    if damaged:
        typer.echo(f"relay restore: {len(damaged)} not put back, as history's copy is damaged:", err=True)
    for one in damaged:
        typer.echo(printable(f"  {one.what} {one.id} ({one.merchant}): {one.why}; {one.advice}"), err=True)


def _commands(done: Restored) -> list[str]:
    if done.compare_since is None:
        return []
    since = rfc3339(int(done.compare_since))
    return [f"relay reconcile --merchant {name} --since {since} --deliver" for name in done.merchants]


def _counted(done: Restored) -> str:
    counted = ", ".join(f"{done.counts[what]} {what}" for what in _ORDER if done.counts.get(what))
    return f"put back: {counted}" if counted else ""
