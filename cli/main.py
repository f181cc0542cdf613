"""The `relay` command: one module for each group of subcommands."""

from __future__ import annotations

from typing import Annotated

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


def _print_version(asked: bool) -> None:
    if asked:
        from runtime.version import relay_version

        typer.echo(f"iamport-relay {relay_version()}")
        raise typer.Exit


@app.callback()
def relay(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Start a relay, or operate a running one through its console."""


if __name__ == "__main__":
    app()
