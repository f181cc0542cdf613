"""Kicks: disposable Dramatiq messages that mean "this lane has work". Nothing else is in the queue.

Losing a kick or getting it twice changes nothing: the sweep kicks every lane with due work. So kicks are sent in the
background, and errors are only logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import redis
import structlog
from dramatiq import Message
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from ledger.acl import QUEUE_CALLS, AclProblem, packed, problem_of_error, problem_of_refusals
from ledger.keys import Lane
from ledger.kick_broker import KickBroker, key_of
from ledger.lua import script
from ledger.redis_connection import one_server, read_url, sentinel_options
from ledger.servers import Command
from runtime.redis_url import RedisUrl

log = structlog.get_logger()

ACTORS = {"refresh": "refresh", "unknown": "refresh", "deliver": "deliver", "replay": "deliver", "job": "work"}
"""Which actor works on which kind of lane; its queue has the same name."""


LOG_LOST_EVERY = 60.0
"""Seconds between two log lines about lost kicks."""
CONNECTIONS = 32

Take = Callable[[str], bool]


def make_broker(address: RedisUrl) -> KickBroker:
    """The broker at an address. Nothing is connected yet."""
    options: dict[str, Any] = {
        "socket_timeout": 5.0,
        "socket_connect_timeout": 2.0,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # As in ledger/redis_connection.py.
        "driver_info": None,
    }
    options |= {**address.options, "db": address.database, "max_connections": CONNECTIONS}
    if address.tls:
        options["ssl"] = True
    if address.kind == "sentinel":
        asking = {**sentinel_options(address), "retry": Retry(NoBackoff(), 0)}
        watch = Sentinel(address.nodes, sentinel_kwargs=asking, **options)
        client = watch.master_for(address.service)
    elif address.kind == "socket":
        client = redis.Redis(unix_socket_path=address.path, **options)
    else:
        host, port = address.nodes[0]
        client = redis.Redis(host=host, port=port, **options)
    return KickBroker(client)


class Queue:
    """Sends kicks from an event loop; no caller waits for them. Raises `BadSetting` for a URL that is not usable."""

    def __init__(self, url: str) -> None:
        address = read_url("RELAY_QUEUE_URL", url)
        self.broker = make_broker(address)
        self._server = one_server(address, CONNECTIONS)
        self._here: dict[str, Take] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._lost = 0
        self._log_lost_at = float("-inf")

    def offer(self, actor: str, take: Take) -> None:
        """From now on, before a lane of ``actor`` is kicked, ask ``take`` whether this process works on it itself.
        Then the kick need not go through Redis and Dramatiq's threads."""
        self._here[actor] = take

    def kick_all(self, lanes: Iterable[str]) -> None:
        """Kick each of these lanes. Returns at once."""
        kicks: dict[str, list[str]] = {}
        for lane in lanes:
            actor = ACTORS[Lane.parse(lane).kind]
            take = self._here.get(actor)
            if take is None or not take(lane):
                kicks.setdefault(actor, []).append(lane)
        if kicks:
            task = asyncio.create_task(self._send(kicks))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def problem(self) -> AclProblem | None:
        """The problem that keeps kicks from being sent or fetched, if any. It may pass by itself unless `lasting`."""
        return await asyncio.to_thread(self._problem)

    async def close(self) -> None:
        """Wait for kicks under way, and close the connections."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=2)
        await self._server.close()
        await asyncio.to_thread(self.broker.close)

    def _problem(self) -> AclProblem | None:
        client = self.broker.client
        try:
            text, sha = script("try_commands")
            client.execute_command("SCRIPT", "LOAD", text)
            # Two keys in different slots: a Cluster refuses that, and the client that sends kicks follows no slots.
            refused = client.execute_command("EVALSHA", sha, 2, key_of(""), key_of("probe"), packed(QUEUE_CALLS))
            # Redis 6.2 allows this in no script.
            client.blpop([key_of("probe")], timeout=0.01)
        except (redis.RedisError, OSError) as error:
            return problem_of_error("queue", error)
        return problem_of_refusals("queue", refused)

    async def _send(self, kicks: Mapping[str, Sequence[str]]) -> None:
        """Send kicks of lanes to the queues of their actors, in one round trip."""
        commands = [
            Command(key_of(actor), ("RPUSH", key_of(actor), *(_message(actor, lane) for lane in lanes)))
            for actor, lanes in kicks.items()
        ]
        answers = await self._server.send(commands)
        for lanes, answer in zip(kicks.values(), answers, strict=True):
            if isinstance(answer.value, Exception):
                self._lose(lanes, answer.value)

    def _lose(self, lanes: Sequence[str], error: Exception) -> None:
        self._lost += len(lanes)
        if time.monotonic() >= self._log_lost_at:
            log.warning("kick_lost", lane=lanes[0], error=str(error), kicks=self._lost, hint="the sweep kicks it again")
            self._lost, self._log_lost_at = 0, time.monotonic() + LOG_LOST_EVERY


def _message(actor: str, lane: str) -> bytes:
    message: Message[None] = Message(queue_name=actor, actor_name=actor, args=(lane,), kwargs={}, options={})
    return message.encode()
