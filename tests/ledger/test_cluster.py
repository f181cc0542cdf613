"""A ledger on a Redis Cluster: found from any node, followed through failovers, and whole after a migration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.keys import RECORDED, Lane, cell_of
from runtime.encryption import Sealer
from schemas.errors import LedgerUnavailable
from tests.support.ledger_driver import REFRESH, Driver, notification, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import CELLS
from tests.support.redis_cluster import Cluster, client
from tests.support.waiting import succeeds, until

Connect = Callable[..., Ledger]
Kind = Callable[[int], str]


@pytest.fixture
async def connect(redis_url: str) -> AsyncIterator[Connect]:
    """Connects to a ledger, whose queue is elsewhere."""
    made: list[Ledger] = []

    def connect(url: str, replica_acks: int = 0, cells: int = 1) -> Ledger:
        made.append(Ledger.connect(url, redis_url, cells=cells, replica_acks=replica_acks))
        return made[-1]

    yield connect
    for ledger in made:
        await ledger.close()


def as_cluster(port: int) -> str:
    """A URL that says that it is a Cluster."""
    return f"redis+cluster://127.0.0.1:{port}"


def as_node(port: int) -> str:
    """A URL that happens to name a node of a Cluster."""
    return f"redis://127.0.0.1:{port}/0"


async def sooner_or_later(call: Callable[[], Awaitable[object]]) -> None:
    """Do it as somebody who tries again."""
    await succeeds(call, LedgerUnavailable, what="the ledger is back")


async def accept_all(ledger: Ledger, numbers: range) -> None:
    """Accept webhooks one after the other, each until it is acknowledged."""
    for number in numbers:
        await sooner_or_later(lambda number=number: ledger.intake.accept(notification(f"imp_{number}")))  # type: ignore[misc]


async def known(ledger: Ledger) -> set[str]:
    """The payments that the ledger has heard of."""
    claimed = await ledger.refresh_lane.claim(REFRESH, 10_000)
    return {payment.record.imp_uid for payment in claimed.payments}


@pytest.mark.parametrize("kind", [as_cluster, as_node])
async def test_the_ledger_is_found_from_another_node(cluster: Cluster, connect: Connect, kind: Kind) -> None:
    """A URL that names the wrong node, primary or replica, works all the same."""
    for number, port in enumerate((cluster.others[0], cluster.replica, cluster.owner)):
        ledger = connect(kind(port))
        await Driver(ledger).look(paid(f"imp_{number}"))
        assert (await ledger.durability()).durable
    with client(cluster.owner) as owner:
        assert owner.zcard("{relay:00}:ageing") == 3


@pytest.mark.parametrize("kind", [as_cluster, as_node])
async def test_the_named_node_dies_under_load(cluster: Cluster, connect: Connect, kind: Kind) -> None:
    """Its replica is promoted and followed; what two had acknowledged is there, once each."""
    with client(spare := cluster.replicas[cluster.primaries.index(cluster.others[0])]) as other:
        # A second one, so that whichever is promoted has somebody to acknowledge what it is told.
        other.execute_command("CLUSTER REPLICATE", cluster.id_of(cluster.owner))
    ledger = connect(kind(cluster.owner), replica_acks=1)
    await accept_all(ledger, range(20))
    load = asyncio.create_task(accept_all(ledger, range(20, 200)))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(cluster.nodes[cluster.owner].kill)
    await load
    # On a quick machine all were accepted before the node died: these meet its successor.
    await accept_all(ledger, range(200, 220))
    await until(lambda: "master" in (role(cluster.replica), role(spare)), "a replica is promoted")
    assert await known(ledger) == {f"imp_{number}" for number in range(220)}


def role(port: int) -> str:
    """Whether a node is a primary."""
    with client(port) as one:
        return str(one.info("replication")["role"])


async def test_what_each_cell_knows_of_history_is_read_from_its_node(cluster: Cluster, connect: Connect) -> None:
    """By the recorder, which compares that with what history has of all cells."""
    ledger = connect(cluster.url(cluster.owner), cells=16)
    places = {cell: f"1700000000000-{cell}" for cell in ledger.outbox.cells}
    for cell, place in places.items():
        await ledger.cells[cell].ask("SET", ledger.cells[cell].prefix + RECORDED(), place)
    assert not await ledger.outbox.has_gone_back(places)
    assert not await ledger.outbox.has_gone_back(places | {0: "0-0"})
    for cell in places:
        assert await ledger.outbox.has_gone_back(places | {cell: "1700000000001-0"})
    await ledger.cells[15].ask("DEL", ledger.cells[15].prefix + RECORDED())
    assert await ledger.outbox.has_gone_back(places)


async def test_a_process_starts_while_the_first_seed_is_dead(cluster: Cluster, connect: Connect) -> None:
    """Any seed that lives says where the ledger is, also after a failover."""
    url = cluster.url(cluster.owner, cluster.others[0])
    await asyncio.to_thread(cluster.nodes[cluster.owner].kill)
    ledger = connect(url)
    await sooner_or_later(Driver(ledger).accept)
    assert role(cluster.replica) == "master"


async def test_a_process_checks_the_ledger_and_not_the_first_seed(
    cluster: Cluster, connect: Connect, free_port: Callable[[], int]
) -> None:
    """The checks of the start are made on the ledger's node, though the first seed is dead or a replica."""
    for seed in (free_port(), cluster.replica):
        await connect(cluster.url(seed, cluster.owner), replica_acks=1).check_usable()


async def test_no_seed_is_needed_later_on(cluster: Cluster, connect: Connect) -> None:
    """The nodes that were heard of are asked, too: the only seed is dead when the owner dies."""
    seed = cluster.others[0]
    ledger = connect(cluster.url(seed))
    await Driver(ledger).accept("imp_1")
    await asyncio.to_thread(cluster.nodes[seed].kill)
    heir = cluster.replicas[cluster.primaries.index(seed)]
    await until(lambda: role(heir) == "master", "the seed's replica has taken over")
    with client(cluster.owner) as owner:
        await until(lambda: owner.cluster("INFO")["cluster_state"] == "ok", "the owner has heard of it")
    await asyncio.to_thread(cluster.nodes[cluster.owner].kill)
    await sooner_or_later(Driver(ledger).accept)


@pytest.mark.parametrize("kind", [as_cluster, as_node])
async def test_the_ledger_is_found_again_after_its_node_was_away(
    tmp_path: Path, free_port: Callable[[], int], connect: Connect, kind: Kind
) -> None:
    """Without replicas it is unavailable meanwhile, and nothing else."""
    cluster = Cluster(free_port, tmp_path, primaries=2, replicas=False)
    try:
        await asyncio.to_thread(cluster.start)
        ledger = connect(kind(cluster.others[0]))
        await Driver(ledger).accept("imp_1")
        cluster.nodes[cluster.owner].kill()
        with pytest.raises(LedgerUnavailable):
            await Driver(ledger).accept("imp_2")
        cluster.nodes[cluster.owner].start()
        await sooner_or_later(lambda: Driver(ledger).accept("imp_2"))
        assert await known(ledger) == {"imp_1", "imp_2"}
    finally:
        cluster.stop()


@pytest.mark.parametrize("kind", [as_cluster, as_node])
async def test_a_migration_loses_nothing(cluster: Cluster, connect: Connect, kind: Kind) -> None:
    """While the slot is on two nodes nothing is asked of either: half of a ledger would look like a whole one that has
    never heard of anything. Afterwards all of it is at its new place."""
    ledger = connect(kind(cluster.owner))
    await ledger.merchants.put("shop", imp_key="k", imp_secret="s", token_hash="hash")
    await accept_all(ledger, range(100))
    troubles: list[str] = []

    async def keep_asking() -> None:
        while True:
            try:
                await ledger.intake.accept(notification("imp_0", merchant="shop", token_hash="hash"))
            except LedgerUnavailable as error:
                troubles.append(str(error))
            await asyncio.sleep(0.01)

    asking = asyncio.create_task(keep_asking())
    load = asyncio.create_task(accept_all(ledger, range(100, 300)))
    await asyncio.sleep(0.1)
    await cluster.migrate(cluster.others[0], pause=0.01)
    await load
    assert not asking.done(), "a webhook was refused by half a ledger"
    asking.cancel()
    assert any("moving" in trouble for trouble in troubles)
    assert await known(ledger) == {f"imp_{number}" for number in range(300)}
    assert await problems(ledger) == []
    with client(cluster.owner) as owner:
        assert owner.execute_command("CLUSTER COUNTKEYSINSLOT", cluster.slot) > 300


async def test_a_primary_that_is_away_stops_its_own_merchants_only(cluster: Cluster, connect: Connect) -> None:
    """Webhooks that come together are each accepted or not by their own cell; those that were not are afterwards."""
    shops = [f"shop{number}" for number in range(30)]
    ledger = connect(cluster.url(*cluster.primaries), cells=CELLS)
    for shop in shops:
        await ledger.merchants.put(shop, imp_key="k", imp_secret="s")
    owners = {shop: cluster.owner_of(cell_of(shop, CELLS)) for shop in shops}
    assert set(owners.values()) == set(cluster.primaries)
    await ledger.begin(Sealer([Fernet.generate_key().decode()]))
    await ledger.intake.check_cells()
    gone = cluster.primaries[0]
    await asyncio.to_thread(cluster.nodes[gone].kill)
    webhooks = [notification("imp_1", merchant=shop) for shop in shops]
    answers = await asyncio.gather(*map(ledger.intake.accept, webhooks), return_exceptions=True)
    refused = {shop for shop, answer in zip(shops, answers, strict=True) if answer is not None}
    assert refused == {shop for shop, owner in owners.items() if owner == gone}
    for one in webhooks:
        await sooner_or_later(lambda one=one: ledger.intake.accept(one))  # type: ignore[misc]
    for shop in shops:
        lane = Lane("refresh", shop, cell_of(shop, CELLS))
        assert len((await ledger.refresh_lane.claim(lane)).payments) == 1
    await sooner_or_later(lambda: ledger.sweep("me"))
    assert (await ledger.durability()).durable
