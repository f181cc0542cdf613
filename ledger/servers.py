"""The Redis servers that have the ledger, and the only one if there is no Cluster (for Clusters, see `ledger.cluster`).

Commands of many cells are sent together: one round trip to each server. `WAIT` is sent over the connection that has
written, because it counts only replicas that have that connection's writes (redis.io, WAIT).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import redis.exceptions as trouble
from redis.asyncio import Connection, Redis

REDIS_ERRORS = (trouble.RedisError, trouble.RedisClusterException, OSError, TimeoutError, ValueError)
"""What redis-py raises if Redis is away or answers with an error; `ValueError` for an answer that it cannot read."""
WAIT_MS = 1500
"""For how many ms `WAIT` waits for replicas."""


class Command(NamedTuple):
    """A command and the key that says where it goes."""

    key: str
    words: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: `value` is an error if it failed. `replicas` is how many replicas have what its
    connection wrote, None if that was not asked."""

    value: Any
    replicas: int | None = None


class Servers(Protocol):
    """Where the cells are. Errors of Redis are among the answers."""

    @property
    def client(self) -> Any:
        """redis-py's client of all of them."""

    async def together(self, keys: Sequence[str]) -> list[list[int]]:
        """The indexes of these keys, grouped so that one command may name a whole group. Raises redis-py's errors."""

    async def nodes(self, keys: Sequence[str]) -> list[int]:
        """For each server, the index of one of the keys that it has. Raises redis-py's errors."""

    async def send(self, commands: Sequence[Command], *, replicas: bool = False, enough: int = 1) -> list[Answer]:
        """Send commands. With ``replicas``, wait until ``enough`` replicas have what they wrote, `WAIT_MS` at most."""

    async def close(self) -> None:
        """Close all connections."""


class OneServer:
    """One server: at an address, a socket, or wherever Sentinels say. ``close_too`` is called by `close`."""

    def __init__(self, client: Redis, close_too: Callable[[], Awaitable[object]] | None = None) -> None:
        self.client = client
        self._close_too = close_too

    async def together(self, keys: Sequence[str]) -> list[list[int]]:
        """All of them."""
        return [list(range(len(keys)))]

    async def nodes(self, keys: Sequence[str]) -> list[int]:
        """The first one."""
        return [0] if keys else []

    async def send(self, commands: Sequence[Command], *, replicas: bool = False, enough: int = 1) -> list[Answer]:
        """All together, over one connection."""
        together = [command.words for command in commands]
        if replicas:
            together.append(("WAIT", enough, WAIT_MS))
        try:
            values = await self._exchange(together)
        except REDIS_ERRORS as error:
            return [Answer(error)] * len(commands)
        return answers_of(values, replicas)

    async def _exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to commands. A pipeline of redis-py does the same, but takes a third more CPU for one or two
        commands."""
        pool: Any = self.client.connection_pool
        connection: Connection = await pool.get_connection()
        try:
            answers: list[Any] = await connection.retry.call_with_retry(
                lambda: self._ask(connection, commands), lambda error: connection.disconnect(error=error)
            )
            return answers
        finally:
            await pool.release(connection)

    async def _ask(self, connection: Connection, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        await connection.send_packed_command(connection.pack_commands(commands))
        return [await self._answer(connection, words[0]) for words in commands]

    async def _answer(self, connection: Connection, name: str) -> Any:
        try:
            return await self.client.parse_response(connection, name)
        except trouble.ResponseError as error:
            return error

    async def close(self) -> None:
        """Close its connections."""
        await self.client.aclose()
        if self._close_too is not None:
            await self._close_too()


def answers_of(values: Sequence[Any], replicas: bool) -> list[Answer]:
    """The answers to commands; with ``replicas``, the last command was `WAIT`."""
    if not replicas:
        return [Answer(value) for value in values]
    *values, counted = values
    if isinstance(counted, Exception):
        return [Answer(value if isinstance(value, Exception) else counted) for value in values]
    return [Answer(value, counted) for value in values]
