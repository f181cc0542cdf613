"""`relay endpoints`: who hears of what, and where."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cli.client import console, part, succeeded
from cli.output import Cursor, Json, Limit, OfMerchant, Yes, done, listed, shown, sure

app = typer.Typer(help="Endpoints: who hears of what, and where.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The endpoint's id, ep_….")]
Types = Annotated[list[str] | None, typer.Option("--type", help="A type of event, payment.* or *; more than once.")]
Description = Annotated[str | None, typer.Option(help="For people.")]
Ordered = Annotated[bool | None, typer.Option("--ordered/--unordered", help="One payment's events one by one.")]
InFlight = Annotated[int | None, typer.Option(help="Deliveries at the same time.")]
Rate = Annotated[float | None, typer.Option(help="Deliveries a second; 0 for no limit.")]
Headers = Annotated[list[str] | None, typer.Option("--header", help="'name: value', sent along; more than once.")]
Payload = Annotated[str | None, typer.Option(help="full, or thin: without i'mport's object.")]

_COLUMNS = ("id", "merchant", "url", "types", "state", "success_rate", "breaker", "last_error")


@app.command("list")
def list_(
    merchant: OfMerchant = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List endpoints and how they are doing.

    Example: relay endpoints list --merchant default
    """
    with console() as api:
        answer = api.call("GET", "/v1/endpoints", merchant=merchant, limit=limit, cursor=cursor)
    listed(answer, _COLUMNS, as_json=as_json)


@app.command()
def show(endpoint: Id, as_json: Json = False) -> None:
    """Show an endpoint.

    Example: relay endpoints show ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        shown(api.call("GET", f"/v1/endpoints/{part(endpoint)}"), as_json=as_json)


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="Where callbacks go.")],
    merchant: Annotated[str, typer.Option(help="Whose events.")] = "default",
    types: Types = None,
    description: Description = None,
    ordered: Ordered = None,
    max_in_flight: InFlight = None,
    rate_limit: Rate = None,
    header: Headers = None,
    payload: Payload = None,
    as_json: Json = False,
) -> None:
    """Add an endpoint; prints the secret that its callbacks are signed with.

    Example: relay endpoints create https://shop.example/hooks --type payment.paid --type payment.cancelled
    """
    body = {"merchant": merchant, "url": url}
    body |= _fields(types, description, ordered, max_in_flight, rate_limit, header, payload)
    with console() as api:
        shown(api.call("POST", "/v1/endpoints", body), as_json=as_json)


@app.command()
def update(
    endpoint: Id,
    url: Annotated[str | None, typer.Option(help="Where callbacks go.")] = None,
    types: Types = None,
    description: Description = None,
    ordered: Ordered = None,
    max_in_flight: InFlight = None,
    rate_limit: Rate = None,
    header: Headers = None,
    payload: Payload = None,
    as_json: Json = False,
) -> None:
    """Change what is given of an endpoint.

    Example: relay endpoints update ep_ab12cd34ef56gh78ij90 --rate-limit 5
    """
    body = {"url": url} if url is not None else {}
    body |= _fields(types, description, ordered, max_in_flight, rate_limit, header, payload)
    with console() as api:
        shown(api.call("PATCH", f"/v1/endpoints/{part(endpoint)}", body), as_json=as_json)


@app.command()
def delete(
    endpoint: Id,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete an endpoint and discard what it still had to get.

    Example: relay endpoints delete ep_ab12cd34ef56gh78ij90 --yes
    """
    sure(f"Delete {endpoint} and discard what it still had to get?", yes=yes, as_json=as_json)
    with console() as api:
        api.call("DELETE", f"/v1/endpoints/{part(endpoint)}")
    done(f"{endpoint} is deleted", {"deleted": endpoint}, as_json=as_json)


@app.command()
def secret(endpoint: Id, as_json: Json = False) -> None:
    """Show the secrets that sign now.

    Example: relay endpoints secret ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        shown(api.call("GET", f"/v1/endpoints/{part(endpoint)}/secret"), as_json=as_json)


@app.command()
def rotate(
    endpoint: Id,
    overlap: Annotated[str, typer.Option(help="For how long both secrets sign.")] = "24h",
    as_json: Json = False,
) -> None:
    """Replace the secret; those before go on signing for as long as was said.

    Example: relay endpoints rotate ep_ab12cd34ef56gh78ij90 --overlap 2d
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{part(endpoint)}/secret/rotate", {"overlap": overlap})
    shown(answer, as_json=as_json)


@app.command()
def enable(endpoint: Id, as_json: Json = False) -> None:
    """Enable an endpoint: what was held is sent.

    Example: relay endpoints enable ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{part(endpoint)}/enable")
    done(f"{endpoint} is enabled", answer, as_json=as_json)


@app.command()
def disable(endpoint: Id, as_json: Json = False) -> None:
    """Disable an endpoint: its deliveries are held, none is dropped.

    Example: relay endpoints disable ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{part(endpoint)}/disable")
    done(f"{endpoint} is disabled", answer, as_json=as_json)


@app.command("test")
def try_out(endpoint: Id, as_json: Json = False) -> None:
    """Send a relay.test event now and show the attempt; fails unless it was answered with a 2xx in time.

    Example: relay endpoints test ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{part(endpoint)}/test")
    shown(answer, as_json=as_json)
    if not succeeded(answer):
        raise typer.Exit(1)


def _fields(
    types: list[str] | None,
    description: str | None,
    ordered: bool | None,
    max_in_flight: int | None,
    rate_limit: float | None,
    headers: list[str] | None,
    payload: str | None,
) -> dict[str, Any]:
    """The fields of an endpoint that were given."""
    given: dict[str, Any] = {
        "types": types or None,
        "description": description,
        "ordered": ordered,
        "max_in_flight": max_in_flight,
        "headers": _headers(headers) if headers else None,
        "payload": payload,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if rate_limit is not None:
        # As JSON's decimal, which the console takes; 0 is how a limit is taken away.
        fields["rate_limit"] = Decimal(str(rate_limit)) if rate_limit else None
    return fields


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon:
            raise typer.BadParameter(f"{text!r} is not 'name: value'", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers
