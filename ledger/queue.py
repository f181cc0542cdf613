"""Kicks: disposable Dramatiq messages that mean "this lane has work". Nothing else is in the queue.

Losing a kick or getting it twice changes nothing: the sweep kicks every lane with due work. So kicks are sent in the
background, and errors are only logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
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
from ledger.redis_connection import read_url, sentinel_options
from ledger.servers import REDIS_ERRORS

log = structlog.get_logger()

ACTORS = {"refresh": "refresh", "unknown": "refresh", "deliver": "deliver", "replay": "deliver", "job": "work"}
"""Which actor, on the queue of the same name, works on which kind of lane."""


LOG_LOST_EVERY = 60.0
"""Seconds between two log lines about lost kicks."""


def make_broker(url: str, *, max_connections: int = 32) -> KickBroker:
    """The broker at a URL. Nothing is connected yet.

    Raises `BadSetting` for a URL that is not usable.
    """
    options: dict[str, Any] = {
        "socket_timeout": 5.0,
        "socket_connect_timeout": 2.0,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # As in ledger/redis_connection.py.
        "driver_info": None,
    }
    address = read_url("RELAY_QUEUE_URL", url)
    options |= {**address.options, "db": address.database, "max_connections": max_connections}
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
    """Sends kicks from an event loop; no caller waits for them."""

    def __init__(self, url: str) -> None:
        self.broker = make_broker(url)
        self._sending: set[asyncio.Task[None]] = set()
        self._lost = 0
        self._log_lost_at = float("-inf")

    def kick_all(self, lanes: Iterable[bytes | str]) -> None:
        """Send a kick for each of these lanes. Returns at once."""
        names = [lane.decode() if isinstance(lane, bytes) else lane for lane in lanes]
        if names:
            task = asyncio.create_task(asyncio.to_thread(self._send, names))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def problem(self) -> AclProblem | None:
        """What keeps kicks from being sent and fetched, if anything does. If not `lasting`, it may pass by itself."""
        return await asyncio.to_thread(self._problem)

    async def close(self) -> None:
        """Wait for kicks under way, and close the connections."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=2)
        await asyncio.to_thread(self.broker.close)

    def _problem(self) -> AclProblem | None:
        client = self.broker.client
        try:
            text, sha = script("try_commands")
            client.execute_command("SCRIPT", "LOAD", text)
            # Two keys in different slots: a Cluster refuses that, and whoever sends kicks does not follow its slots.
            refused = client.execute_command("EVALSHA", sha, 2, key_of(""), key_of("probe"), packed(QUEUE_CALLS))
            # Redis 6.2 allows this in no script.
            client.blpop([key_of("probe")], timeout=0.01)
        except (redis.RedisError, OSError) as error:
            return problem_of_error("queue", error)
        return problem_of_refusals("queue", refused)

    def _send(self, lanes: Iterable[str]) -> None:
        kicks: dict[str, list[Message[None]]] = {}
        for lane in lanes:
            actor = ACTORS[Lane.parse(lane).kind]
            message: Message[None] = Message(queue_name=actor, actor_name=actor, args=(lane,), kwargs={}, options={})
            kicks.setdefault(actor, []).append(message)
        for queue, messages in kicks.items():
            try:
                self.broker.send(queue, messages)
            except REDIS_ERRORS as error:
                self._lose(messages, error)

    def _lose(self, messages: list[Message[None]], error: Exception) -> None:
        lane = messages[0].args[0]
        self._lost += len(messages)
        if time.monotonic() >= self._log_lost_at:
            log.warning("kick_lost", lane=lane, error=str(error), kicks=self._lost, hint="the sweep kicks it again")
            self._lost, self._log_lost_at = 0, time.monotonic() + LOG_LOST_EVERY
