"""Requests to the operator API: who may call, what is valid, and how errors look."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ledger.idempotency import Idempotency
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import endpoint_event
from schemas.endpoints.health import EndpointHealth
from schemas.errors import LedgerUnavailable
from tests.console.conftest import METRICS_ONLY, READ_ONLY, TOKEN, Console, running
from tests.support.clients import http_client
from tests.support.ledger_redis import redis_of
from tests.support.reasons import because
from tests.support.redis_contents import readable

PROBLEM = "application/problem+json"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
async def test_without_a_valid_token_there_is_nothing(console: Console, header: str | None) -> None:
    """No token, a wrong one or another scheme is 401, whatever is asked for."""
    headers = {} if header is None else {"authorization": header}
    async with http_client(console.url) as client:
        for path in ("/v1/merchants", "/v1/nothing"):
            answer = await client.get(path, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_read_only_token_reads(console: Console) -> None:
    """It lists and shows, and neither changes anything nor sees a secret."""
    endpoint = await console.endpoint()
    reader = {"authorization": f"bearer {READ_ONLY}"}
    assert (await console.call("GET", "/v1/endpoints", headers=reader)).status_code == 200
    for method, path in (
        ("POST", "/v1/endpoints"),
        ("PUT", "/v1/merchants/shop"),
        ("DELETE", f"/v1/endpoints/{endpoint['id']}"),
        ("GET", f"/v1/endpoints/{endpoint['id']}/secret"),
    ):
        answer = await console.call(method, path, headers=reader)
        assert (answer.status_code, answer.json()["status"]) == (403, 403)


async def test_a_read_only_token_gets_no_secret_out_of_a_url(console: Console) -> None:
    """Subscribers put keys into paths and queries; whoever may change endpoints sees them whole."""
    url = "http://127.0.0.1:9/hooks/xoJ5RzsAbCdEfGhIjKlMnOpQ?key=s3cret"
    endpoint = await console.endpoint(url=url)
    after = EndpointHealth(failures=20, failing_since=1.0)
    about = Endpoint(endpoint["id"], "default", url)
    disabled = endpoint_event(about, "endpoint.disabled", EndpointHealth(), after, because("it answered 410"), 2.0)
    assert await console.ledger.delivery_lane.note_health(
        endpoint["id"], EndpointHealth(), after, disabled, because("it answered 410")
    )
    reader = {"authorization": f"Bearer {READ_ONLY}"}
    for path in ("/v1/endpoints", f"/v1/endpoints/{endpoint['id']}", "/v1/events", f"/v1/events/{disabled.id}"):
        text = (await console.call("GET", path, headers=reader)).text
        assert "http://127.0.0.1:9/hooks/***" in text
        assert "xoJ5" not in text
        assert "s3cret" not in text
        assert "xoJ5" in (await console.call("GET", path)).text
    shown = (await console.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"description": "x"})).json()
    assert (endpoint["url"], shown["url"]) == (url, url)


async def test_a_metrics_token_is_good_for_metrics_only(console: Console) -> None:
    """Whoever scrapes numbers sees no payment."""
    scraper = {"authorization": f"Bearer {METRICS_ONLY}", "x-forwarded-for": "203.0.113.9"}
    assert (await console.call("GET", "/metrics", headers=scraper)).status_code == 200
    for path in ("/v1/payments", "/v1/stats", "/v1/nothing"):
        answer = await console.call("GET", path, headers=scraper)
        assert (answer.status_code, answer.json()["detail"]) == (403, "this token is valid for /metrics only")
        assert answer.json()["reason_code"] == "token_metrics_only"


async def test_what_is_not_there_is_a_problem(console: Console) -> None:
    """Unknown paths are 404, known ones with another method 405 that names the right ones."""
    for path in ("/nothing", "/v1", "/v1/", "/v1/nothing", "/v1/endpoints/ep_x/nothing", "/v1/endpoints/", "/v1/%ff"):
        answer = await console.call("GET", path)
        assert (path, answer.status_code, answer.headers["content-type"]) == (path, 404, PROBLEM)
        assert answer.json()["reason_code"] == "nothing_at_path"
    wrong = await console.call("PATCH", "/v1/endpoints")
    assert (wrong.status_code, wrong.headers["allow"], wrong.headers["content-type"]) == (405, "GET, POST", PROBLEM)
    assert (wrong.json()["detail"], wrong.json()["reason_code"]) == ("allowed methods: GET, POST", "method_not_allowed")
    elsewhere = await console.call("POST", "/livez")
    assert (elsewhere.status_code, elsewhere.headers["content-type"]) == (405, PROBLEM)
    assert elsewhere.json()["reason_code"] == "method_not_allowed"
    assert elsewhere.headers["allow"] in elsewhere.json()["detail"]


async def test_every_wrong_field_is_named(console: Console) -> None:
    """One 422 tells of everything that is wrong, in query and body, and repeats no value."""
    body = {"merchant": 5, "urll": "x", "types": ["payment.payed"], "max_in_flight": 0, "headers": {"host": "s3cret"}}
    answer = await console.call("POST", "/v1/endpoints?limit=5&limit=6", body)
    assert answer.status_code == 422
    named = {error["field"] for error in answer.json()["errors"]}
    assert named == {"limit", "merchant", "url", "urll", "types", "max_in_flight", "headers"}
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("url", ["nope", "http://127.0.0.1:9/#part", "ftp://127.0.0.1/"])
async def test_a_wrong_url_is_named_with_the_others(console: Console, url: str) -> None:
    """Whether callbacks may go there is found out together with all else, for a new endpoint and a changed one."""
    endpoint = await console.endpoint()
    wrong = {"url": url, "max_in_flight": 0, "colour": "red"}
    for answer in (
        await console.call("POST", "/v1/endpoints", {"merchant": "default", **wrong}),
        await console.call("PATCH", f"/v1/endpoints/{endpoint['id']}", wrong),
    ):
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["url", "max_in_flight", "colour"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a":NaN}', b"[" * 5000, b"1" * 30])
async def test_a_body_that_is_no_object_is_invalid(console: Console, body: bytes) -> None:
    """Whatever the bytes are, the answer is a 422 with errors."""
    answer = await console.call("POST", "/v1/endpoints", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_text_that_no_store_could_hold_is_invalid(console: Console) -> None:
    """A lone surrogate is an error of its field."""
    body = b'{"merchant":"default","url":"http://127.0.0.1/","description":"\\ud800"}'
    answer = await console.call("POST", "/v1/endpoints", content=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "description")


async def test_a_huge_body_is_not_read(console: Console) -> None:
    """More than a body can need is 413."""
    answer = await console.call("POST", "/v1/endpoints", content=b" " * 300_000)
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json()["reason_code"] == "body_too_large"


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=made-up", "colour=red", "cursor="])
async def test_parameters_are_checked(console: Console, query: str) -> None:
    """Limits, cursors and names of parameters that are none are 422 and named."""
    answer = await console.call("GET", f"/v1/events?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


async def test_a_ledger_that_is_away_is_503(redis_url: str) -> None:
    """Without Redis the console stays, says so, and asks to be tried again."""
    async with running("redis://127.0.0.1:1/0", {}, opened=False) as console:
        answer = await console.call("GET", "/v1/events")
        assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
        assert answer.headers["retry-after"]
        assert (await console.call("GET", "/livez")).status_code == 200
        assert (await console.call("GET", "/readyz")).status_code == 503


async def test_metrics_are_for_this_machine_and_for_tokens(console: Console) -> None:
    """Prometheus on this machine reads them; what comes through a proxy needs a token."""
    async with http_client(console.url) as client:
        here = await client.get("/metrics")
        proxied, forwarded = [
            await client.get("/metrics", headers=header)
            for header in ({"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"})
        ]
    assert here.status_code == 200
    assert "relay_deliveries_pending 0.0" in here.text
    assert (proxied.status_code, forwarded.status_code) == (401, 401)
    with_token = await console.call("GET", "/metrics", headers={"x-forwarded-for": "203.0.113.9"})
    assert with_token.status_code == 200


async def test_the_same_post_under_one_key_happens_once(console: Console) -> None:
    """The second answer is the first, secret and all; only one endpoint is there."""
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    key = {"idempotency-key": "k-1"}
    first, second = [await console.call("POST", "/v1/endpoints", body, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (second.headers["idempotency-replayed"], second.headers["location"]) == ("true", first.headers["location"])
    assert len((await console.call("GET", "/v1/endpoints")).json()["data"]) == 1


async def test_another_body_under_the_same_key_is_refused(console: Console) -> None:
    """A key stands for one request of one token on one path."""
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    key = {"idempotency-key": "k-1"}
    assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code == 201
    other = await console.call("POST", "/v1/endpoints", {**body, "url": "http://127.0.0.1:9/b"}, headers=key)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    endpoint = (await console.call("GET", "/v1/endpoints")).json()["data"][0]["id"]
    elsewhere = await console.call("POST", f"/v1/endpoints/{endpoint}/disable", headers=key)
    assert elsewhere.status_code == 200


async def test_many_at_once_under_one_key_happen_once(console: Console) -> None:
    """While the first runs the others are told so; none of them makes another endpoint."""
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    calls = [console.call("POST", "/v1/endpoints", body, headers={"idempotency-key": "k"}) for _ in range(20)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len((await console.call("GET", "/v1/endpoints")).json()["data"]) == 1


async def test_answers_are_kept_sealed(console: Console) -> None:
    """Nothing that Redis holds of an answer shows a secret."""
    endpoint = await console.endpoint()
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    created = await console.call("POST", "/v1/endpoints", body, headers={"idempotency-key": "k"})
    stored = await readable(redis_of(console.ledger))
    assert b"http://127.0.0.1:9/" in stored
    assert endpoint["secret"].encode() not in stored
    assert created.json()["secret"].encode() not in stored


async def test_a_refused_request_keeps_its_answer_too(console: Console) -> None:
    """What was refused under a key stays refused; a body that never validated leaves the key free."""
    key = {"idempotency-key": "k"}
    invalid = await console.call("POST", "/v1/endpoints", {}, headers=key)
    unknown = await console.call("POST", "/v1/endpoints/ep_x/enable", headers=key)
    again = await console.call("POST", "/v1/endpoints/ep_x/enable", headers=key)
    assert (invalid.status_code, unknown.status_code, again.status_code) == (422, 404, 404)
    assert (again.headers["idempotency-replayed"], again.headers["content-type"]) == ("true", PROBLEM)
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code == 201


async def test_a_key_is_its_tokens_own(redis_url: str) -> None:
    """Whoever has another token gets nothing of an answer, and is not held up by it either."""
    body = {"merchant": "default", "url": "http://127.0.0.1:9/"}
    async with running(redis_url, {"RELAY_API_TOKEN": "token-1,token-2"}) as console:
        headers = [{"idempotency-key": "k", "authorization": f"Bearer token-{number}"} for number in (1, 2)]
        first, second = [await console.call("POST", "/v1/endpoints", body, headers=each) for each in headers]
        assert (first.status_code, second.status_code) == (201, 201)
        assert "idempotency-replayed" not in second.headers
        assert first.json()["secret"] != second.json()["secret"]


@pytest.mark.parametrize("error", [LedgerUnavailable(because("Redis is away")), RuntimeError("a mistake of ours")])
async def test_a_request_that_came_to_nothing_may_be_tried_again(
    console: Console, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Its key is free: an answer that passes is not kept for a day."""

    async def fails(*_: object) -> None:
        raise error

    body, key = {"merchant": "default", "url": "http://127.0.0.1:9/"}, {"idempotency-key": "k"}
    with monkeypatch.context() as patched:
        patched.setattr(console.ledger.endpoints, "create", fails)
        assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code in (500, 503)
    assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code == 201


async def test_what_was_done_is_not_denied(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is away just when the answer is to be kept: it is given all the same, so that nobody does it twice."""

    async def fails(*_: object) -> None:
        raise LedgerUnavailable(because("Redis is away"))

    monkeypatch.setattr(Idempotency, "end", fails)
    body, key = {"merchant": "default", "url": "http://127.0.0.1:9/"}, {"idempotency-key": "k"}
    assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code == 201
    assert (await console.call("POST", "/v1/endpoints", body, headers=key)).status_code == 409


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/v1/endpoints", {"merchant": "default", "url": "nope"}),
        ("/v1/replays", {"since": "2026-11-23T00:00:00Z", "until": "2026-11-22T00:00:00Z", "dry_run": True}),
    ],
)
async def test_an_invalid_request_leaves_its_key_free(console: Console, path: str, wrong: dict[str, Any]) -> None:
    """Whatever it was that did not validate: nothing has happened, so what is right may be sent under the key."""
    right = {**wrong, "url": "http://127.0.0.1:9/"} if "url" in wrong else {"dry_run": True}
    key = {"idempotency-key": "k"}
    answers = [await console.call("POST", path, body, headers=key) for body in (wrong, right)]
    assert [answer.status_code for answer in answers] == [422, 201 if "url" in wrong else 200]
