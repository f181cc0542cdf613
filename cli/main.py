"""The `relay` command: one module for each group of subcommands."""

from __future__ import annotations

import typer

from cli import commands, up

app = typer.Typer(
    name="relay",
    help="Turns i'mport's payment webhooks into signed, ordered events that are never lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(up.app)
commands.register(app)


@app.callback()
def relay() -> None:
    """Start a relay, or operate a running one through its console."""


if __name__ == "__main__":
    app()
