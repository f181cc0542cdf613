"""`relay keys`: rotate the key that seals secrets at rest."""

from __future__ import annotations

import typer

from cli.client import console
from cli.output import Json, print_result

app = typer.Typer(help="Rotate the key that seals secrets at rest.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Rotate the key that seals secrets at rest."""


@app.command()
def reseal(as_json: Json = False) -> None:
    """Seal all stored secrets with the first RELAY_ENCRYPTION_KEY, so that the other keys can be removed.

    Every worker and console must have that key before. The command can be repeated.

    Example: relay keys reseal
    """
    with console() as api:
        answer = api.call("POST", "/v1/keys/reseal")
    text = f"resealed: {answer['merchants']} merchants, {answer['endpoints']} endpoints"
    if answer["unreadable"]:
        text += f"; no key opens {', '.join(answer['unreadable'])}"
    print_result(text, answer, as_json=as_json)
    if answer["unreadable"]:
        raise typer.Exit(1)
