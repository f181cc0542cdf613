"""The one place that talks to Redis: it runs scripts by name and raises every error as `LedgerUnavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.exceptions as trouble
import structlog
from redis.asyncio import Redis

from ledger.keys import PREFIX
from ledger.lua import script
from ledger.primary import Primary
from runtime.repeated_lines import Repeats
from schemas.errors import LedgerFull, LedgerNotOpen, LedgerRefused, LedgerUnavailable
from schemas.reasons import Reason

log = structlog.get_logger()

Argument = str | bytes | int | float

_AWAY = (
    *("OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"),
    *("NOAUTH", "WRONGPASS", "UNKILLABLE"),
)
_PASSES = (
    trouble.ReadOnlyError,
    trouble.OutOfMemoryError,
    trouble.ClusterDownError,
    trouble.MasterDownError,
    trouble.TryAgainError,
    trouble.AskError,  # a Cluster moves the ledger's slot; MOVED is one, too: where to is not settled yet
    trouble.NoScriptError,  # loaded a moment ago, but this is another node already
)
REDIS_ERRORS = (trouble.RedisError, trouble.RedisClusterException, OSError, TimeoutError, ValueError)
"""What redis-py raises when Redis is away or answers with an error; `ValueError` for one that it cannot read."""
_LOST = (
    *(trouble.ConnectionError, trouble.TimeoutError, OSError, TimeoutError),
    *(trouble.ReadOnlyError, trouble.ClusterDownError, trouble.MasterDownError, trouble.AskError),  # MOVED is one, too
)
"""Errors after which another node may have the ledger. Any other one comes from the node that has it."""


class TooFewReplicas(LedgerUnavailable):
    """Written, but by fewer replicas than are required: it does not count. ``answers`` are the scripts' results."""

    def __init__(self, reason: Reason, answers: Sequence[Any]) -> None:
        super().__init__(reason)
        self.answers = answers


class Store:
    """The scripts and the Redis they run on. ``kick`` sends a kick for each of these lanes, in the background.
    ``replica_acks``: how many replicas must have a write for it to count."""

    def __init__(
        self, primary: Primary, kick: Callable[[Iterable[bytes | str]], None], *, replica_acks: int = 0
    ) -> None:
        self.kick = kick
        self._primary = primary
        self.replica_acks = replica_acks
        self.refused = 0
        """How many unexpected errors Redis has answered with."""
        self._refusals = Repeats()

    @property
    def redis(self) -> Redis:
        """The node that has the ledger, as far as is known."""
        return self._primary.client

    async def run(self, name: str, *args: Argument, durable: bool = False) -> Any:
        """Run a script; return its result. A ``durable`` call counts only once the required number of replicas has it.

        Raises `LedgerUnavailable`.
        """
        return (await self.run_all(name, [args], durable=durable))[0]

    async def run_all(self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False) -> list[Any]:
        """What a script returns for each of several calls, in one round trip. Raises `LedgerUnavailable`."""
        text_and_sha, wait = script(name), durable and self.replica_acks > 0
        try:
            try:
                return await self._run_all(*text_and_sha, calls, wait)
            except trouble.MovedError as moved:
                # Nothing was done: this node does not have the ledger.
                await self._primary.follow(moved)
                return await self._run_all(*text_and_sha, calls, wait)
        except trouble.DataError:
            raise  # a bug: an argument of a type that Redis does not take
        except REDIS_ERRORS as error:
            raise self._logged(name, unavailable(error)) from error

    async def run_and_kick(self, name: str, *args: Argument, durable: bool = False) -> Any:
        """Run a script that returns ``{lanes to kick, answer}``; kick these lanes, and return the answer (None if the
        script has none). Raises `LedgerUnavailable`."""
        return (await self.run_all_and_kick(name, [args], durable=durable))[0]

    async def run_all_and_kick(
        self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False
    ) -> list[Any]:
        """The same for each of several calls, in one round trip. Raises `LedgerUnavailable`."""
        try:
            answers = await self.run_all(name, calls, durable=durable)
        except TooFewReplicas as error:
            # The script has recorded these lanes as kicked, so they must be kicked.
            self._kick(error.answers)
            raise
        self._kick(answers)
        return [answer[0] if answer else None for _, *answer in answers]

    def _kick(self, answers: Iterable[Sequence[Any]]) -> None:
        self.kick([lane for kicks, *_ in answers for lane in kicks])

    async def ask(self, *command: str) -> Any:
        """Send one Redis command to the node that has the ledger; return the answer. Raises `LedgerUnavailable`."""
        try:
            async with self._found() as client:
                return await client.execute_command(*command)
        except REDIS_ERRORS as error:
            raise unavailable(error) from error

    async def _run_all(self, text: str, sha: str, calls: Sequence[Sequence[Argument]], wait: bool) -> list[Any]:
        async with self._found() as client:
            for attempt in ("known", "loaded"):
                pipe = client.pipeline(transaction=False)
                for args in calls:
                    pipe.execute_command("EVALSHA", sha, 1, PREFIX, *args)
                if wait:
                    # On the same connection, because WAIT counts what that has written (redis.io, WAIT).
                    pipe.execute_command("WAIT", self.replica_acks, 1500)
                answers = await pipe.execute(raise_on_error=False)
                missing = any(isinstance(answer, trouble.NoScriptError) for answer in answers)
                if missing and attempt == "known":
                    await client.execute_command("SCRIPT", "LOAD", text)
                    continue
                break
            _raise_first(answers)
        if wait and answers.pop() < self.replica_acks:
            raise TooFewReplicas(Reason.of("replicas_missing", replicas=self.replica_acks), answers)
        return answers

    @asynccontextmanager
    async def _found(self) -> AsyncIterator[Redis]:
        """The node that has the ledger; after an error that may come from the wrong node, it is searched for again."""
        client = await self._primary.find()
        try:
            yield client
        except REDIS_ERRORS as error:
            if isinstance(error, _LOST) or _in_script(error):
                self._primary.failed(client)
            raise

    def _logged(self, name: str, error: LedgerUnavailable) -> LedgerUnavailable:
        """Log the error if an operator may have to act on it; return it."""
        if isinstance(error, LedgerRefused):
            self.refused += 1
            if (times := self._refusals.times(f"{name}: {error}")) is not None:
                log.error("redis_refused", script=name, error=str(error), times=times)
        return error

    async def now(self) -> float:
        """Redis' time in UNIX seconds. Raises `LedgerUnavailable`."""
        return int(await self.run("read_time")) / 1000

    async def close(self) -> None:
        """Close the connections."""
        await self._primary.close()


def unavailable(error: Exception) -> LedgerUnavailable:
    """What an error of Redis means: it cannot be relied on now, or (`LedgerRefused`) the error is unexpected."""
    if isinstance(error, trouble.AskError):
        return LedgerUnavailable(Reason.of("redis_moving"))
    if isinstance(error, trouble.ResponseError) and "NOTOPEN" in str(error):
        return LedgerNotOpen(Reason.of("ledger_not_open"))
    if isinstance(error, trouble.ResponseError) and not isinstance(error, _PASSES):
        reason = str(error)
        if not reason.startswith(_AWAY) and not any(f" {word} " in reason or f"-{word} " in reason for word in _AWAY):
            return LedgerRefused(Reason.of("redis_refused", error=reason))
    if isinstance(error, ValueError):
        return LedgerRefused(Reason.of("redis_nonsense", error=str(error)))
    if isinstance(error, trouble.OutOfMemoryError) or "OOM command not allowed" in str(error):
        return LedgerFull(Reason.of("redis_full", error=str(error)))
    if isinstance(error, asyncio.TimeoutError | trouble.TimeoutError):
        return LedgerUnavailable(Reason.of("redis_timed_out"))
    return LedgerUnavailable(Reason.of("redis_unreliable", error=str(error)))


def _in_script(error: Exception) -> bool:
    """Whether a script met one of `_LOST`: the script's own error then begins with that error's text, or (Redis 6.2)
    contains it."""
    text = str(error)
    return isinstance(error, trouble.ResponseError) and any(
        text.startswith(f"{word} ") or f"-{word} " in text for word in ("READONLY", "CLUSTERDOWN", "MASTERDOWN")
    )


def _raise_first(answers: Iterable[Any]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
