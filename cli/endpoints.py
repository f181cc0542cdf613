"""`relay endpoints`: subscribers' URLs and the events that they get."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cli.client import console, path_part, succeeded
from cli.output import (
    Cursor,
    Json,
    Limit,
    MerchantFilter,
    Since,
    Until,
    Yes,
    confirm,
    print_fields,
    print_list,
    print_result,
)

app = typer.Typer(help="Manage endpoints: subscribers' URLs and the events that they get.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The endpoint's id, ep_….")]
Types = Annotated[list[str] | None, typer.Option("--type", help="An event type, payment.* or *; can be repeated.")]
Description = Annotated[str | None, typer.Option(help="A description.")]
Ordered = Annotated[
    bool | None, typer.Option("--ordered/--unordered", help="Deliver a payment's events in order, one at a time.")
]
InFlight = Annotated[int | None, typer.Option(help="The most deliveries at the same time.")]
Rate = Annotated[float | None, typer.Option(help="The most deliveries a second; 0 for no limit.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", help="A header to send, 'name: value'; can be repeated.")
]
Payload = Annotated[str | None, typer.Option(help="full, or thin (without i'mport's payment object).")]

_COLUMNS = ("id", "merchant", "url", "types", "state", "success_rate", "breaker", "last_error")


@app.command("list")
def list_(
    merchant: MerchantFilter = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List endpoints with their health.

    Example: relay endpoints list --merchant default
    """
    with console() as api:
        answer = api.call(
            "GET", "/v1/endpoints", merchant=merchant, since=since, until=until, limit=limit, cursor=cursor
        )
    print_list(answer, _COLUMNS, as_json=as_json)


@app.command()
def show(endpoint: Id, as_json: Json = False) -> None:
    """Show an endpoint.

    Example: relay endpoints show ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/endpoints/{path_part(endpoint)}"), as_json=as_json)


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="The URL that callbacks are sent to.")],
    merchant: Annotated[str, typer.Option(help="The merchant whose events it gets.")] = "default",
    types: Types = None,
    description: Description = None,
    ordered: Ordered = None,
    max_in_flight: InFlight = None,
    rate_limit: Rate = None,
    header: Headers = None,
    payload: Payload = None,
    as_json: Json = False,
) -> None:
    """Add an endpoint and print the secret that signs its callbacks.

    Example: relay endpoints create https://shop.example/hooks --type payment.paid --type payment.cancelled
    """
    body = {"merchant": merchant, "url": url}
    body |= _fields(types, description, ordered, max_in_flight, rate_limit, header, payload)
    with console() as api:
        print_fields(api.call("POST", "/v1/endpoints", body), as_json=as_json)


@app.command()
def update(
    endpoint: Id,
    url: Annotated[str | None, typer.Option(help="The URL that callbacks are sent to.")] = None,
    types: Types = None,
    description: Description = None,
    ordered: Ordered = None,
    max_in_flight: InFlight = None,
    rate_limit: Rate = None,
    header: Headers = None,
    payload: Payload = None,
    as_json: Json = False,
) -> None:
    """Change the given fields of an endpoint.

    Example: relay endpoints update ep_ab12cd34ef56gh78ij90 --rate-limit 5
    """
    body = {"url": url} if url is not None else {}
    body |= _fields(types, description, ordered, max_in_flight, rate_limit, header, payload)
    with console() as api:
        print_fields(api.call("PATCH", f"/v1/endpoints/{path_part(endpoint)}", body), as_json=as_json)


@app.command()
def delete(
    endpoint: Id,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete an endpoint and discard its pending deliveries.

    Example: relay endpoints delete ep_ab12cd34ef56gh78ij90 --yes
    """
    confirm(f"Delete {endpoint} and discard its pending deliveries?", yes=yes, as_json=as_json)
    with console() as api:
        api.call("DELETE", f"/v1/endpoints/{path_part(endpoint)}")
    print_result(f"{endpoint} is deleted", {"deleted": endpoint}, as_json=as_json)


@app.command()
def secret(endpoint: Id, as_json: Json = False) -> None:
    """Show the secrets that sign an endpoint's callbacks.

    Example: relay endpoints secret ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        print_fields(api.call("GET", f"/v1/endpoints/{path_part(endpoint)}/secret"), as_json=as_json)


@app.command()
def rotate(
    endpoint: Id,
    overlap: Annotated[str, typer.Option(help="How long the old secret signs as well.")] = "24h",
    as_json: Json = False,
) -> None:
    """Replace an endpoint's secret; the old one signs as well for a while.

    Example: relay endpoints rotate ep_ab12cd34ef56gh78ij90 --overlap 2d
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{path_part(endpoint)}/secret/rotate", {"overlap": overlap})
    print_fields(answer, as_json=as_json)


@app.command()
def enable(endpoint: Id, as_json: Json = False) -> None:
    """Enable an endpoint and send its held deliveries.

    Example: relay endpoints enable ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{path_part(endpoint)}/enable")
    print_result(f"{endpoint} is enabled", answer, as_json=as_json)


@app.command()
def disable(endpoint: Id, as_json: Json = False) -> None:
    """Disable an endpoint; its deliveries are held, not discarded.

    Example: relay endpoints disable ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{path_part(endpoint)}/disable")
    print_result(f"{endpoint} is disabled", answer, as_json=as_json)


@app.command("test")
def test_endpoint(endpoint: Id, as_json: Json = False) -> None:
    """Send a relay.test event now and show the attempt; exit 1 unless it was answered with a 2xx.

    Example: relay endpoints test ep_ab12cd34ef56gh78ij90
    """
    with console() as api:
        answer = api.call("POST", f"/v1/endpoints/{path_part(endpoint)}/test")
    print_fields(answer, as_json=as_json)
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
    """The fields that were given, as the operator API takes them."""
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
        # A decimal, which JSON keeps exactly; 0 removes the limit.
        fields["rate_limit"] = Decimal(str(rate_limit)) if rate_limit else None
    return fields


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon:
            raise typer.BadParameter(f"{text!r} is not a header like 'name: value'", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers
