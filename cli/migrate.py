"""`relay migrate`: bring ledger and history to the version of this release, or show what that would do."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Json, print_json, terminal
from cli.stores import stores
from runtime.settings import Settings
from runtime.version import relay_version
from schemas.errors import BadSetting, RelayError
from schemas.payments.codec import READABLE_FROM, VERSION

if TYPE_CHECKING:
    from history import History
    from history.migrate import MigrationStep
    from ledger import Ledger

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Plan:
    """The stored versions, and those of this release. `ledger_version` is None for a ledger that was not begun.
    `workers` are those that run, each with its release."""

    release: str
    ledger_version: int | None
    history_steps: list[MigrationStep]
    workers: dict[str, str]
    ledger_release_version: int = VERSION
    ledger_readable_from: int = READABLE_FROM

    @property
    def is_nothing(self) -> bool:
        """Whether everything has the version of this release or a newer one."""
        return not self.history_steps and self.ledger_version is not None and self.ledger_version >= VERSION

    @property
    def others(self) -> list[str]:
        """The running workers of other releases."""
        return sorted(name for name, version in self.workers.items() if version != self.release)


@app.command()
def migrate(
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Bring what is stored in Redis and history to the version of this release.

    Every process does this when it starts. Use this command to see the plan, or to migrate beforehand. It connects to
    Redis and history directly: run it where the console runs, with the same REDIS_URL, RELAY_HISTORY_URL and
    RELAY_ENCRYPTION_KEY.

    Example: relay migrate --plan
    """
    try:
        settings = Settings.load()
        settings.needs("encryption_keys")
        found = asyncio.run(_migrate(settings, only_plan=plan))
    except (BadSetting, RelayError) as error:
        typer.echo(f"relay migrate: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json({"plan": asdict(found), "done": not plan})
    else:
        _print(found, only_plan=plan)


async def _migrate(settings: Settings, *, only_plan: bool) -> Plan:
    async with stores(settings) as (ledger, history, sealer):
        found = await _plan(ledger, history)
        if not only_plan:
            await ledger.open_with(history, sealer)
        return found


async def _plan(ledger: Ledger, history: History) -> Plan:
    workers = {worker.name: worker.version for worker in await ledger.heartbeats.all() if not worker.quiet}
    return Plan(relay_version(), await ledger.stored_version(), await history.missing_steps(), workers)


def _print(plan: Plan, *, only_plan: bool) -> None:
    for line in _of_ledger(plan), *_of_history(plan):
        terminal().print(line, soft_wrap=True)
    if plan.others:
        terminal().print(f"workers of another release that run: {', '.join(plan.others)}", soft_wrap=True)
    if plan.is_nothing:
        terminal().print("nothing has to be done", style="green")
    elif only_plan:
        terminal().print("nothing was changed; `relay migrate` does it, and so does any process of this release")
    else:
        terminal().print("done", style="green")


def _of_ledger(plan: Plan) -> str:
    if plan.ledger_version is None:
        return f"ledger: new; begins with data format version {VERSION}"
    if plan.ledger_version >= VERSION:
        return f"ledger: data format version {plan.ledger_version}"
    back = "can still read" if plan.ledger_version >= READABLE_FROM else "can no longer read"
    return (
        f"ledger: data format version {plan.ledger_version} becomes {VERSION}, each row when it is next written;"
        f" the previous release {back} it"
    )


def _of_history(plan: Plan) -> list[str]:
    if not plan.history_steps:
        return ["history: its tables need no migration"]
    return [
        f"history: {step.revision} {step.title} Code that knows {step.readable_from} works with it."
        for step in plan.history_steps
    ]
