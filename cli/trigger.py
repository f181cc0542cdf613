"""`relay trigger`: plays a scenario in the sandbox."""

from __future__ import annotations

import os
from typing import Annotated, Any

import httpx
import typer

from cli.client import CallFailed, RelayLocation, exit_on_error, http_client, path_part
from cli.output import Json, print_list, print_result
from schemas import wire

app = typer.Typer()

_TIMEOUT = 120.0


@app.command()
def trigger(
    scenario: Annotated[
        str | None, typer.Argument(help="The scenario's name; by default all scenarios are listed.")
    ] = None,
    sandbox: Annotated[str | None, typer.Option(help="The sandbox's URL; by default IMP_API_URL.")] = None,
    merchant: Annotated[
        str | None, typer.Option(help="The merchant whose webhooks are sent; by default `default`.")
    ] = None,
    tier: Annotated[
        str | None, typer.Option(help="The code (tier) of the sub-merchant that the payment belongs to.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Play a scenario in the sandbox: a payment and the webhooks that i'mport would send.

    Example: relay trigger card
    """
    with exit_on_error():
        location = RelayLocation.find(os.environ)
        url = sandbox or location.sandbox_url
        if url is None:
            raise CallFailed("no sandbox is known here: start `relay up`, or name one with --sandbox")
        # List the scenarios first, so that the token is sent only to a sandbox.
        scenarios = _ask(url, "GET", "")["data"]
        if scenario is None:
            print_list({"next_cursor": None, "data": scenarios}, ("name", "description"), as_json=as_json)
            return
        relay = {"url": location.console_url, "token": location.token} if location.token else None
        options = {"relay_api": relay, "merchant": merchant, "tier": tier}
        query = "?wait=true" if wait else ""
        given = {name: value for name, value in options.items() if value is not None}
        answer = _ask(url, "POST", f"/{path_part(scenario)}{query}", given)
    payments = ", ".join(answer.get("imp_uids", ())) or "no payment yet"
    print_result(
        f"{scenario} {'was played' if answer.get('done') else 'is played'}: {payments}", answer, as_json=as_json
    )


def _ask(url: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The sandbox's answer. Raises `CallFailed`."""
    address = f"{url.rstrip('/')}/_sandbox/scenarios{path}"
    try:
        with http_client(url, timeout=_TIMEOUT) as client:
            answer = client.request(method, address, json=body)
        found = wire.loads(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CallFailed(f"there is no sandbox at {url}: {error}") from None
    if not isinstance(found, dict) or not found.keys() & {"data", "scenario", "title"}:
        raise CallFailed(f"there is no sandbox at {url}: it answered {answer.status_code}")
    if answer.status_code >= 400:
        known = f"; there are {', '.join(found['scenarios'])}" if "scenarios" in found else ""
        raise CallFailed(f"{found.get('title', answer.status_code)}{known}")
    return found
