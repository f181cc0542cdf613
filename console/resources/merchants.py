"""`/v1/merchants`: whose webhooks are accepted, and with which credentials i'mport is called."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasPath, ConfigDict, Field

from console.http import acts
from console.http.models import (
    Body,
    Listing,
    ListOut,
    Moment,
    Nothing,
    Out,
    Parameters,
    ReasonCode,
    ReasonText,
    Time,
    also_in,
)
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.check_credentials import check_credentials
from console.operations.put_merchant import MerchantSettings, delete_merchant, put_merchant
from console.operations.read_merchants import list_merchants, read_merchant
from schemas.webhook_address import LONGEST_TOKEN

Credential = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class MerchantIn(Body):
    """A merchant's settings; a field that is left out is reset to its default."""

    imp_key: Credential
    imp_secret: Credential
    include_sandbox: bool = False
    since: Moment | None = Field(None, description="facts before it are recorded silently")
    webhook_token: str | None = Field(
        None,
        max_length=LONGEST_TOKEN,
        pattern=r"^(\.{3,}|[\x21-\x7e]*[\x21-\x2d\x2f-\x7e][\x21-\x7e]*)$",
        description="webhooks are taken at /webhooks/{merchant}/{token} only, percent-encoded where needed; not `.` "
        "or `..`, which HTTP clients remove from paths",
    )
    check_prepared: bool = Field(False, description="compare payments with the amount prepared at i'mport")
    tier: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]{3}$",
        description="an agency's code for a sub-merchant, sent with every call to i'mport",
    )

    @property
    def settings(self) -> MerchantSettings:
        """What is to be stored."""
        return MerchantSettings(**self.model_dump())


class MerchantOut(Out):
    """A merchant; its secrets are never shown."""

    model_config = ConfigDict(alias_generator=also_in("stored"))

    merchant: str
    source: Literal["api", "environment"]
    imp_key: str | None = Field(description="masked; null where it is in the environment")
    include_sandbox: bool
    since: Time
    check_prepared: bool
    has_webhook_token: bool
    tier: str | None = Field(description="the sub-merchant's code at its agency")
    trouble: ReasonText | None = Field(description="why i'mport cannot be asked for this merchant")
    trouble_code: ReasonCode = Field(validation_alias=AliasPath("stored", "trouble"))
    created_at: Time


class CheckOut(Out):
    """The result of checking a merchant's credentials now."""

    outcome: Literal["ok", "wrong_credentials", "failing"]
    reason: ReasonText | None
    reason_code: ReasonCode = Field(validation_alias="reason")


class MerchantList(ListOut[MerchantOut]):
    """Some merchants."""


async def put(call: Call[Parameters, MerchantIn]) -> OperationResult:
    """Add or replace a merchant."""
    stored, is_new = await put_merchant(call.context, call.path["merchant"], call.body.settings)
    return OperationResult(MerchantOut.model_validate(stored), 201 if is_new else 200)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One merchant."""
    return OperationResult(MerchantOut.model_validate(await read_merchant(call.context, call.path["merchant"])))


async def check(call: Call[Parameters, Nothing]) -> OperationResult:
    """Check a merchant's credentials at i'mport."""
    return OperationResult(CheckOut.model_validate(await check_credentials(call.context, call.path["merchant"])))


async def list_(call: Call[Listing, Nothing]) -> OperationResult:
    """All merchants."""
    return listed(MerchantList, await list_merchants(call.context, call.query.part))


async def delete(call: Call[Parameters, Nothing]) -> OperationResult:
    """Delete a merchant."""
    await delete_merchant(call.context, call.path["merchant"])
    return OperationResult(status=204)


OPERATIONS = (
    Operation("GET", "/v1/merchants", "List merchants", list_, {200: MerchantList}, query=Listing),
    Operation(
        "PUT", "/v1/merchants/{merchant}", "Add or replace a merchant", put, {200: MerchantOut, 201: MerchantOut},
        body=MerchantIn, audited=acts.MERCHANT_PUT,
    ),
    Operation("GET", "/v1/merchants/{merchant}", "Show a merchant", get, {200: MerchantOut}, problems=(404,)),
    Operation("GET", "/v1/merchants/{merchant}/check", "Try a merchant's credentials", check, {200: CheckOut},
              problems=(404,)),
    Operation(
        "DELETE", "/v1/merchants/{merchant}", "Forget a merchant (409 while it has endpoints)", delete, {204: None},
        problems=(404, 409), audited=acts.MERCHANT_DELETE,
    ),
)  # fmt: skip
