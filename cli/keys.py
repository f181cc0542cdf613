"""`relay keys`: when the key that seals secrets at rest is changed."""

from __future__ import annotations

import typer

from cli.client import console
from cli.output import Json, done

app = typer.Typer(help="Keys that seal secrets at rest.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Keys that seal secrets at rest."""


@app.command()
def reseal(as_json: Json = False) -> None:
    """Seal everything that is stored with the first RELAY_ENCRYPTION_KEY, so that the others can be taken away.

    Every worker and console must have that key by then. Doing it twice does no harm.

    Example: relay keys reseal
    """
    with console() as api:
        answer = api.call("POST", "/v1/keys/reseal")
    text = f"sealed anew: {answer['merchants']} merchants, {answer['endpoints']} endpoints"
    if answer["unreadable"]:
        text += f"; no key opens: {', '.join(answer['unreadable'])}"
    done(text, answer, as_json=as_json)
    if answer["unreadable"]:
        raise typer.Exit(1)
