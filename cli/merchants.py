"""`relay merchants`: whose webhooks are taken, and with which credentials i'mport is asked."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import console, failing, part
from cli.output import Cursor, Json, Limit, Yes, done, listed, shown, sure
from runtime.settings import Settings

app = typer.Typer(help="Merchants: whose webhooks are taken, with which credentials.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The merchant's name, as in /webhooks/{merchant}.")]


@app.command("list")
def list_(limit: Limit = 50, cursor: Cursor = None, as_json: Json = False) -> None:
    """List merchants.

    Example: relay merchants list
    """
    with console() as api:
        answer = api.call("GET", "/v1/merchants", limit=limit, cursor=cursor)
    listed(answer, ("merchant", "source", "imp_key", "tier", "since", "has_webhook_token", "trouble"), as_json=as_json)


@app.command()
def show(merchant: Name, as_json: Json = False) -> None:
    """Show a merchant; its secrets are never shown.

    Example: relay merchants show default
    """
    with console() as api:
        shown(api.call("GET", f"/v1/merchants/{part(merchant)}"), as_json=as_json)


@app.command()
def put(
    merchant: Name,
    imp_key: Annotated[
        str | None, typer.Option(help="i'mport's REST API key; else IMP_KEY or IMP_KEY_FILE, else it is asked for.")
    ] = None,
    imp_secret: Annotated[
        str | None, typer.Option(help="Its REST API secret; else IMP_SECRET or IMP_SECRET_FILE, else it is asked for.")
    ] = None,
    include_sandbox: Annotated[bool, typer.Option(help="See test payments; else they do not exist.")] = False,
    since: Annotated[str | None, typer.Option(help="Facts before this RFC 3339 time are recorded silently.")] = None,
    webhook_token: Annotated[str | None, typer.Option(help="Take webhooks with this in their path only.")] = None,
    check_prepared: Annotated[bool, typer.Option(help="Compare with the amount prepared at i'mport.")] = False,
    tier: Annotated[
        str | None, typer.Option(help="An agency's code for this sub-merchant, 3 letters or digits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add or replace a merchant; asks for the key and the secret where they are not given.

    Example: relay merchants put shop --imp-key 1234567890
    """
    key, secret = _credentials(imp_key, imp_secret)
    body = {
        "imp_key": key, "imp_secret": secret, "include_sandbox": include_sandbox, "since": since,
        "webhook_token": webhook_token, "check_prepared": check_prepared, "tier": tier,
    }  # fmt: skip
    with console() as api:
        answer = api.call("PUT", f"/v1/merchants/{part(merchant)}", body)
    done(f"merchant {merchant} is set up", answer, as_json=as_json)


@app.command()
def delete(
    merchant: Name,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Forget a merchant: its webhooks are turned away from then on. Refused while it has endpoints.

    Example: relay merchants delete shop --yes
    """
    sure(f"Forget {merchant} and its credentials?", yes=yes, as_json=as_json)
    with console() as api:
        api.call("DELETE", f"/v1/merchants/{part(merchant)}")
    done(f"merchant {merchant} is forgotten", {"deleted": merchant}, as_json=as_json)


def _credentials(imp_key: str | None, imp_secret: str | None) -> tuple[str, str]:
    """Key and secret: as given, else from the environment or its files, else as somebody types them."""
    missing = [name for name, given in (("IMP_KEY", imp_key), ("IMP_SECRET", imp_secret)) if given is None]
    with failing():
        known = Settings.load(only=missing)
    key = imp_key or known.imp_key or typer.prompt("REST API key")
    secret = imp_secret or (known.imp_secret.get_secret_value() if known.imp_secret else None)
    return key, secret or typer.prompt("REST API secret", hide_input=True)
