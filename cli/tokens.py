"""`relay tokens`: which tokens the operator API takes, and when each was last used."""

from __future__ import annotations

import typer

from cli.client import console
from cli.output import Json, print_list

app = typer.Typer()


@app.command()
def tokens(as_json: Json = False) -> None:
    """List the tokens of RELAY_API_TOKEN by their fingerprints, and when each was last used.

    Example: relay tokens
    """
    with console() as api:
        answer = api.call("GET", "/v1/tokens")
    print_list(answer, ("actor", "fingerprint", "rights", "last_used_at"), as_json=as_json)
