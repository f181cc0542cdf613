"""What Redis must let its user do, as data; and whether it does.

A user who lacks a command or a key would fail in the middle of some script, days later. So every command is tried once
when a process starts, on a key that holds nothing. (ACL DRYRUN would ask more directly, but needs Redis 7 and rights of
its own.) docs/operating.md lists the same commands; tests keep scripts, documents and these lists in agreement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import redis.exceptions as trouble

from ledger.lua import script
from ledger.store import Store
from schemas.errors import LedgerUnavailable

Call = tuple[str | int, ...]
Subject = Literal["ledger", "queue"]

LEDGER_CALLS: tuple[Call, ...] = (
    ("DEL", "?"), ("EXISTS", "?"), ("EXPIRE", "?", 1), ("PEXPIRE", "?", 1), ("PTTL", "?"),
    ("GET", "?"), ("SET", "?", 1, "XX"), ("SETNX", "?", 1), ("INCR", "?"),
    ("HDEL", "?", "x"), ("HEXISTS", "?", "x"), ("HGET", "?", "x"), ("HGETALL", "?"), ("HINCRBY", "?", "x", 1),
    ("HLEN", "?"), ("HMGET", "?", "x"), ("HSET", "?", "x", 1), ("HSETNX", "?", "x", 1), ("HSTRLEN", "?", "x"),
    ("HVALS", "?"), ("STRLEN", "?"),
    ("LRANGE", "?", 0, 0), ("LTRIM", "?", 0, 0), ("RPUSH", "?", "x"),
    ("SADD", "?", "x"), ("SCARD", "?"), ("SISMEMBER", "?", "x"), ("SMEMBERS", "?"), ("SPOP", "?"), ("SREM", "?", "x"),
    ("ZADD", "?", 0, "x"), ("ZCARD", "?"), ("ZCOUNT", "?", 0, 0), ("ZRANGE", "?", 0, 0), ("ZRANGEBYSCORE", "?", 0, 0),
    ("ZREM", "?", "x"), ("ZREVRANGE", "?", 0, 0), ("ZSCAN", "?", 0), ("ZSCORE", "?", "x"),
    ("INFO", "memory"), ("TIME",),
)  # fmt: skip
"""What the ledger's scripts call. `?` stands for a key."""

QUEUE_CALLS: tuple[Call, ...] = (
    ("ZADD", "?", 0, "x"), ("DEL", "?"), ("HDEL", "?", "x"), ("HEXISTS", "?", "x"), ("HGET", "?", "x"),
    ("HMGET", "?", "x"), ("HSET", "?", "x", 1), ("KEYS", "?"), ("LPOP", "?"), ("RPUSH", "?", "x"), ("SADD", "?", "x"),
    ("SMEMBERS", "?"), ("SREM", "?", "x"), ("ZRANGEBYSCORE", "?", 0, 0), ("ZREM", "?", "x"),
)  # fmt: skip
"""What Dramatiq's script calls while it sends and fetches messages; as there, ZADD is the first, so that a full Redis
refuses it (after a first change a script may go on)."""

OUTSIDE_SCRIPTS = ("evalsha", "script|load", "select", "wait", "config|get")
"""What is called outside of scripts: `select` for a database other than 0, `wait` with RELAY_REPLICA_ACKS, and
`config|get` to find out whether Redis is durable."""

_FORBIDDEN = ("can't run this command", "no permissions to run")
_KEY = re.compile(r"access (?:a|one of the|at least one of the) key")
_UNKNOWN = "Unknown Redis command"
"""How Redis says that a command is forbidden in a script (6.2 and 7.0; 7.2), that a key is, and that it has no such
command."""
_SEE = "see that this Redis is well"
_OTHER_DATABASE = ("DB index is out of range", "invalid DB index", "SELECT is not allowed in cluster mode")


_VARIABLE: Mapping[Subject, str] = {
    "ledger": "REDIS_URL",
    "queue": "RELAY_QUEUE_URL (REDIS_URL with its database number + 1 unless set)",
}
_KEYS: Mapping[Subject, str] = {"ledger": "{relay}*", "queue": "relay*"}


@dataclass(frozen=True, slots=True)
class AclProblem:
    """Why the ledger or the queue cannot be used, and what to do. A `lasting` problem ends only when an operator
    changes something; any other may pass by itself."""

    of: Subject
    reason: str
    advice: str
    lasting: bool

    def __str__(self) -> str:
        return f"{_VARIABLE[self.of]}: {self.reason}: {self.advice}"


async def ledger_problem(store: Store) -> AclProblem | None:
    """What keeps the ledger from working although Redis answers. Raises `LedgerUnavailable` while it does not."""
    try:
        # Scripts that are loaded already would hide that this is forbidden.
        await store.ask("SCRIPT", "LOAD", script("try_commands")[0])
        refused = await store.run("try_commands", packed(LEDGER_CALLS))
        if store.replica_acks:
            # After the script, which has found the primary: a replica does not take WAIT.
            await store.ask("WAIT", "0", "1")
    except LedgerUnavailable as error:
        found = problem_of_error("ledger", error)
        if found.lasting:
            return found
        raise LedgerUnavailable(found.reason) from error
    return problem_of_refusals("ledger", refused)


def packed(calls: Sequence[Call]) -> str:
    """Calls as the script `try_commands` takes them."""
    return json.dumps(calls)


def problem_of_refusals(of: Subject, refused: Sequence[bytes]) -> AclProblem | None:
    """What the answer of the script `try_commands` means."""
    lacking: list[str] = []
    unknown: list[str] = []
    odd: list[str] = []
    for name, why in zip(refused[::2], refused[1::2], strict=True):
        reason = why.decode(errors="replace").strip()
        if _KEY.search(reason):
            return _keys(of)
        if any(words in reason for words in _FORBIDDEN):
            lacking.append(name.decode())
        elif _UNKNOWN in reason:
            unknown.append(name.decode())
        else:
            odd.append(f"{name.decode()} is refused: {reason}")
    if lacking:
        return _commands(of, lacking)
    if unknown:
        reason = f"its Redis does not know {', '.join(unknown)}"
        return AclProblem(of, reason, "take back its rename-command, or use another Redis", lasting=True)
    return AclProblem(of, odd[0], _SEE, lasting=False) if odd else None


def problem_of_error(of: Subject, error: Exception) -> AclProblem:
    """What it means that Redis, or the way there, gave an error."""
    cause = error.__cause__ if isinstance(error, LedgerUnavailable) and error.__cause__ is not None else error
    text = str(cause) or type(cause).__name__
    if isinstance(cause, trouble.NoPermissionError):
        if _KEY.search(text):
            return _keys(of)
        _, _, rest = text.partition("'")
        return _commands(of, [(rest.partition("'")[0] or "a command that is needed").upper()])
    if isinstance(cause, trouble.AuthenticationError | trouble.AuthorizationError):
        return AclProblem(of, f"Redis turns its user or password down ({text})", "correct them", lasting=True)
    if isinstance(cause, trouble.ClusterCrossSlotError | trouble.MovedError) or any(
        words in text for words in _OTHER_DATABASE
    ):
        advice = "name a database that its Redis has" + (", outside of a Redis Cluster" if of == "queue" else "")
        return AclProblem(of, f"it cannot be kept there ({text})", advice, lasting=True)
    return AclProblem(of, f"it cannot be relied on: {text}", _SEE, lasting=False)


def _commands(of: Subject, names: Sequence[str]) -> AclProblem:
    granted = " ".join(f"+{name.lower()}" for name in names)
    reason = f"its Redis user may not use {', '.join(names)}"
    return AclProblem(of, reason, f"ACL SETUSER … {granted}", lasting=True)


def _keys(of: Subject) -> AclProblem:
    reason = f"its Redis user may not use the keys {_KEYS[of]}"
    return AclProblem(of, reason, f"ACL SETUSER … ~{_KEYS[of]}", lasting=True)
