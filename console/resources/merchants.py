"""Merchants: whose webhooks are taken, and with which credentials i'mport is asked."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from pydantic import Field

from console.context import Context
from console.http.models import (
    MERCHANT,
    Body,
    Listing,
    Moment,
    Nothing,
    Out,
    Parameters,
    ReasonCode,
    ReasonText,
    Time,
    code_of,
)
from console.http.operation import Call, Operation, OperationResult
from ledger.merchants import Merchant
from schemas.errors import Conflict, IamportError, Invalid, WrongCredentials
from schemas.reasons import Reason
from schemas.times import rfc3339

DEFAULT = "default"
Credential = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class MerchantIn(Body):
    """What is to be known of a merchant; what is left out is as if it had never been set."""

    imp_key: Credential
    imp_secret: Credential
    include_sandbox: bool = False
    since: Moment | None = Field(None, description="facts before it are recorded silently")
    webhook_token: str | None = Field(
        None,
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="webhooks are taken at /webhooks/{merchant}/{token} only, percent-encoded where needed",
    )
    check_prepared: bool = Field(False, description="compare payments with the amount prepared at i'mport")
    tier: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]{3}$",
        description="an agency's code for a sub-merchant, sent with every call to i'mport",
    )


class MerchantOut(Out):
    """A merchant; its secrets are never shown."""

    merchant: str
    source: Literal["api", "environment"]
    imp_key: str | None = Field(description="masked; null where it is in the environment")
    include_sandbox: bool
    since: Time
    check_prepared: bool
    has_webhook_token: bool
    tier: str | None = Field(description="the sub-merchant's code at its agency")
    trouble: ReasonText | None = Field(description="why i'mport cannot be asked for this merchant")
    trouble_code: ReasonCode
    created_at: Time


class CheckOut(Out):
    """What i'mport says to a merchant's credentials now."""

    outcome: Literal["ok", "wrong_credentials", "failing"]
    reason: ReasonText | None
    reason_code: ReasonCode


class MerchantList(Out):
    """Some merchants."""

    data: list[MerchantOut]
    next_cursor: str | None


def shown(context: Context, merchant: Merchant) -> MerchantOut:
    """A merchant as operators see it."""
    return MerchantOut(
        merchant=merchant.name,
        source="api" if merchant.imp_key else "environment",
        imp_key=masked(context.sealer.open(merchant.imp_key)) if merchant.imp_key else None,
        include_sandbox=merchant.include_sandbox,
        since=rfc3339(merchant.since),
        check_prepared=merchant.check_prepared,
        has_webhook_token=merchant.token_hash is not None,
        tier=merchant.tier,
        trouble=merchant.trouble,
        trouble_code=code_of(merchant.trouble),
        created_at=rfc3339(merchant.created_at),
    )


def masked(credential: str) -> str:
    """Enough of a credential to tell it from another, not enough to use it."""
    return f"{credential[:4]}…" if len(credential) >= 12 else "…"


async def put(call: Call[Parameters, MerchantIn]) -> OperationResult:
    """Add or replace a merchant."""
    name, body, sealer = call.path["merchant"], call.body, call.context.sealer
    if not re.fullmatch(MERCHANT, name):
        raise Invalid("merchant", Reason.of("not_a_merchant_name"))
    new = await call.context.ledger.merchants.put(
        name,
        imp_key=sealer.seal(body.imp_key),
        imp_secret=sealer.seal(body.imp_secret),
        include_sandbox=body.include_sandbox,
        check_prepared=body.check_prepared,
        since=body.since,
        token_hash=hashlib.sha256(body.webhook_token.encode()).hexdigest() if body.webhook_token else None,
        tier=body.tier,
    )
    stored = await call.context.ledger.merchants.get(name)
    return OperationResult(shown(call.context, stored), 201 if new else 200)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One merchant."""
    return OperationResult(shown(call.context, await call.context.ledger.merchants.get(call.path["merchant"])))


async def check(call: Call[Parameters, Nothing]) -> OperationResult:
    """Ask i'mport something harmless with a merchant's credentials: what it has prepared for an order nobody made."""
    name = call.path["merchant"]
    await call.context.ledger.merchants.get(name)
    try:
        account = await call.context.accounts.get(name)
        await account.client.prepared("relay-check")
    except WrongCredentials as error:
        return OperationResult(_checked("wrong_credentials", error))
    except IamportError as error:
        return OperationResult(_checked("failing", error))
    return OperationResult(CheckOut(outcome="ok", reason=None, reason_code=None))


def _checked(outcome: Literal["wrong_credentials", "failing"], error: IamportError) -> CheckOut:
    return CheckOut(outcome=outcome, reason=error.reason, reason_code=error.reason.decisive)


async def list_(call: Call[Listing, Nothing]) -> OperationResult:
    """All merchants."""
    page = await call.context.ledger.merchants.list(call.query.part)
    return OperationResult(
        MerchantList(data=[shown(call.context, row) for row in page.rows], next_cursor=page.next_cursor)
    )


async def delete(call: Call[Parameters, Nothing]) -> OperationResult:
    """Forget a merchant."""
    name, merchants = call.path["merchant"], call.context.ledger.merchants
    in_environment = name == DEFAULT and call.context.settings.imp_key is not None
    if in_environment and not (await merchants.get(name)).imp_key:
        raise Conflict(Reason.of("merchant_in_environment"))
    await merchants.delete(name)
    if in_environment:
        await merchants.ensure(name)
    return OperationResult(status=204)


OPERATIONS = (
    Operation("GET", "/v1/merchants", "List merchants", list_, {200: MerchantList}, query=Listing),
    Operation(
        "PUT", "/v1/merchants/{merchant}", "Add or replace a merchant", put, {200: MerchantOut, 201: MerchantOut},
        body=MerchantIn,
    ),
    Operation("GET", "/v1/merchants/{merchant}", "Show a merchant", get, {200: MerchantOut}, problems=(404,)),
    Operation("GET", "/v1/merchants/{merchant}/check", "Try a merchant's credentials", check, {200: CheckOut},
              problems=(404,)),
    Operation(
        "DELETE", "/v1/merchants/{merchant}", "Forget a merchant (409 while it has endpoints)", delete, {204: None},
        problems=(404, 409),
    ),
)  # fmt: skip
