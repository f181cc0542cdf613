"""`relay merchants`: the merchants whose webhooks are accepted, and their credentials."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, exit_on_error, path_part
from cli.output import Cursor, Json, Limit, Since, Until, Yes, confirm, print_fields, print_list, print_result
from runtime.settings import Settings

app = typer.Typer(help="Manage merchants: whose webhooks are accepted, and their credentials.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The merchant's name, as in /webhooks/{merchant}.")]


@app.command("list")
def list_(
    since: Since = None, until: Until = None, limit: Limit = 50, cursor: Cursor = None, as_json: Json = False
) -> None:
    """List merchants.

    Example: relay merchants list
    """
    with console() as api:
        answer = api.call("GET", "/v1/merchants", since=since, until=until, limit=limit, cursor=cursor)
    print_list(
        answer, ("merchant", "source", "imp_key", "tier", "since", "has_webhook_token", "trouble"), as_json=as_json
    )


@app.command()
def show(merchant: Name, as_json: Json = False) -> None:
    """Show a merchant; its secrets are never shown.

    Example: relay merchants show default
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/merchants/{path_part(merchant)}"), as_json=as_json)


@app.command()
def put(
    merchant: Name,
    imp_key: Annotated[
        str | None,
        typer.Option(help="i'mport's REST API key; by default IMP_KEY or IMP_KEY_FILE, else a prompt asks for it."),
    ] = None,
    imp_secret: Annotated[
        str | None,
        typer.Option(help="Its REST API secret; by default IMP_SECRET or IMP_SECRET_FILE, else a prompt asks for it."),
    ] = None,
    include_sandbox: Annotated[bool, typer.Option(help="Include test payments; otherwise they are ignored.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Record facts before this RFC 3339 time without delivering them.")
    ] = None,
    webhook_token: Annotated[
        str | None, typer.Option(help="Accept webhooks only with this token in their path.")
    ] = None,
    check_prepared: Annotated[bool, typer.Option(help="Compare payments with the amount prepared at i'mport.")] = False,
    tier: Annotated[
        str | None, typer.Option(help="An agency's code for this sub-merchant: 3 letters or digits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add or replace a merchant.

    Example: relay merchants put shop --imp-key 1234567890
    """
    key, secret = _credentials(imp_key, imp_secret)
    body = {
        "imp_key": key, "imp_secret": secret, "include_sandbox": include_sandbox, "since": since,
        "webhook_token": webhook_token, "check_prepared": check_prepared, "tier": tier,
    }  # fmt: skip
    with console() as api:
        answer = api.call("PUT", f"/v1/merchants/{path_part(merchant)}", body)
    print_result(f"merchant {merchant} is set up", answer, as_json=as_json)


@app.command()
def delete(
    merchant: Name,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a merchant and its credentials; its webhooks are refused from then on. Fails while it has endpoints.

    Example: relay merchants delete shop --yes
    """
    confirm(f"Delete merchant {merchant} and its credentials?", yes=yes, as_json=as_json)
    with console() as api:
        api.call("DELETE", f"/v1/merchants/{path_part(merchant)}")
    print_result(f"merchant {merchant} is deleted", {"deleted": merchant}, as_json=as_json)


def _credentials(imp_key: str | None, imp_secret: str | None) -> tuple[str, str]:
    """The key and the secret: as given, else from the environment or its files, else from a prompt."""
    missing = [name for name, given in (("IMP_KEY", imp_key), ("IMP_SECRET", imp_secret)) if given is None]
    with exit_on_error():
        known = Settings.load(only=missing)
    key = imp_key or known.imp_key or typer.prompt("REST API key")
    secret = imp_secret or (known.imp_secret.get_secret_value() if known.imp_secret else None)
    return key, secret or typer.prompt("REST API secret", hide_input=True)
