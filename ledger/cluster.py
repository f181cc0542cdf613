"""The primaries of a Redis Cluster that have the ledger, as redis-py's client knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis.exceptions as redis_errors
from redis.asyncio.cluster import ClusterNode, RedisCluster

from ledger.servers import REDIS_ERRORS, WAIT_MS, Answer, Command, OneServer, answers_of

Address = tuple[str, int]
_ELSEWHERE = (
    *(redis_errors.ConnectionError, redis_errors.TimeoutError, OSError, TimeoutError),
    *(redis_errors.ReadOnlyError, redis_errors.ClusterDownError, redis_errors.MasterDownError),
    redis_errors.AskError,  # MovedError is one, too
)
"""Errors after which another node of a Cluster may have the cell."""
_ROUNDS = 3
"""How often a command is sent at most, if it finds its cell moved each time. After a lost connection, it is sent once
more."""


class ClusterServers:
    """The primaries of a Redis Cluster, as redis-py's client knows them.

    A command whose cell has moved is sent again, to where it is now. No command follows a cell that is still *moving*:
    half of a cell would look like a whole one that lacks the rest. At most ``connections`` are used at a time.
    ``seeds`` are asked, too, if all known nodes are gone.
    """

    def __init__(self, client: RedisCluster, seeds: Iterable[Address], connections: int) -> None:
        self.client = client
        self._seeds = list(seeds)
        self._free = asyncio.Semaphore(connections)
        self._is_known = False
        self._failed: str | None = None
        self._looking: asyncio.Task[None] | None = None

    async def together(self, keys: Sequence[str]) -> list[list[int]]:
        """Each key alone: a command may name keys of one slot only, even if one node has several slots."""
        return [[place] for place in range(len(keys))]

    async def nodes(self, keys: Sequence[str]) -> list[int]:
        """The first key of each primary."""
        await self._know()
        found = {self._node(key).name: place for place, key in reversed(list(enumerate(keys)))}
        return sorted(found.values())

    async def send(self, commands: Sequence[Command], *, replicas: bool = False, enough: int = 1) -> list[Answer]:
        """A pipeline to each primary, all at the same time."""
        answers = [Answer(redis_errors.ClusterDownError("it has no answer"))] * len(commands)
        left = list(range(len(commands)))
        again: tuple[type[Exception], ...] = (redis_errors.MovedError, redis_errors.ConnectionError)
        for _ in range(_ROUNDS):
            try:
                await self._know()
                by_node = self._by_node(commands, left)
            except REDIS_ERRORS as error:
                self._is_known = False
                for place in left:
                    answers[place] = Answer(error)
                return answers
            sending = [self._send(node, [commands[n] for n in places], replicas, enough) for node, places in by_node]
            for (_, places), some in zip(by_node, await asyncio.gather(*sending), strict=True):
                for place, answer in zip(places, some, strict=True):
                    answers[place] = answer
            left = [place for place in left if isinstance(answers[place].value, again)]
            if not left:
                break
            for place in left:
                if isinstance(moved := answers[place].value, redis_errors.MovedError):
                    await self.client.nodes_manager.move_slot(moved)
            again = (redis_errors.MovedError,)
        return answers

    async def close(self) -> None:
        """Close all connections."""
        if self._looking is not None:
            self._looking.cancel()
        await self.client.aclose()
        await self.client.nodes_manager.aclose()
        await self.client.nodes_manager.aclose("startup_nodes")

    def _node(self, key: str) -> ClusterNode:
        node = self.client.get_node_from_key(key)
        if node is None:
            raise redis_errors.SlotNotCoveredError("no node of the Cluster has this part of the ledger")
        return node

    def _by_node(self, commands: Sequence[Command], places: Iterable[int]) -> list[tuple[ClusterNode, list[int]]]:
        found: dict[str, tuple[ClusterNode, list[int]]] = {}
        for place in places:
            node = self._node(commands[place].key)
            found.setdefault(node.name, (node, []))[1].append(place)
        return list(found.values())

    async def _send(
        self, node: ClusterNode, commands: Sequence[Command], replicas: bool, enough: int
    ) -> Sequence[Answer]:
        pipe = self.client.pipeline()
        for command in commands:
            pipe.execute_command(*command.words, target_nodes=[node])
        if replicas:
            pipe.execute_command("WAIT", enough, WAIT_MS, target_nodes=[node])
        try:
            async with self._free:
                values = await pipe.execute(raise_on_error=False, allow_redirections=False)
        except REDIS_ERRORS as error:
            values = [error] * (len(commands) + replicas)
        if any(isinstance(value, _ELSEWHERE) and not isinstance(value, redis_errors.MovedError) for value in values):
            self._failed, self._is_known = node.name, False
        return answers_of(values, replicas)

    async def _know(self) -> None:
        """After a failure, ask the Cluster which node has which slots now; the node that failed is asked last."""
        if not self._is_known:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
                self._looking.add_done_callback(_retrieve)
            # If this caller is cancelled, the next one uses the result.
            await asyncio.shield(self._looking)

    async def _look(self) -> None:
        await self.client.nodes_manager.initialize(self._seeds, last_failed_node_name=self._failed)
        await self.client.initialize()
        self._failed, self._is_known = None, True


class NamedServer:
    """The server that a URL names. If it belongs to a Cluster, ``clustered`` makes the client of the Cluster."""

    def __init__(self, server: OneServer, clustered: Callable[[], ClusterServers]) -> None:
        self._server = server
        self._clustered = clustered
        self._servers: OneServer | ClusterServers | None = None

    @property
    def client(self) -> Any:
        """The client of the one server, or of the Cluster."""
        return (self._servers or self._server).client

    async def together(self, keys: Sequence[str]) -> list[list[int]]:
        """As the servers say that there are."""
        return await (await self._known()).together(keys)

    async def nodes(self, keys: Sequence[str]) -> list[int]:
        """As the servers say that there are."""
        return await (await self._known()).nodes(keys)

    async def send(self, commands: Sequence[Command], *, replicas: bool = False, enough: int = 1) -> list[Answer]:
        """To the servers that there are."""
        try:
            servers = await self._known()
        except REDIS_ERRORS as error:
            return [Answer(error)] * len(commands)
        answers = await servers.send(commands, replicas=replicas, enough=enough)
        if servers is self._server and any(isinstance(answer.value, redis_errors.MovedError) for answer in answers):
            # It is a Cluster, although INFO did not show it. Commands that were carried out may be sent again.
            self._servers = self._clustered()
            return await self._servers.send(commands, replicas=replicas, enough=enough)
        return answers

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close()
        if self._servers is not None and self._servers is not self._server:
            await self._servers.close()

    async def _known(self) -> OneServer | ClusterServers:
        if self._servers is None:
            self._servers = self._clustered() if await self._is_clustered() else self._server
        return self._servers

    async def _is_clustered(self) -> bool:
        try:
            info = await self._server.client.info("cluster")
        except redis_errors.ResponseError:
            return False  # unknown; in a Cluster, a MOVED will show it
        return bool(info.get("cluster_enabled"))


def _retrieve(task: asyncio.Task[None]) -> None:
    """Retrieve the task's exception, so that asyncio logs none if no caller waits for it any more."""
    if not task.cancelled():
        task.exception()
