"""`relay trigger`: play a scenario in the sandbox."""

from __future__ import annotations

import os
from typing import Annotated, Any

import httpx
import typer

from cli.client import NO_PROXY, Failed, Place, failing, part
from cli.output import Json, done, listed
from schemas import wire

app = typer.Typer()

_PLAYS_WITHIN = 120.0


@app.command()
def trigger(
    scenario: Annotated[str | None, typer.Argument(help="Its name; without one, all are listed.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="Where the sandbox is; IMP_API_URL unless given.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Whose webhooks these are; default unless given.")] = None,
    tier: Annotated[str | None, typer.Option(help="The code of the agency's sub-merchant whose payment it is.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is over.")] = False,
    as_json: Json = False,
) -> None:
    """Play a scenario in the sandbox: a payment, and the webhooks that i'mport would send.

    Example: relay trigger card
    """
    with failing():
        place = Place.find(os.environ)
        url = sandbox or place.sandbox_url
        if url is None:
            raise Failed("no sandbox is known here: start `relay up`, or say where it is with --sandbox")
        # Whoever cannot say what there is to play is no sandbox, and is not told our token.
        known = _ask(url, "GET", "")["data"]
        if scenario is None:
            listed({"next_cursor": None, "data": known}, ("name", "description"), as_json=as_json)
            return
        relay = {"url": place.console_url, "token": place.token} if place.token else None
        options = {"relay_api": relay, "merchant": merchant, "tier": tier}
        query = "?wait=true" if wait else ""
        given = {name: value for name, value in options.items() if value is not None}
        answer = _ask(url, "POST", f"/{part(scenario)}{query}", given)
    payments = ", ".join(answer.get("imp_uids", ())) or "no payment yet"
    done(f"{scenario} {'was played' if answer.get('done') else 'is played'}: {payments}", answer, as_json=as_json)


def _ask(url: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What the sandbox answers. Raises `Failed`."""
    address = f"{url.rstrip('/')}/_sandbox/scenarios{path}"
    try:
        with httpx.Client(timeout=_PLAYS_WITHIN, mounts=NO_PROXY) as client:
            answer = client.request(method, address, json=body)
        found = wire.loads(answer.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Failed(f"there is no sandbox at {url}: {error}") from None
    if not isinstance(found, dict) or not found.keys() & {"data", "scenario", "title"}:
        raise Failed(f"there is no sandbox at {url}: it answered {answer.status_code}")
    if answer.status_code >= 400:
        known = f"; there are {', '.join(found['scenarios'])}" if "scenarios" in found else ""
        raise Failed(f"{found.get('title', answer.status_code)}{known}")
    return found
