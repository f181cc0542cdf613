"""The deliverer between a real ledger and subscribers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
import structlog
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.delivery_lane import ClaimedDeliveries
from ledger.keys import Lane
from runtime.encryption import Sealer
from runtime.settings import Settings
from schemas.endpoints.endpoint import SealedSecret
from schemas.endpoints.health import EndpointHealth
from schemas.reasons import load
from tests.support.http_server import Connection
from tests.support.ledger_driver import TEST_BODY, Driver, paid, queue_url
from tests.support.ledger_invariants import problems
from tests.support.subscribers import Behaviour, Subscriber
from tests.support.waiting import until
from tests.workers.catalogue import CATALOGUE
from workers.callback_sender import CallbackSender
from workers.deliver import MOST_OF_COMMIT, Deliverer
from workers.metrics import WorkerMetrics
from workers.turns import MOST_TAKEN_UP

SECRET = "whsec_" + "QUFB" * 8
LANE = Lane("deliver", "ep_1")


class House:
    """A ledger, a deliverer, and what an endpoint needs to be sent to."""

    def __init__(self, ledger: Ledger, sender: CallbackSender) -> None:
        keys = [Fernet.generate_key().decode()]
        self.sealer = Sealer(keys)
        self.driver = Driver(ledger)
        settings = Settings.load({"RELAY_RETRY_SCHEDULE": "5s", "RELAY_DELIVERY_TIMEOUT": "5s"})
        self.deliverer = Deliverer(settings, ledger, self.sealer, sender, WorkerMetrics(), Random(1))

    async def subscribe(self, subscriber: Subscriber, *, readable: bool = True, **fields: Any) -> None:
        """Add the endpoint, its secret sealed with our key or with one that nobody has."""
        sealer = self.sealer if readable else Sealer([Fernet.generate_key().decode()])
        await self.driver.subscribe(url=subscriber.url, secrets=(SealedSecret(sealer.seal(SECRET)),), **fields)

    async def deliver(self) -> None:
        """Have a turn, and wait until everything it began has ended."""
        await self.deliverer.deliver(LANE.address)
        await self.rest()

    async def deliver_all(self, count: int) -> None:
        """Have turns until so many deliveries, and no others, are delivered."""

        async def all_delivered() -> bool:
            await self.deliver()
            return await self.states() == ["delivered"] * count

        if await self.states() != ["delivered"] * count:
            await until(all_delivered, f"{count} are delivered", every=0.001)

    async def rest(self) -> None:
        """Wait until nothing is under way."""
        while self.deliverer._in_flight:
            await asyncio.wait(self.deliverer._in_flight)

    async def states(self) -> list[str]:
        """The states of all deliveries, in the order of their sequence."""
        rows = (await self.driver.rows("dlv")).values()
        return [row["state"] for row in sorted(rows, key=lambda row: int(row["sequence"]))]


@pytest.fixture
async def house(redis_url: str, sender: CallbackSender) -> AsyncIterator[House]:
    """An empty ledger and a deliverer; nothing stays held when a test ends."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    house = House(ledger, sender)
    yield house
    await house.rest()
    assert ledger.leases._held == set()
    assert await problems(ledger) == []
    await ledger.close()


def holding(release: asyncio.Event) -> Behaviour:
    """A subscriber that answers when it is let."""

    async def play(connection: Connection) -> None:
        await release.wait()
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    return Behaviour("holding", play, "delivered", 200)


def failing(until: asyncio.Event) -> Behaviour:
    """A subscriber that says 500 until it is well."""

    async def play(connection: Connection) -> None:
        status = b"200" if until.is_set() else b"500"
        await connection.write(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n")

    return Behaviour("failing", play, "again", 500)


async def test_a_payments_story_arrives_in_order(house: House) -> None:
    """All of it is sent, one after the other, and settled; in one turn, or in more where the machine is slow."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.look(paid("imp_1", 100, 200, 700))
        await house.deliver_all(4)
        sequences = [body.body.decode().split('"sequence":')[1][0] for body in subscriber.requests]
    assert sequences == ["1", "2", "3", "4"]
    assert await house.states() == ["delivered"] * 4


async def test_a_lane_is_claimed_as_often_as_it_is_kicked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one claim has emptied is not claimed again when its callbacks end: on a calm day that would be half of all
    claims."""
    claimed, claim = [], house.driver.ledger.delivery_lane.claim

    async def counting(lane: Lane) -> ClaimedDeliveries:
        claimed.append(await claim(lane))
        return claimed[-1]

    monkeypatch.setattr(house.driver.ledger.delivery_lane, "claim", counting)
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 3)
        await house.deliver()
    assert await house.states() == ["delivered"] * 3
    assert [len(one.deliveries) for one in claimed] == [3]


async def test_a_dropped_kept_connection_is_an_attempt_of_its_own(house: House) -> None:
    """It is recorded and sent again at once over a new connection; the endpoint does not count as failing."""

    async def play(connection: Connection) -> None:
        if len(subscriber.requests) == 2:
            connection.reset()
        else:
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Subscriber(Behaviour("drops_second", play, "delivered", 200)) as subscriber:
        await house.subscribe(subscriber)
        for imp_uid in ("imp_1", "imp_2"):
            await house.driver.look(paid(imp_uid))
            await house.deliver()
        ids = [request.headers["webhook-id"] for request in subscriber.requests]
    assert ids[1] == ids[2] != ids[0]
    sent = (await house.driver.rows("dlv"))[f"{ids[1]}.ep_1"]
    made = map(orjson.loads, sent["log"].splitlines())
    assert [(row["status_code"], row["error"] and row["error"]["code"]) for row in made] == [
        (None, "connection_reset"),
        (200, None),
    ]
    assert (sent["state"], sent["attempts"]) == ("delivered", "1")
    assert not await house.driver.health("ep_1")


async def test_a_failure_is_tried_again_and_then_dead(house: House) -> None:
    """As often as the schedule says; what came after it waits, and then goes."""
    well = asyncio.Event()
    async with Subscriber(failing(well)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.look(paid("imp_1", 100))
        await house.deliver()
        assert (await house.states(), len(subscriber.requests)) == (["pending", "pending"], 1)
        await house.driver.pass_time(10)
        await house.deliver()
        well.set()
        await house.driver.pass_time(10)
        await house.deliver()
    assert await house.states() == ["dead", "delivered"]


async def test_no_health_is_kept_of_endpoints_that_rest(house: House) -> None:
    """What batches an endpoint's attempts is there while some are recorded."""
    async with Subscriber(failing(asyncio.Event())) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 2)
        await house.deliver()
        assert len(subscriber.requests) == 2
    await asyncio.sleep(0)
    assert dict(house.deliverer._health._batches) == {}


async def test_five_failures_open_the_breaker(house: House) -> None:
    """Whatever is left waits without using up attempts, and a success of the probe lets all of it go."""
    well = asyncio.Event()
    async with Subscriber(failing(well)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 20)
        await house.deliver()
        await house.deliver()
        assert len(subscriber.requests) == 8
        await house.driver.pass_time(10)
        health, *_ = await house.driver.ledger.delivery_lane.health("ep_1")
        assert health.failures == 8
        well.set()
        for _ in range(5):
            await house.deliver()
            await house.driver.pass_time(10)
    assert await house.states() == ["delivered"] * 20


async def test_secrets_that_no_key_opens_hold_the_delivery(house: House) -> None:
    """Nothing is sent, it is no failed attempt, and the reason is said."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber, readable=False)
        await house.driver.look(paid())
        await house.deliver()
        assert (subscriber.requests, await house.states()) == ([], ["pending"])
    (row,) = (await house.driver.rows("dlv")).values()
    assert (load(row["reason"]).code, row["attempts"]) == ("held", "0")


async def test_a_test_of_an_endpoint_whose_secrets_no_key_opens_says_so(house: House) -> None:
    """An operator's test fails at once with an attempt; nothing is sent."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber, readable=False)
        await house.driver.ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)
        await house.deliver()
        sent = await house.driver.ledger.deliveries.get("evt_test.ep_1")
    assert (subscriber.requests, sent.state) == ([], "dead")
    assert [attempt.status_code for attempt in sent.attempts] == [None]
    assert sent.attempts[0].error == sent.reason


async def test_secrets_that_become_readable_again_release_what_was_held(house: House) -> None:
    """A minute after the right key is back at the latest."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber, readable=False)
        await house.driver.look(paid())
        await house.deliver()
        secret = SealedSecret(house.sealer.seal(SECRET))
        await house.driver.ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, secrets=(secret,)))
        await house.driver.pass_time(60)
        await house.deliver()
    assert (await house.states(), len(subscriber.requests)) == (["delivered"], 1)


async def test_a_hanging_endpoint_is_tested_all_the_same(house: House) -> None:
    """While everything it takes at once is under way, the test is sent beside it."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await house.subscribe(subscriber, max_in_flight=1)
        await house.driver.record_for(LANE, 2)
        await house.deliverer.deliver(LANE.address)
        await subscriber.received(1)
        await house.driver.ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)

        async def is_tested() -> bool:  # the turn before may still be going on
            await house.deliverer.deliver(LANE.address)
            return len(subscriber.requests) >= 2

        await until(is_tested, "the test is sent", every=0.05)
        release.set()
        await house.rest()
        await house.deliver()
    assert [request.headers["webhook-id"] for request in subscriber.requests][1] == "evt_test"
    assert await house.states() == ["delivered"] * 3


async def test_a_good_test_lets_everything_go_that_the_breaker_held(house: House) -> None:
    """Nothing waits for the breaker's time, nor for what `Retry-After` had asked for."""
    well = asyncio.Event()

    async def play(connection: Connection) -> None:
        answer = b"200 X" if well.is_set() else b"429 X\r\nRetry-After: 3600"
        await connection.write(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")

    async with Subscriber(Behaviour("busy", play, "again", 429)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 8)
        await house.deliver()
        assert len(subscriber.requests) == 8
        well.set()
        await house.driver.pass_time(10)
        await house.deliver()
        assert len(subscriber.requests) == 8
        await house.driver.ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)
        for _ in range(3):
            await house.deliver()
    assert await house.states() == ["delivered"] * 9


async def test_failures_at_the_old_url_do_not_count_at_the_new_one(house: House) -> None:
    """What was under way when the URL changed says nothing about where callbacks go now."""
    release = asyncio.Event()

    async def play(connection: Connection) -> None:
        await release.wait()
        await connection.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")

    async with Subscriber(Behaviour("old", play, "disable", 410)) as old, Subscriber(CATALOGUE["ok"]) as new:
        await house.subscribe(old)
        await house.driver.record_for(LANE, 6)
        await house.deliverer.deliver(LANE.address)
        await old.received(6)
        await house.driver.ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, url=new.url))
        release.set()
        await house.rest()
        health, *_ = await house.driver.ledger.delivery_lane.health("ep_1")
        assert health == EndpointHealth()
        await house.deliver_all(6)
    assert (await house.states(), len(new.requests)) == (["delivered"] * 6, 6)


async def test_an_endpoint_that_is_deleted_meanwhile(house: House) -> None:
    """What is under way ends; its outcome changes nothing any more."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 2)
        await house.deliverer.deliver(LANE.address)
        await subscriber.received(2)
        await house.driver.ledger.endpoints.delete("ep_1")
        release.set()
        await house.rest()
    assert await house.states() == ["discarded"] * 2


async def test_no_more_is_under_way_than_the_endpoint_takes(house: House) -> None:
    """While callbacks hang, kicks find no room; each answer makes some."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await house.subscribe(subscriber, max_in_flight=3)
        await house.driver.record_for(LANE, 5)
        for _ in range(4):
            await house.deliverer.deliver(LANE.address)
            await asyncio.sleep(0.1)
        await subscriber.received(3)
        assert len(subscriber.requests) == 3
        release.set()
        await house.rest()
        await house.deliver()
    assert await house.states() == ["delivered"] * 5


async def one_under_way(house: House, subscriber: Subscriber) -> None:
    """A callback has come to a subscriber that holds it."""
    await house.subscribe(subscriber)
    await house.driver.look(paid())
    await house.deliverer.deliver(LANE.address)
    await subscriber.received(1)


async def test_stopping_waits_for_what_is_under_way(house: House) -> None:
    """Also for what a claim that was under way brings: it is sent and settled before the process ends."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 3)
        await house.deliverer.deliver(LANE.address)
        await asyncio.sleep(0)
        stopping = asyncio.create_task(house.deliverer.finish(10))
        await subscriber.received(3)
        await asyncio.sleep(0.3)
        assert not stopping.done()
        release.set()
        await stopping
        assert not house.deliverer._in_flight
    assert await house.states() == ["delivered"] * 3


async def test_stopping_waits_no_longer_than_it_may(house: House) -> None:
    """A callback that hangs is left for others: its lease is still held, to be given back."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await one_under_way(house, subscriber)
        await house.deliverer.finish(0.1)
        assert len(house.driver.ledger.leases._held) == 1
        await house.driver.ledger.leases.release()
        assert list(await house.driver.due(LANE))
        release.set()
        await house.rest()
    assert await house.states() == ["pending"]


async def test_a_callback_that_was_cancelled_is_left_to_others(house: House) -> None:
    """Whatever cancels it, its lease is not renewed any longer: it would be under way for ever."""
    release = asyncio.Event()
    async with Subscriber(holding(release)) as subscriber:
        await one_under_way(house, subscriber)
        for task in house.deliverer._in_flight:
            task.cancel()
        await house.rest()
        assert house.driver.ledger.leases._held == set()
        release.set()
        await house.driver.pass_time(11)
        await house.deliver()
    assert await house.states() == ["delivered"]


@pytest.mark.parametrize("damage", [{}, {"secrets": [{"sealed": 5, "expires_at": None}]}])
async def test_a_turn_that_fails_by_a_bug_is_logged(house: House, damage: dict[str, Any]) -> None:
    """No caller waits for a turn. Its line says which lane it is; once the bug is gone, what it had claimed is sent: it
    renews no lease of what it does not send."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 1)
        row = await house.driver.endpoint_row("ep_1")
        await house.driver.damage_endpoint("ep_1", orjson.dumps(orjson.loads(row) | damage) if damage else "{")
        with structlog.testing.capture_logs() as lines:
            await house.deliver()
        assert [line["lane"] for line in lines if line["event"] == "turn_crashed"] == [str(LANE)]
        assert house.driver.ledger.leases._held == set()
        await house.driver.damage_endpoint("ep_1", row)
        await house.driver.pass_time(11)
        await house.deliver()
    assert await house.states() == ["delivered"]


async def test_a_process_that_stood_still_sends_nothing_beside_itself(house: House) -> None:
    """Its leases have ended meanwhile, as while Redis was away. Its next claim does not take what it is sending for
    what a lost worker has left."""
    release, leases = asyncio.Event(), house.driver.ledger.leases
    async with Subscriber(holding(release)) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.record_for(LANE, 2)
        await house.deliverer.deliver(LANE.address)
        await subscriber.received(2)
        await until(lambda: house.deliverer._turns == {}, "the turn leaves callbacks that outlast it")
        await leases.renew()
        await house.driver.pass_time(11, renewing=False)
        await house.driver.record_for(LANE, 1, first=2)
        await house.deliverer.deliver(LANE.address)
        await subscriber.received(3)
        await asyncio.sleep(0.3)
        release.set()
        await house.rest()
        assert len(subscriber.requests) == 3
    assert await house.states() == ["delivered"] * 3


async def test_what_it_kicks_it_takes_up_at_once(house: House) -> None:
    """The events that a process commits reach their endpoint without the way through the queue."""
    house.driver.ledger.offer_kicks("deliver", house.deliverer.take_up)
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.look(paid("imp_1"))
        await house.rest()
        assert len(subscriber.requests) == 1
    assert await house.states() == ["delivered"]


async def test_what_its_commits_claim_it_sends_at_once(house: House) -> None:
    """Without a kick or a turn; two events of a payment still arrive one after the other."""
    ledger = house.driver.ledger
    ledger.delivery_lane.pass_to(house.deliverer.take, house.deliverer.most)
    ledger.offer_kicks("deliver", house.deliverer.take_up)
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        await house.subscribe(subscriber)
        await house.driver.look(paid("imp_1"))
        assert house.deliverer._turns == {}
        await house.rest()
        await house.driver.look(paid("imp_2", 300))
        await subscriber.received(3)
        await house.rest()
    assert await house.states() == ["delivered"] * 3


async def test_a_process_with_much_to_do_claims_nothing(house: House) -> None:
    """With its commits: the lanes are kicked, and a free worker takes them; once it finishes it claims nothing."""
    assert house.deliverer.most() == MOST_OF_COMMIT
    for number in range(MOST_TAKEN_UP):
        house.deliverer.take_up(f"00:deliver/ep_{number}")
    assert house.deliverer.most() == 0
    await house.rest()
    assert house.deliverer.most() == MOST_OF_COMMIT
    await house.deliverer.finish(1)
    assert house.deliverer.most() == 0


async def test_a_process_with_much_to_do_leaves_lanes_to_others(house: House) -> None:
    """It still sees what becomes due in a lane whose turn is under way; once it finishes it takes up nothing."""
    taken = [house.deliverer.take_up(f"00:deliver/ep_{n}") for n in range(MOST_TAKEN_UP + 1)]
    assert taken == [True] * MOST_TAKEN_UP + [False]
    assert house.deliverer.take_up("00:deliver/ep_0") is True
    await house.rest()
    assert house.deliverer.take_up(LANE.address) is True
    assert house.deliverer.take_up(LANE.address) is True
    await house.rest()
    await house.deliverer.finish(1)
    assert house.deliverer.take_up(LANE.address) is False
