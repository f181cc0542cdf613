"""The audit: every write, and every look at buyers' data or secrets, by whom; nothing secret in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from console.operations import audit
from console.resources.routes import OPERATIONS
from console.web.pages.audit import ACTIONS
from console.web.site import PAGES
from tests.console import examples as story
from tests.console.conftest import TOKEN, Console, running
from tests.console.web.conftest import Reader
from tests.support import machine
from tests.support.clients import http_client
from tests.support.iamport_stub import Stub, http

READER = {"authorization": "Bearer bobs-token"}


@pytest.fixture
async def console(redis_url: str, stub: Stub) -> AsyncIterator[Console]:
    """A console with named tokens, whose i'mport is the stub."""
    tokens = {"RELAY_API_TOKEN": f"alice:{TOKEN},bob:ro:bobs-token,nameless-token"}
    iamport = {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret", "RELAY_RETRY_SCHEDULE": "5s"}
    async with running(redis_url, {**tokens, **iamport}) as console:
        yield console


async def audited(console: Console, **filters: str) -> list[dict[str, Any]]:
    """The newest entries."""
    answer = await console.call("GET", "/v1/audit", params={"limit": "200", **filters})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def test_everything_that_changes_something_is_declared() -> None:
    """A new operation or page cannot forget the audit; and no two acts share a name."""
    assert [one.path for one in OPERATIONS if one.audited is None and (one.method != "GET" or one.secret)] == []
    posts = [page for page in PAGES if page.method == "POST" and not page.public]
    assert [page.path for page in posts if page.audited is None] == []
    assert len(set(ACTIONS)) == len(ACTIONS)


async def test_every_operation_is_told_once_and_without_secrets(console: Console, stub: Stub) -> None:
    """The story that carries out every operation: each declared act is there, with its object, by name."""
    played = await story.play(console, stub)
    rows = await audited(console)
    assert {row["actor"] for row in rows} == {"alice"}
    declared = {one.audited.action for one in OPERATIONS if one.audited is not None}
    assert {row["action"] for row in rows} == declared
    by_action = {row["action"]: row for row in rows}
    assert by_action["merchant.put"]["object"] == by_action["merchant.delete"]["object"] == "shop"
    assert by_action["merchant.put"]["detail"]["given"] == ["imp_key", "imp_secret"]
    created = by_action["endpoint.create"]
    assert created["detail"] == {
        "merchant": "default", "url": "https://shop.example/payments", "types": ["payment.*"], "given": ["description"],
    }  # fmt: skip
    assert created["object"] == by_action["secret.read"]["object"] == by_action["endpoint.delete"]["object"]
    assert by_action["payment.cancel"]["object"] == by_action["payment.read"]["object"] == story.PAID
    assert by_action["payment.cancel"]["detail"] == {
        "merchant": "default", "amount": 400, "record_only": False, "given": ["reason"]
    }  # fmt: skip
    assert by_action["cancellation.reject"]["detail"]["id"].startswith("can_")
    assert by_action["replay.create"]["object"].startswith("rpl_")
    assert by_action["replay.create"]["detail"]["since"] == "2026-11-01T00:00:00Z"
    assert by_action["reconciliation.create"]["object"].startswith("rec_")
    secrets = [played["POST /v1/endpoints"]["answer"]["secret"], "ekKoeW8RyKuT0zgaZsUtXXTLQ4AhPFW3", TOKEN]
    assert not [secret for secret in (*secrets, "whsec_", "out of stock") if secret in str(rows)]


async def test_what_was_refused_or_failed_is_not_audited(console: Console) -> None:
    """401, 403, 404, 409 and 422 did nothing."""
    endpoint = (await console.endpoint())["id"]
    before = await audited(console)
    for status, method, path, options in (
        (401, "DELETE", f"/v1/endpoints/{endpoint}", {"headers": {"authorization": "Bearer x"}}),
        (403, "DELETE", f"/v1/endpoints/{endpoint}", {"headers": READER}),
        (403, "GET", f"/v1/endpoints/{endpoint}/secret", {"headers": READER}),
        (404, "DELETE", "/v1/endpoints/ep_none", {}),
        (404, "GET", "/v1/payments/imp_none", {}),
        (409, "DELETE", "/v1/merchants/default", {}),
        (422, "POST", "/v1/endpoints", {"json": {"merchant": "default"}}),
        (422, "GET", "/v1/export/buyers", {}),
        (200, "POST", "/v1/replays", {"json": {"dry_run": True}}),
    ):
        answer = await console.client.request(method, path, **options)
        assert answer.status_code == status, (path, answer.text)
    assert await audited(console) == before


async def test_a_cancellation_whose_outcome_is_unknown_is_audited(console: Console, stub: Stub) -> None:
    """It was sent, whatever came of it."""
    await machine.seen(console.ledger, story.PAID)
    stub.reply = lambda _asked: http(500)
    answer = await console.call("POST", f"/v1/payments/{story.PAID}/cancellations", {"amount": 400})
    assert answer.status_code == 504, answer.text
    assert [row["object"] for row in await audited(console, action="payment.cancel")] == [story.PAID]
