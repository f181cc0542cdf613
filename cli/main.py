"""`relay`, put together from one module a group of commands."""

from __future__ import annotations

import typer

from cli import commands, up

app = typer.Typer(
    name="relay",
    help="Turns i'mport's payment webhooks into signed, ordered, never-lost events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(up.app)
commands.register(app)


@app.callback()
def relay() -> None:
    """Commands that start the relay or talk to its console."""


if __name__ == "__main__":
    app()
