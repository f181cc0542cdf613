"""Why deliveries wait, in words; changes of health as events; chains that are released."""

from __future__ import annotations

from ledger import Ledger
from ledger.deliveries import DeliveryView
from ledger.keys import Lane
from schemas.endpoints.delivery import Dead, Retry
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import EndpointEvent, endpoint_event
from schemas.endpoints.health import DISABLED, EndpointHealth
from tests.support.ledger_driver import Driver, endpoint, paid
from tests.support.reasons import because, said


async def waiting(driver: Driver) -> list[DeliveryView]:
    """The pending deliveries, the oldest first."""
    found = await driver.ledger.deliveries.some(list(await driver.ids("dlv")))
    return sorted((sent for sent in found if sent.state == "pending"), key=lambda sent: (sent.created_at, sent.id))


def disabling(about: Endpoint, health: EndpointHealth) -> EndpointEvent:
    """The event that says that an endpoint is disabled."""
    return endpoint_event(
        about, "endpoint.disabled", EndpointHealth(), health, because("answered 410 (gone)"), health.failing_since
    )


async def test_retry_after_is_said_of_all_that_waits_for_it(driver: Driver) -> None:
    """One that asked for the pause and one that merely waits both name it, and are due when it ends."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1"))
    await driver.settle(await driver.take_one(lane), Retry(30, because("the last attempt answered 429"), lane_wait=30))
    await driver.look(paid("imp_2"))

    first, second = await waiting(driver)

    now = await driver.ledger.now()
    for one in (first, second):
        assert "Retry-After" in said(one.reason)
        assert 25 <= (one.next_attempt_at or 0) - now <= 31
    assert "answered 429" in said(first.reason)


async def test_the_breaker_is_said_of_what_waits_for_it(driver: Driver) -> None:
    """While the breaker is open what is due says until when; what is due later says its own reason."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1"))
    await driver.fail(await driver.take_one(lane), again_in=600)
    now = await driver.ledger.now()
    open_ = EndpointHealth(failures=5, failing_since=now - 5, open_until=now + 60, opens=1)
    assert await driver.ledger.delivery_lane.note_health("ep_1", EndpointHealth(), open_)
    await driver.look(paid("imp_2"))

    first, second = await waiting(driver)

    assert said(first.reason) == "answered 500"
    assert "the circuit breaker is open until" in said(second.reason)
    assert "after 5 failures in a row" in said(second.reason)


async def test_the_rate_is_said_of_what_waits_for_it(driver: Driver) -> None:
    """When the rate is used up the next one says until when."""
    lane = await driver.subscribe(rate_limit=0.1)
    for name in ("imp_1", "imp_2"):
        await driver.look(paid(name))
    await driver.settle(await driver.take_one(lane))

    (one,) = await waiting(driver)

    assert "rate limit is used up until" in said(one.reason)


async def test_what_goes_after_a_dead_one_says_so(driver: Driver) -> None:
    """A delivery whose predecessor died says so while it waits, and still when it is delivered."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 400))
    head = await driver.take_one(lane)
    await driver.settle(head, Dead(because("dead after 12 attempts")))
    (following,) = await waiting(driver)
    assert said(following.reason) == f"sent although {head.id} before it is dead"

    await driver.settle(await driver.take_one(lane))

    assert (await driver.ledger.deliveries.get(following.id)).reason == following.reason


async def test_health_disables_and_tells_in_one_step(driver: Driver) -> None:
    """The change of health, the endpoint's end and the event for the others are one write, which happens once."""
    lane = await driver.subscribe("ep_1", types=("*",))
    others = await driver.subscribe("ep_2", types=("endpoint.disabled",))
    await driver.look(paid("imp_1"))
    now = await driver.ledger.now()
    after = EndpointHealth(failures=1, failing_since=now, stage=DISABLED)
    event = disabling(endpoint("ep_1"), after)

    for expected in (True, False):
        noted = await driver.ledger.delivery_lane.note_health(
            "ep_1", EndpointHealth(), after, event, because("answered 410 (gone)")
        )
        assert noted is expected

    registered = await driver.ledger.endpoints.get("ep_1")
    assert (registered.state, said(registered.endpoint.disabled_reason)) == ("disabled", "answered 410 (gone)")
    assert registered.disabled_at is not None
    assert await driver.take(lane) == ()
    told = await driver.take_one(others)
    assert (told.event, told.type, told.body) == (event.id, "endpoint.disabled", event.body)
    assert (await driver.ledger.events.get(event.id)).about == "ep_1"
    assert [row.endpoint for row in await driver.ledger.deliveries.of_event(event.id)] == ["ep_2"]


async def test_a_disabled_endpoint_is_no_news(driver: Driver) -> None:
    """What comes of attempts that were under way when an operator disabled the endpoint changes nothing."""
    await driver.subscribe("ep_1")
    await driver.subscribe("ep_2", types=("*",))
    await driver.ledger.endpoints.disable("ep_1", because("by hand"))
    after = EndpointHealth(failures=1, failing_since=1.0, stage=DISABLED)

    assert await driver.ledger.delivery_lane.note_health(
        "ep_1", EndpointHealth(), after, disabling(endpoint(), after), because("gone")
    )

    assert said((await driver.ledger.endpoints.get("ep_1")).endpoint.disabled_reason) == "by hand"
    assert await driver.ids("evt") == set()


async def test_turning_order_off_lets_go_what_waits(driver: Driver, ledger: Ledger) -> None:
    """An endpoint that is not ordered any more gets at once what waited for a stuck head."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 400, 600))
    head = await driver.take_one(lane)
    assert await driver.take(lane) == ()

    await ledger.endpoints.update("ep_1", lambda _: endpoint(ordered=False))

    following = await driver.take(lane)
    assert {one.type for one in following} == {"payment.partially_cancelled", "payment.cancelled"}
    await driver.settle(head)
    for one in following:
        assert await driver.settle(one) == "ok"
    assert await driver.due(Lane("deliver", "ep_1")) == {}
