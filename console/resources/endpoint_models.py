"""Endpoints as operators write and see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasPath, BeforeValidator, ConfigDict, Field, ValidationInfo

from console.http.models import (
    ABSENT,
    Body,
    Listing,
    ListOut,
    Merchant,
    Out,
    Rate,
    ReasonCode,
    ReasonText,
    Seconds,
    Time,
    also_in,
    checked,
    field_error,
)
from runtime.settings import Settings
from schemas.endpoints.egress import check_url
from schemas.endpoints.endpoint import (
    ALL_PAYMENTS,
    IN_FLIGHT,
    MAX_DESCRIPTION,
    MAX_HEADERS,
    MAX_URL,
    checked_headers,
    checked_types,
)

MASK = "***"


def _allowed(url: str, info: ValidationInfo[Settings]) -> str:
    """A URL that callbacks may go to, as the settings in the context of the validation say."""
    settings = info.context
    with field_error():
        check_url(url, settings.allowed_endpoint_networks, settings.allow_private_endpoints)
    return url


Url = Annotated[str, Field(min_length=1, max_length=MAX_URL), AfterValidator(_allowed)]
Types = Annotated[list[str], checked(lambda types: list(checked_types(types))), Field(min_length=1, max_length=50)]
Description = Annotated[str, Field(max_length=MAX_DESCRIPTION)]
InFlight = Annotated[int, Field(ge=1, le=1000)]
RateLimit = Annotated[Rate, Field(gt=0, le=1_000_000)]
Headers = Annotated[dict[str, str], checked(checked_headers), Field(max_length=MAX_HEADERS)]
Payload = Literal["full", "thin"]


class EndpointIn(Body):
    """A new endpoint."""

    merchant: Merchant
    url: Url
    types: Types = Field(default=[ALL_PAYMENTS], description="exact names, payment.* or *")
    description: Description = ""
    ordered: bool = Field(True, description="a payment's events one after the other, in the order of their sequence")
    max_in_flight: InFlight = IN_FLIGHT
    rate_limit: RateLimit | None = Field(None, description="deliveries a second")
    headers: Headers = Field(default={}, description="sent along; encrypted at rest and masked when shown")
    payload: Payload = Field("full", description="thin leaves i'mport's object out")


class EndpointPatch(Body):
    """What is to change of an endpoint; what is left out stays."""

    url: Url = ABSENT
    types: Types = ABSENT
    description: Description = ABSENT
    ordered: bool = ABSENT
    max_in_flight: InFlight = ABSENT
    rate_limit: RateLimit | None = ABSENT
    headers: Headers = ABSENT
    payload: Payload = ABSENT


def _masked_values(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, MASK)


class EndpointOut(Out):
    """An endpoint."""

    model_config = ConfigDict(alias_generator=also_in("stored", "endpoint"))

    id: str
    merchant: str
    url: str = Field(description="read-only tokens see no query, and nothing of the path that looks like a token")
    types: list[str]
    description: str
    ordered: bool
    max_in_flight: int
    rate_limit: float | None
    headers: Annotated[dict[str, str], BeforeValidator(_masked_values)] = Field(
        validation_alias="header_names", description="names with masked values"
    )
    payload: Payload
    state: Literal["enabled", "disabled"]
    disabled_reason: ReasonText | None
    disabled_reason_code: ReasonCode = Field(validation_alias=AliasPath("endpoint", "disabled_reason"))
    success_rate: float | None = Field(description="of its attempts so far")
    breaker: Literal["closed", "open", "half_open"]
    last_error: ReasonText | None
    created_at: Time


class EndpointCreated(EndpointOut):
    """An endpoint with the secret that its callbacks are signed with."""

    secret: str


class EndpointList(ListOut[EndpointOut]):
    """Some endpoints."""


class EndpointListing(Listing):
    """Which endpoints."""

    merchant: Merchant | None = None


class PreviousSecret(Out):
    """A secret that was replaced and still signs."""

    secret: str
    expires_at: Time | None


class SecretOut(Out):
    """The secrets of an endpoint: the newest, and those that still sign beside it."""

    secret: str
    previous: list[PreviousSecret]


class RotateIn(Body):
    """How long the old secret goes on signing."""

    overlap: Seconds = Field(
        86400.0,
        description="for how long both secrets sign, up to 30d",
        le=30 * 86400,
        json_schema_extra=lambda schema: schema.update(default="24h"),
    )
