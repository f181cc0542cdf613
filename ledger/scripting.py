"""The one place that talks to Redis: it runs scripts by name, on several cells at once, and turns every error into
`LedgerUnavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis.exceptions as trouble
import structlog

from ledger.lua import script
from ledger.servers import REDIS_ERRORS, Answer, Command, Servers
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
    trouble.AskError,  # the Cluster is moving a cell, and its new place is not settled; MOVED is an AskError, too
    trouble.NoScriptError,  # the script was loaded a moment ago, but another node has the cell by now
)


class Call(NamedTuple):
    """A script to run on the keys that begin with ``prefix``."""

    prefix: str
    name: str
    args: Sequence[Argument]


class TooFewReplicas(LedgerUnavailable):
    """A write that does not count: fewer replicas have it than are required. ``answer`` is the script's result."""

    def __init__(self, reason: Reason, answer: Any) -> None:
        super().__init__(reason)
        self.answer = answer


class Scripting:
    """The scripts and the servers they run on. ``replica_acks``: how many replicas must have a write for it to
    count."""

    def __init__(self, servers: Servers, *, replica_acks: int = 0) -> None:
        self.servers = servers
        self.replica_acks = replica_acks
        self.refused = 0
        """How many unexpected errors Redis has answered with."""
        self._refusals = Repeats()

    async def run(self, calls: Sequence[Call], *, durable: bool = False) -> list[Any]:
        """What each script returns, or the `LedgerUnavailable` that it failed with. One round trip."""
        wait = durable and self.replica_acks > 0
        answers = await self._evaluate(calls, wait)
        if missing := [n for n, answer in enumerate(answers) if isinstance(answer.value, trouble.NoScriptError)]:
            again = [calls[n] for n in missing]
            scripts = {(call.prefix, call.name): script(call.name)[0] for call in again}
            await self._send([Command(prefix, ("SCRIPT", "LOAD", text)) for (prefix, _), text in scripts.items()])
            for n, answer in zip(missing, await self._evaluate(again, wait), strict=True):
                answers[n] = answer
        return [self._meaning(call.name, answer) for call, answer in zip(calls, answers, strict=True)]

    async def ask(self, commands: Sequence[tuple[str, tuple[str, ...]]]) -> list[Any]:
        """Send each command to where its prefix is. Returns the answers, or the `LedgerUnavailable` that one failed
        with."""
        answers = await self._send([Command(prefix, words) for prefix, words in commands])
        return [unavailable(one.value) if isinstance(one.value, Exception) else one.value for one in answers]

    async def together(self, prefixes: Sequence[str]) -> list[list[int]]:
        """The indexes of these prefixes, grouped so that one command may name keys of a whole group. Raises
        `LedgerUnavailable`."""
        try:
            return await self.servers.together(prefixes)
        except REDIS_ERRORS as error:
            raise unavailable(error) from error

    async def nodes(self, prefixes: Sequence[str]) -> list[int]:
        """For each server, the index of one of the prefixes that it has. Raises `LedgerUnavailable`."""
        try:
            return await self.servers.nodes(prefixes)
        except REDIS_ERRORS as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self.servers.close()

    async def _evaluate(self, calls: Sequence[Call], wait: bool) -> list[Answer]:
        commands = [
            Command(call.prefix, ("EVALSHA", script(call.name)[1], 1, call.prefix, *call.args)) for call in calls
        ]
        return await self._send(commands, wait)

    async def _send(self, commands: Sequence[Command], wait: bool = False) -> list[Answer]:
        answers = await self.servers.send(commands, replicas=wait, enough=self.replica_acks)
        for answer in answers:
            if isinstance(answer.value, trouble.DataError):
                raise answer.value  # a bug: an argument of a type that Redis does not take
        return answers

    def _meaning(self, name: str, answer: Answer) -> Any:
        value = answer.value
        if isinstance(value, Exception):
            error = unavailable(value)
            self._log(name, error)
            return error
        if answer.replicas is not None and answer.replicas < self.replica_acks:
            return TooFewReplicas(Reason.of("replicas_missing", replicas=self.replica_acks), value)
        return value

    def _log(self, name: str, error: LedgerUnavailable) -> None:
        """Log an error that an operator may have to act on."""
        if isinstance(error, LedgerRefused):
            self.refused += 1
            if (times := self._refusals.times(f"{name}: {error}")) is not None:
                log.error("redis_refused", script=name, error=str(error), times=times)


def returned(answer: Any) -> Any:
    """What a script returned, even if too few replicas have what it wrote; the error if it failed."""
    return answer.answer if isinstance(answer, TooFewReplicas) else answer


def raised(answers: Sequence[Any]) -> list[Any]:
    """These answers. Raises the first error among them."""
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return list(answers)


def unavailable(error: Exception) -> LedgerUnavailable:
    """What an error of Redis means: Redis is unavailable, or (`LedgerRefused`) the error is unexpected. The
    result has the error as its cause."""
    found = _meaning(error)
    found.__cause__ = error
    return found


def _meaning(error: Exception) -> LedgerUnavailable:
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
