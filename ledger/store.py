"""The one place that talks to Redis: scripts by name, and every trouble as `LedgerUnavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import redis.exceptions as trouble
from redis.asyncio import Redis

from ledger.keys import PREFIX
from ledger.lua import script
from ledger.shard import Shard
from schemas.errors import LedgerFull, LedgerUnavailable

Argument = str | bytes | int | float

_AWAY = (
    *("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"),
    *("NOAUTH", "WRONGPASS", "NOPERM", "UNKILLABLE"),
)


_PASSING = (
    trouble.ReadOnlyError,
    trouble.OutOfMemoryError,
    trouble.ClusterDownError,
    trouble.MasterDownError,
    trouble.TryAgainError,
    trouble.NoScriptError,  # loaded a moment ago, but this is another node already
)


class TooFewReplicas(LedgerUnavailable):
    """Written, but not by as many as were asked for: it does not count. ``answers`` are what the scripts said."""

    def __init__(self, text: str, answers: Sequence[Any]) -> None:
        super().__init__(text)
        self.answers = answers


class Store:
    """A connection pool and the scripts. ``replica_acks``: how many replicas must have a write before it counts."""

    def __init__(self, client: Redis, *, replica_acks: int = 0) -> None:
        self._shard = Shard(client)
        self.replica_acks = replica_acks

    @property
    def redis(self) -> Redis:
        """The node that has the ledger."""
        return self._shard.client

    async def run(self, name: str, *args: Argument, durable: bool = False) -> Any:
        """What one script answers. A ``durable`` one counts only when the replicas that were asked for have it too.

        Raises `LedgerUnavailable`.
        """
        return (await self.run_all(name, [args], durable=durable))[0]

    async def run_all(self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False) -> list[Any]:
        """What a script answers to each of several calls, in one round trip. Raises `LedgerUnavailable`."""
        wait = durable and self.replica_acks > 0
        try:
            try:
                return await self._run_all(name, calls, wait)
            except trouble.MovedError as moved:
                self._shard.follow(moved)
                return await self._run_all(name, calls, wait)
        except (trouble.RedisError, OSError, TimeoutError) as error:
            self._shard.forget()
            raise unavailable(error) from error

    async def _run_all(self, name: str, calls: Sequence[Sequence[Argument]], wait: bool) -> list[Any]:
        text, sha = script(name)
        for attempt in ("known", "loaded"):
            pipe = self.redis.pipeline(transaction=False)
            for args in calls:
                pipe.execute_command("EVALSHA", sha, 1, PREFIX, *args)
            if wait:
                # On this very connection: WAIT counts what it has written (redis.io, WAIT).
                pipe.execute_command("WAIT", self.replica_acks, 1500)
            answers = await pipe.execute(raise_on_error=False)
            missing = any(isinstance(answer, trouble.NoScriptError) for answer in answers)
            if missing and attempt == "known":
                await self.redis.execute_command("SCRIPT", "LOAD", text)
                continue
            break
        _raise_first(answers)
        if wait and answers.pop() < self.replica_acks:
            raise TooFewReplicas(f"Redis has it, but fewer than {self.replica_acks} replicas do", answers)
        return answers

    async def now(self) -> float:
        """Redis' time in UNIX seconds. Raises `LedgerUnavailable`."""
        return int(await self.run("read_time")) / 1000

    async def close(self) -> None:
        """Close the connections."""
        await self._shard.close()


def unavailable(error: Exception) -> Exception:
    """What a failure of Redis means: that it cannot be relied on now, or (a script's own error) a bug, as it is."""
    if isinstance(error, trouble.ResponseError) and not isinstance(error, _PASSING):
        reason = str(error)
        if not reason.startswith(_AWAY) and not any(f" {word} " in reason or f"-{word} " in reason for word in _AWAY):
            return error
    if isinstance(error, trouble.OutOfMemoryError) or "OOM command not allowed" in str(error):
        return LedgerFull(f"Redis has no room for this: {error}")
    if isinstance(error, asyncio.TimeoutError | trouble.TimeoutError):
        return LedgerUnavailable("Redis does not answer in time")
    return LedgerUnavailable(f"Redis cannot be relied on: {error}")


def _raise_first(answers: Iterable[Any]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
