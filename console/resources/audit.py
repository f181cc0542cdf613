"""`/v1/audit`: what operators did, and at which buyers' data or secrets they looked."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from console.http.models import Listing, ListOut, Nothing, Out, Time
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.audit import list_audit


class AuditEntryOut(Out):
    """Something that an operator did."""

    id: str
    at: Time
    actor: str = Field(description="the name of the token that was used, or the first part of its fingerprint")
    action: str
    object: str
    detail: dict[str, Any] = Field(description="what was asked for, without secrets and buyers' data")


class AuditList(ListOut[AuditEntryOut]):
    """Some entries of the audit."""


class AuditListing(Listing):
    """Which entries."""

    actor: str | None = Field(None, min_length=1, max_length=200)
    action: str | None = Field(None, min_length=1, max_length=200)
    object: str | None = Field(None, min_length=1, max_length=200)


async def list_(call: Call[AuditListing, Nothing]) -> OperationResult:
    """What operators did, newest first."""
    query = call.query
    page = await list_audit(call.context, query.part, actor=query.actor, action=query.action, object_=query.object)
    return listed(AuditList, page)


OPERATIONS = (
    Operation("GET", "/v1/audit", "List what operators did, newest first", list_, {200: AuditList}, query=AuditListing),
)
