"""The registry: merchants and endpoints as they are stored, changed and taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import Ledger
from ledger.cells import Cells
from ledger.endpoint_rows import load_health
from ledger.endpoints import Endpoints
from ledger.rows import hashes
from ledger.scripting import Argument
from ledger.store import Store
from schemas.endpoints.endpoint import Endpoint, SealedSecret
from schemas.endpoints.health import DISABLED, EndpointHealth, enabled
from schemas.errors import Conflict, NotFound
from tests.support.ledger_driver import Driver
from tests.support.ledger_redis import key, redis_of
from tests.support.reasons import because, said


def an_endpoint(number: int = 1, merchant: str = "shop") -> Endpoint:
    """An endpoint that differs from all defaults."""
    return Endpoint(
        id=f"ep_{number}", merchant=merchant, url="https://example.com/hook", description="결제",
        types=("payment.paid", "endpoint.failing"), ordered=False, max_in_flight=3, rate_limit=2.5,
        headers="sealed", payload="thin", secrets=(SealedSecret("one"), SealedSecret("two", 1800000000.0)),
    )  # fmt: skip


async def health(ledger: Ledger) -> EndpointHealth:
    """How the endpoint is doing."""
    return load_health((await ledger.cells[0].run("read_health", "ep_1"))[1])


async def with_merchant(ledger: Ledger) -> Endpoints:
    """The registry of endpoints, where a merchant `shop` is known."""
    await ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    return ledger.endpoints


async def test_a_merchant_is_read_as_it_was_put(ledger: Ledger) -> None:
    """Every field comes back; putting it again replaces all but the time it was added."""
    merchants = ledger.merchants
    assert await merchants.put(
        "shop", imp_key="k", imp_secret="s", include_sandbox=True, since=1000.5, token_hash="h", tier="SUB"
    )
    first = await merchants.get("shop")
    assert (first.imp_key, first.imp_secret, first.include_sandbox, first.check_prepared) == ("k", "s", True, False)
    assert (first.since, first.token_hash, first.tier, first.trouble) == (1000.5, "h", "SUB", None)
    assert not await merchants.put("shop", imp_key="k2", imp_secret="s2")
    second = await merchants.get("shop")
    assert (second.imp_key, second.include_sandbox, second.token_hash, second.tier) == ("k2", False, None, None)
    assert second.created_at == first.created_at
    assert second.since == pytest.approx(first.created_at - 3600)


async def test_when_test_payments_were_included_is_kept(ledger: Ledger) -> None:
    """0 where they were from the start, the time of the switch where it came later; it ends with the flag."""
    merchants, since = ledger.merchants, []
    for name, included in (("old", True), ("old", True), ("shop", False), ("shop", True), ("shop", True)):
        await merchants.put(name, imp_key="k", imp_secret="s", include_sandbox=included)
        since.append((await merchants.get(name)).sandbox_since)
    assert since[:3] == [0, 0, 0]
    assert since[3] == since[4] == pytest.approx(await ledger.now(), abs=5)
    await merchants.put("shop", imp_key="k", imp_secret="s")
    assert (await merchants.get("shop")).sandbox_since == 0
    await ledger.merchants.ensure("default")
    await merchants.put("default", imp_key="k", imp_secret="s", include_sandbox=True)
    assert (await merchants.get("default")).sandbox_since > 0


async def test_a_merchant_with_endpoints_stays(ledger: Ledger) -> None:
    """A merchant cannot be deleted while it has endpoints, and can afterwards."""
    endpoints, merchants = await with_merchant(ledger), ledger.merchants
    await endpoints.create(an_endpoint())
    with pytest.raises(Conflict):
        await merchants.delete("shop")
    await endpoints.delete("ep_1")
    await merchants.delete("shop")
    with pytest.raises(NotFound):
        await merchants.get("shop")
    with pytest.raises(NotFound):
        await merchants.delete("shop")


async def test_ensuring_a_merchant_changes_nothing_that_is_there(ledger: Ledger) -> None:
    """A merchant of the environment is added once and never overwrites what the API has set."""
    merchants = ledger.merchants
    await merchants.ensure("default")
    assert (await merchants.get("default")).imp_key == ""
    await merchants.put("default", imp_key="k", imp_secret="s")
    await merchants.ensure("default")
    assert (await merchants.get("default")).imp_key == "k"
    assert await merchants.names() == ("default",)


async def test_an_endpoint_is_read_as_it_was_created(ledger: Ledger) -> None:
    """Every field comes back, with Redis' time as its birth, enabled and without a history."""
    endpoints = await with_merchant(ledger)
    await endpoints.create(an_endpoint())
    found = await endpoints.get("ep_1")
    assert found.endpoint.created_at > 1_700_000_000
    assert replace(found.endpoint, created_at=0.0) == an_endpoint()
    assert (found.state, found.success_rate, found.breaker, found.last_error) == ("enabled", None, "closed", None)


async def test_an_endpoint_needs_a_merchant(ledger: Ledger) -> None:
    """An unknown merchant can have no endpoint; `default` is always known."""
    endpoints = ledger.endpoints
    with pytest.raises(NotFound):
        await endpoints.create(an_endpoint())
    await endpoints.create(an_endpoint(merchant="default"))
    assert (await ledger.merchants.get("default")).imp_key == ""


async def test_a_changed_endpoint_is_known_to_commits(ledger: Ledger) -> None:
    """A change of types and order reaches what commits read; the state stays."""
    endpoints = await with_merchant(ledger)
    await endpoints.create(an_endpoint())
    assert await redis_of(ledger).hget(key("subs", "shop"), "ep_1") == b"0 payment.paid endpoint.failing"
    await endpoints.disable("ep_1", because("why"))
    changed = await endpoints.update("ep_1", lambda one: replace(one, ordered=True, types=("*",)))
    assert changed.types == ("*",)
    assert await redis_of(ledger).hget(key("subs", "shop"), "ep_1") == b"1 *"
    assert said((await endpoints.get("ep_1")).endpoint.disabled_reason) == "why"


async def test_a_lost_race_is_run_again(ledger: Ledger) -> None:
    """Two changes at the same time are both kept."""
    endpoints = await with_merchant(ledger)
    await endpoints.create(an_endpoint())
    tries = 0

    def slow(endpoint: Endpoint) -> Endpoint:
        nonlocal tries
        tries += 1
        return replace(endpoint, description="slow")

    class Racing(Store):
        """Lets somebody else change the endpoint between reading and writing, once."""

        raced = False

        async def run(self, name: str, *args: Argument, durable: bool = False) -> object:
            if name == "update_endpoint" and not self.raced:
                self.raced = True
                await endpoints.update("ep_1", lambda one: replace(one, url="https://example.com/quick"))
            return await super().run(name, *args, durable=durable)

    cells = Cells(ledger.cells.scripting.servers, ledger.queue.kick_all)
    cells.all = (Racing(cells.scripting, ledger.queue.kick_all, 0),)
    await Endpoints(cells).update("ep_1", slow)
    found = (await endpoints.get("ep_1")).endpoint
    assert (tries, found.description, found.url) == (2, "slow", "https://example.com/quick")


async def test_disabling_closes_the_lane_and_enabling_opens_it(ledger: Ledger) -> None:
    """Deliveries of a disabled endpoint wait where they are, without work for each of them."""
    endpoints = await with_merchant(ledger)
    await endpoints.create(an_endpoint())
    await redis_of(ledger).zadd(key("due", "deliver/ep_1"), {"evt_1.ep_1": 5})
    await endpoints.enable("ep_1")
    assert await redis_of(ledger).zscore(key("lanes"), "deliver/ep_1") is not None
    await endpoints.disable("ep_1", because("by hand"))
    assert await redis_of(ledger).zscore(key("lanes"), "deliver/ep_1") is None
    found = await endpoints.get("ep_1")
    assert (found.state, said(found.endpoint.disabled_reason)) == ("disabled", "by hand")
    await endpoints.enable("ep_1")
    assert await redis_of(ledger).zscore(key("lanes"), "deliver/ep_1") is not None


async def test_enabling_starts_afresh(ledger: Ledger) -> None:
    """An endpoint that failed for long starts with a closed breaker, and its recovery is still announced."""
    endpoints = await with_merchant(ledger)
    await endpoints.create(an_endpoint())
    failing = EndpointHealth(failures=30, failing_since=1.0, open_until=99999999999.0, opens=9, stage=DISABLED)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), failing)
    counts: dict[Any, Any] = {"ok_count": "3", "fail_count": "1", "last_error": "answered 500"}
    await redis_of(ledger).hset(key("endpoint", "ep_1"), mapping=counts)
    before = await endpoints.get("ep_1")
    assert (before.breaker, before.success_rate, said(before.last_error)) == ("open", 0.75, "answered 500")
    await endpoints.enable("ep_1")
    assert (await endpoints.get("ep_1")).breaker == "closed"
    assert await health(ledger) == enabled(failing)
    assert await ledger.delivery_lane.note_health("ep_1", enabled(failing), EndpointHealth(failures=2))
    await endpoints.enable("ep_1")
    assert await health(ledger) == EndpointHealth()


async def test_deleting_an_endpoint_discards_what_it_had_to_get(ledger: Ledger) -> None:
    """However many deliveries wait, all are discarded; the endpoint is not listed any more."""
    endpoints, redis = await with_merchant(ledger), redis_of(ledger)
    await endpoints.create(an_endpoint())
    ids = [f"evt_{number}.ep_1" for number in range(1201)]
    for identity in ids:
        await Driver(ledger).put("shop/i", f"d:{identity}", state="pending", created_at="7")
    scores = dict.fromkeys(ids, 7)
    await redis.zadd(key("dlvs", "s", "ep_1/pending"), scores)
    await redis.zadd(key("due", "deliver/ep_1"), scores)
    await endpoints.delete("ep_1")
    assert await redis.zcard(key("dlvs", "s", "ep_1/pending")) == 0
    assert await redis.exists(key("due", "deliver/ep_1"), key("subs", "shop")) == 0
    assert {row["state"] for row in (await Driver(ledger).rows("dlv")).values()} == {"discarded"}
    assert await endpoints.newest(10) == []
    assert (await endpoints.some(["ep_1"]))["ep_1"].state == "deleted"
    assert await endpoints.states() == {"ep_1": "deleted"}
    for call in (endpoints.get, endpoints.delete, endpoints.enable):
        with pytest.raises(NotFound):
            await call("ep_1")
    await redis.flushdb()  # these deliveries are of no event


async def test_endpoints_are_listed_by_merchant(ledger: Ledger) -> None:
    """A list is of one merchant or of all, newest first."""
    endpoints = await with_merchant(ledger)
    for number, merchant in enumerate(("shop", "default", "shop")):
        await endpoints.create(an_endpoint(number, merchant))
    assert {row.endpoint.id for row in await endpoints.newest(10, "shop")} == {"ep_0", "ep_2"}
    assert len(await endpoints.newest(10)) == 3
    assert await endpoints.newest(2) == (await endpoints.newest(10))[:2]


async def test_all_endpoints_are_counted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: those that are enabled and fail, and those that are disabled."""
    monkeypatch.setattr("ledger.endpoints._AT_ONCE", 2)
    endpoints = await with_merchant(ledger)
    for number in range(7):
        await endpoints.create(an_endpoint(number))
    failing = EndpointHealth(failures=30, failing_since=1.0, open_until=99999999999.0, opens=9)
    for name in ("ep_0", "ep_1", "ep_5", "ep_6"):
        assert await ledger.delivery_lane.note_health(name, EndpointHealth(), failing)
    for name in ("ep_1", "ep_2"):
        await endpoints.disable(name, because("by hand"))
    await endpoints.delete("ep_6")
    assert await endpoints.counts() == (2, 2)


async def test_any_number_of_rows_is_read_at_once(ledger: Ledger) -> None:
    """Also more than Lua can unpack: a list of endpoints or payments has no limit of its own."""
    await with_merchant(ledger)
    found = await hashes(ledger.cells[0], ["merchant:shop"] * 20_000, "imp_key")
    assert (len(found), found[-1]) == (20_000, {"imp_key": b"k"})
