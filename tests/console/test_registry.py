"""Merchants and endpoints through the operator API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.console.conftest import Console, running
from tests.support.ledger_state import ledger_state

CREDENTIALS = {"imp_key": "imp_1234567890", "imp_secret": "very-secret-indeed"}


async def test_a_merchant_is_put_shown_and_deleted(console: Console) -> None:
    """201 when new, 200 when replaced, 204 when deleted, and its secrets are never shown."""
    created = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "webhook_token": "a-long-token"})
    assert created.status_code == 201
    merchant = created.json()
    assert (merchant["merchant"], merchant["source"], merchant["imp_key"]) == ("shop", "api", "imp_…")
    assert (merchant["has_webhook_token"], merchant["trouble"]) == (True, None)
    answers = [created, *[await console.call("GET", f"/v1/merchants{path}") for path in ("", "/shop")]]
    for answer in answers:
        for secret in (*CREDENTIALS.values(), "a-long-token"):
            assert secret not in answer.text
    replaced = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "since": "2026-01-01T09:00:00+09:00"})
    assert (replaced.status_code, replaced.json()["since"]) == (200, "2026-01-01T00:00:00Z")
    assert replaced.json()["has_webhook_token"] is False
    assert (await console.call("DELETE", "/v1/merchants/shop")).status_code == 204
    for method in ("GET", "DELETE"):
        assert (await console.call(method, "/v1/merchants/shop")).status_code == 404


@pytest.mark.parametrize("since", ["9999-12-31T23:59:59.9999Z", "0001-01-01T00:00:00+09:00"])
async def test_a_time_that_utc_cannot_write_is_refused(console: Console, since: str) -> None:
    """It used to be stored, and every list that held it was a 500 from then on."""
    window = {"since": "2026-01-01T00:00:00Z", "until": since}
    for method, path, body in (
        ("PUT", "/v1/merchants/shop", {**CREDENTIALS, "since": since}),
        ("POST", "/v1/replays", {"until": since}),
        ("POST", "/v1/reconciliations", {"merchant": "default", **window}),
    ):
        assert (await console.call(method, path, body)).status_code == 422, path
        assert (await console.call("GET", path.removesuffix("/shop"))).status_code == 200, path


@pytest.mark.parametrize("token", ["s3cret", "a.b~c", "...", "a/b+c=", "x" * 128])
async def test_a_webhook_token_is_any_visible_ascii(console: Console, token: str) -> None:
    """A short token, or one that a path can only hold percent-encoded, is the merchant's to choose."""
    put = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "webhook_token": token})
    assert (put.status_code, put.json()["has_webhook_token"]) == (201, True)


@pytest.mark.parametrize("token", ["", "a b", "비밀", "x" * 129, ".", ".."])
async def test_a_webhook_token_is_visible_ascii_only(console: Console, token: str) -> None:
    """What could not be told apart from no token, not be typed into i'mport's console or not be posted to, is 422."""
    put = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "webhook_token": token})
    assert (put.status_code, put.json()["errors"][0]["field"]) == (422, "webhook_token")


async def test_a_sub_merchant_has_a_tier(console: Console) -> None:
    """It is shown, and gone where the merchant is replaced without one."""
    put = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "tier": "a1B"})
    shown = [put, *[await console.call("GET", f"/v1/merchants{path}") for path in ("/shop", "")]]
    assert [(answer.json().get("data") or [answer.json()])[0]["tier"] for answer in shown] == ["a1B"] * 3
    assert (await console.call("PUT", "/v1/merchants/shop", CREDENTIALS)).json()["tier"] is None


@pytest.mark.parametrize("tier", ["", "ab", "abcd", "a b", "a-b", "가나다", "abc\n", "１２３", 123, ["abc"]])
async def test_a_tier_is_three_letters_or_digits(console: Console, tier: Any) -> None:
    """Anything else is 422: i'mport would not know it, and some of it could not stand in a header."""
    put = await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "tier": tier})
    assert (put.status_code, put.json()["errors"][0]["field"]) == (422, "tier")


async def test_what_is_stored_of_a_merchant_is_sealed(console: Console, redis_url: str) -> None:
    """Neither key nor secret nor webhook token stands in Redis as it was given."""
    await console.call("PUT", "/v1/merchants/shop", {**CREDENTIALS, "webhook_token": "a-long-token"})
    async with ledger_state(redis_url) as state:
        stored = str(await state.merchant("shop"))
    for secret in (*CREDENTIALS.values(), "a-long-token"):
        assert secret not in stored


@pytest.mark.parametrize("name", ["-shop", "a%2Fb", "a" * 65, "sh%20op", "%EC%83%81%EC%A0%90"])
async def test_a_merchants_name_fits_into_a_path(console: Console, name: str) -> None:
    """A name that could not stand in a webhook's path is 422."""
    assert (await console.call("PUT", f"/v1/merchants/{name}", CREDENTIALS)).status_code == 422


async def test_the_environments_merchant_is_listed(redis_url: str) -> None:
    """The merchant of IMP_KEY is there without being added; the API can set others and take them back."""
    async with running(redis_url, {"IMP_KEY": "key-of-env", "IMP_SECRET": "secret-of-env"}) as console:
        listed = (await console.call("GET", "/v1/merchants")).json()["data"]
        assert [(row["merchant"], row["source"]) for row in listed] == [("default", "environment")]
        assert listed[0]["imp_key"] is None
        assert (await console.call("DELETE", "/v1/merchants/default")).status_code == 409
        put = await console.call("PUT", "/v1/merchants/default", CREDENTIALS)
        assert (put.status_code, put.json()["source"]) == (200, "api")
        assert (await console.call("DELETE", "/v1/merchants/default")).status_code == 204
        assert (await console.call("GET", "/v1/merchants/default")).json()["source"] == "environment"


async def test_an_endpoint_is_created_with_everything(console: Console) -> None:
    """201 with id and secret; shown again without the secret and with its headers masked."""
    fields: dict[str, Any] = {
        "types": ["payment.paid", "endpoint.failing"], "description": "배송", "ordered": False, "max_in_flight": 2,
        "rate_limit": 0.5, "headers": {"Authorization": "Bearer s3cret"}, "payload": "thin",
    }  # fmt: skip
    created = await console.endpoint(**fields)
    assert created["id"].startswith("ep_")
    assert created.pop("secret").startswith("whsec_")
    assert {name: created[name] for name in fields} == {**fields, "headers": {"authorization": "***"}}
    shown = await console.call("GET", f"/v1/endpoints/{created['id']}")
    assert shown.json() == created
    assert (created["state"], created["breaker"], created["success_rate"]) == ("enabled", "closed", None)


async def test_defaults_are_as_documented(console: Console) -> None:
    """Only merchant and URL have to be given."""
    created = await console.endpoint()
    expected = {"types": ["payment.*"], "ordered": True, "max_in_flight": 64, "rate_limit": None, "payload": "full"}
    assert {name: created[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),
        ({"types": []}, "types"),
        ({"types": ["payment"]}, "types"),
        ({"headers": {"webhook-id": "x"}}, "headers"),
        ({"headers": {"content-length": "1"}}, "headers"),
        ({"headers": {"x": "a\nb"}}, "headers"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": "5"}, "rate_limit"),
        ({"max_in_flight": True}, "max_in_flight"),
        ({"max_in_flight": 2.5}, "max_in_flight"),
        ({"ordered": "yes"}, "ordered"),
        ({"payload": "slim"}, "payload"),
        ({"state": "disabled"}, "state"),
    ],
)
async def test_what_an_endpoint_cannot_be_is_invalid(console: Console, fields: dict[str, Any], named: str) -> None:
    """The wrong field is named, when it is created and when it is changed."""
    body = {"merchant": "default", "url": "http://127.0.0.1:9/", **fields}
    endpoint = await console.endpoint()
    for answer in (
        await console.call("POST", "/v1/endpoints", body),
        await console.call("PATCH", f"/v1/endpoints/{endpoint['id']}", fields),
    ):
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [named]


async def test_private_addresses_need_permission(redis_url: str) -> None:
    """Where callbacks may not go inside, an endpoint there is 422."""
    async with running(redis_url, {"RELAY_ALLOW_PRIVATE_ENDPOINTS": "false"}) as console:
        for url in ("http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/"):
            answer = await console.call("POST", "/v1/endpoints", {"merchant": "default", "url": url})
            assert (url, answer.status_code) == (url, 422)
        answer = await console.call("POST", "/v1/endpoints", {"merchant": "default", "url": "https://example.com/"})
        assert answer.status_code == 201


async def test_an_endpoint_of_nobody_is_404(console: Console) -> None:
    """An endpoint needs a merchant that is known."""
    answer = await console.call("POST", "/v1/endpoints", {"merchant": "nobody", "url": "http://127.0.0.1:9/"})
    assert answer.status_code == 404


async def test_a_patch_changes_what_it_names(console: Console) -> None:
    """Everything else stays; null clears a rate limit, and is an error where a value is needed."""
    created = await console.endpoint(rate_limit=5, headers={"x-a": "b"})
    path = f"/v1/endpoints/{created['id']}"
    changed = await console.call("PATCH", path, {"rate_limit": None, "types": ["*"]})
    assert changed.status_code == 200
    assert (changed.json()["rate_limit"], changed.json()["types"]) == (None, ["*"])
    assert changed.json()["headers"] == {"x-a": "***"}
    assert (await console.call("PATCH", path, {"headers": {}})).json()["headers"] == {}
    assert (await console.call("PATCH", path, {})).json()["types"] == ["*"]
    assert (await console.call("PATCH", path, {"url": None})).status_code == 422
    assert (await console.call("PATCH", path, {"merchant": "shop"})).status_code == 422


async def test_rotated_secrets_overlap(console: Console) -> None:
    """The new secret is first; the one before goes on signing until its overlap ends, or ends at once."""
    created = await console.endpoint()
    path = f"/v1/endpoints/{created['id']}/secret"
    assert (await console.call("GET", path)).json() == {"secret": created["secret"], "previous": []}
    rotated = (await console.call("POST", f"{path}/rotate", {"overlap": "1h"})).json()
    assert rotated["secret"] != created["secret"]
    assert [row["secret"] for row in rotated["previous"]] == [created["secret"]]
    assert rotated["previous"][0]["expires_at"].endswith("Z")
    assert (await console.call("GET", path)).json() == rotated
    at_once = (await console.call("POST", f"{path}/rotate", {"overlap": "0s"})).json()
    assert at_once["previous"] == rotated["previous"]
    assert (await console.call("POST", f"{path}/rotate")).status_code == 200
    for overlap in ("1", "-1h", "31d", 5, None):
        assert (await console.call("POST", f"{path}/rotate", {"overlap": overlap})).status_code == 422


async def test_a_rotation_keeps_what_earlier_ones_promised(console: Console) -> None:
    """No later one shortens an overlap, whatever overlap it has itself."""
    path = f"/v1/endpoints/{(await console.endpoint())['id']}/secret"
    promised: dict[str, str] = {}
    for overlap in ("2d", "1h", "30m", "3d"):
        rotated = (await console.call("POST", f"{path}/rotate", {"overlap": overlap})).json()
        shown = {row["secret"]: row["expires_at"] for row in rotated["previous"]}
        assert {secret: shown.get(secret) for secret in promised} == promised
        assert len(shown) == len(promised) + 1
        promised = shown
    assert {
        row["secret"]: row["expires_at"] for row in (await console.call("GET", path)).json()["previous"]
    } == promised


async def test_a_rotation_too_many_is_refused(console: Console) -> None:
    """Five secrets sign at most. The sixth is refused with the reason, and nothing changes; one whose overlap ends at
    once makes room for itself."""
    path = f"/v1/endpoints/{(await console.endpoint())['id']}/secret"
    for _ in range(4):
        assert (await console.call("POST", f"{path}/rotate", {"overlap": "1h"})).status_code == 200
    before = (await console.call("GET", path)).json()
    refused = await console.call("POST", f"{path}/rotate", {"overlap": "1h"})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    first = min(row["expires_at"] for row in before["previous"])
    assert (error["field"], error["message"]) == (
        "overlap", f"would leave 6 valid secrets, 5 are allowed; the next one expires at {first}",
    )  # fmt: skip
    assert (await console.call("GET", path)).json() == before
    at_once = (await console.call("POST", f"{path}/rotate", {"overlap": "0s"})).json()
    assert at_once["previous"] == before["previous"]


async def test_an_endpoint_is_disabled_enabled_and_deleted(console: Console) -> None:
    """Each answers with the endpoint as it is then; a deleted one is 404 for everything."""
    path = f"/v1/endpoints/{(await console.endpoint())['id']}"
    disabled = (await console.call("POST", f"{path}/disable")).json()
    assert (disabled["state"], disabled["disabled_reason"]) == ("disabled", "disabled by an operator")
    enabled = (await console.call("POST", f"{path}/enable")).json()
    assert (enabled["state"], enabled["disabled_reason"]) == ("enabled", None)
    assert (await console.call("DELETE", path)).status_code == 204
    for method, more in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/secret"), ("POST", "/enable")):
        assert (await console.call(method, f"{path}{more}")).status_code == 404
    assert (await console.call("GET", "/v1/endpoints")).json()["data"] == []


async def test_lists_come_in_pages(console: Console) -> None:
    """Every endpoint comes once, newest first, through cursors that stay good while the list changes."""
    made = [(await console.endpoint())["id"] for _ in range(7)]
    found: list[str] = []
    query: dict[str, Any] = {"merchant": "default", "limit": 3}
    while query.get("cursor", "first") is not None:
        page = (await console.call("GET", "/v1/endpoints", params=query)).json()
        found += [row["id"] for row in page["data"]]
        await console.endpoint()
        query["cursor"] = page["next_cursor"]
    assert found == made[::-1]
