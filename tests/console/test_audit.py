"""The audit: every write, and every look at buyers' data or secrets, by whom; nothing secret in it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from console.operations import audit
from console.resources.audit import AuditEntryOut
from console.resources.deliveries import DeliveryList
from console.resources.payments import PaymentList
from console.resources.routes import OPERATIONS
from console.web.pages.audit import ACTIONS
from console.web.site import PAGES
from history import History
from ledger.outbox import Outbox
from schemas.errors import HistoryUnavailable, LedgerUnavailable
from schemas.reasons import Reason
from tests.console import examples as story
from tests.console.conftest import TOKEN, Console, on_each_database, running
from tests.support import machine
from tests.support.iamport_stub import Stub, http
from tests.support.waiting import until

NAMELESS = hashlib.sha256(b"nameless-token").hexdigest()[:8]
READER = {"authorization": "Bearer bobs-token"}
_HARMLESS = {(AuditEntryOut, "detail")}


@pytest.fixture
async def console(redis_url: str, history_url: str, stub: Stub) -> AsyncIterator[Console]:
    """A console with named tokens, whose i'mport is the stub."""
    tokens = {"RELAY_API_TOKEN": f"alice:{TOKEN},bob:ro:bobs-token,nameless-token"}
    iamport = {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret", "RELAY_RETRY_SCHEDULE": "5s"}
    history = {"RELAY_HISTORY_URL": history_url}
    async with running(redis_url, {**tokens, **iamport, **history}) as console:
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


def test_every_look_at_buyers_data_or_secrets_is_declared() -> None:
    """An operation whose answer has room for them cannot forget the audit: one with i'mport's object, an event's or a
    webhook's body, what an endpoint answered, a secret, or a file."""
    unaudited = [one for one in OPERATIONS if one.audited is None]
    assert [one.path for one in unaudited if one.streams] == []
    shown = {one.path: set().union(*map(_revealing, filter(None, one.answers.values()))) for one in unaudited}
    assert {path: fields for path, fields in shown.items() if fields} == {}
    assert _revealing(PaymentList) == {"PaymentOut.payment", "EventOut.data"}
    assert _revealing(DeliveryList) == {"AttemptOut.response"}


def _revealing(model: type[BaseModel]) -> set[str]:
    """The fields of an answer that may hold a secret or a buyer's data: those of this name, and whatever has no fields
    of its own to say what is in it."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        parts = list(_parts(field.annotation))
        if name in ("secret", "response") or (Any in parts and (model, name) not in _HARMLESS):
            found.add(f"{model.__name__}.{name}")
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= _revealing(part)
    return found


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)


@on_each_database
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


async def test_a_look_counts_once_a_minute(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each operator, at each object, by each filter; pages and programs that look every second make no flood."""
    await machine.seen(console.ledger, "imp_1")
    await machine.seen(console.ledger, "imp_2")
    for path in ("/v1/payments/imp_1", "/v1/payments/imp_2", "/v1/events", "/v1/events?imp_uid=imp_1"):
        for _ in range(3):
            assert (await console.call("GET", path)).status_code == 200
            assert (await console.call("GET", path, headers=READER)).status_code == 200
    shown = [(row["actor"], row["action"], row["object"], row["detail"]) for row in await audited(console)]
    of_both = [
        ("payment.read", "imp_1", {"merchant": "default"}), ("payment.read", "imp_2", {"merchant": "default"}),
        ("event.list", "", {}), ("event.list", "", {"imp_uid": "imp_1"}),
    ]  # fmt: skip
    assert shown[::-1] == [(actor, *look) for look in of_both for actor in ("alice", "bob")]
    monkeypatch.setattr(audit, "VIEW_EVERY", 0.0)
    await console.call("GET", "/v1/payments/imp_1")
    assert len(await audited(console, object="imp_1")) == 3


@on_each_database
async def test_filters_and_pages(console: Console) -> None:
    """By actor, action, object and window; newest first, a cursor at a time."""
    endpoint = (await console.endpoint())["id"]
    nameless = {"authorization": "Bearer nameless-token"}
    assert (await console.call("POST", f"/v1/endpoints/{endpoint}/disable", headers=nameless)).status_code == 200
    rows = await audited(console)
    assert [(row["actor"], row["action"]) for row in rows] == [
        (NAMELESS, "endpoint.disable"),
        ("alice", "endpoint.create"),
    ]
    assert await audited(console, actor="alice") == await audited(console, action="endpoint.create") == rows[1:]
    assert await audited(console, object=endpoint) == rows
    assert await audited(console, since=rows[0]["at"]) == rows[:1]
    assert await audited(console, until=rows[0]["at"]) == rows[1:]
    first = (await console.call("GET", "/v1/audit", params={"limit": 1})).json()
    rest = (await console.call("GET", "/v1/audit", params={"cursor": first["next_cursor"]})).json()
    assert [*first["data"], *rest["data"]] == rows
    for query in ("cursor=x", "limit=0", "who=alice", "since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z"):
        assert (await console.call("GET", f"/v1/audit?{query}")).status_code == 422


async def test_redis_that_cannot_be_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done stays done and is logged; what cannot be audited is not shown."""
    endpoint = (await console.endpoint())["id"]

    async def away(*_given: object) -> str:
        raise LedgerUnavailable(Reason.of("ledger_not_open"))

    monkeypatch.setattr(Outbox, "append", away)
    with capture_logs() as logged:
        assert (await console.call("POST", f"/v1/endpoints/{endpoint}/disable")).status_code == 200
    assert [(line["event"], line["action"]) for line in logged] == [("audit_not_written", "endpoint.disable")]
    assert (await console.call("GET", f"/v1/endpoints/{endpoint}/secret")).status_code == 503
    assert (await console.call("GET", "/v1/export/payments")).status_code == 503


async def test_history_that_is_away_stops_nothing(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry waits in the outbox."""

    async def away(*_given: object, **_options: object) -> bool:
        raise HistoryUnavailable(Reason.of("history_timed_out"))

    with monkeypatch.context() as while_away:
        while_away.setattr(History, "record_all", away)
        while_away.setattr(History, "places", away)
        endpoint = (await console.endpoint())["id"]
        assert (await console.call("GET", f"/v1/endpoints/{endpoint}/secret")).status_code == 200
        assert (await console.call("GET", "/v1/audit")).status_code == 503

    async def is_told() -> bool:
        return [row["action"] for row in await audited(console)] == ["secret.read", "endpoint.create"]

    await until(is_told)
