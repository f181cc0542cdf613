"""The rights that the relay needs in Redis, as data, and a check of them.

Without a right to some command or key, a script would fail halfway, maybe days later. So every command is tried once
when a process starts, on a key that is always empty. (ACL DRYRUN would be more direct, but needs Redis 7 and rights of
its own.) docs/operating.md lists the same commands; tests keep scripts, documents and these lists in agreement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import redis.exceptions as redis_errors

from ledger.cells import Cells
from ledger.lua import script
from ledger.store import Store
from schemas.errors import LedgerUnavailable
from schemas.reasons import Reason, english

Call = tuple[str | int, ...]
Subject = Literal["ledger", "queue"]

LEDGER_CALLS: tuple[Call, ...] = (
    ("DEL", "?"), ("EXISTS", "?"), ("EXPIRE", "?", 1), ("PEXPIRE", "?", 1), ("PTTL", "?"),
    ("GET", "?"), ("MGET", "?"), ("SET", "?", 1, "XX"), ("SETNX", "?", 1), ("INCR", "?"),
    ("HDEL", "?", "x"), ("HEXISTS", "?", "x"), ("HGET", "?", "x"), ("HGETALL", "?"), ("HINCRBY", "?", "x", 1),
    ("HKEYS", "?"), ("HLEN", "?"), ("HMGET", "?", "x"), ("HSET", "?", "x", 1), ("HSETNX", "?", "x", 1),
    ("HVALS", "?"),
    ("SADD", "?", "x"), ("SCARD", "?"), ("SISMEMBER", "?", "x"), ("SMISMEMBER", "?", "x"), ("SPOP", "?"),
    ("SREM", "?", "x"),
    ("ZADD", "?", 0, "x"), ("ZCARD", "?"), ("ZCOUNT", "?", 0, 0), ("ZMSCORE", "?", "x"), ("ZRANGE", "?", 0, 0),
    ("ZRANGEBYSCORE", "?", 0, 0),
    ("ZREM", "?", "x"), ("ZREVRANGE", "?", 0, 0), ("ZSCAN", "?", 0), ("ZSCORE", "?", "x"),
    ("XADD", "?", "NOMKSTREAM", "*", "x", 1), ("XLEN", "?"), ("XRANGE", "?", "-", "+"), ("XREVRANGE", "?", "+", "-"),
    ("XTRIM", "?", "MAXLEN", 0),
    ("INFO", "memory"), ("TIME",),
)  # fmt: skip
"""What the ledger's scripts call. `?` stands for a key."""

QUEUE_CALLS: tuple[Call, ...] = (("RPUSH", "?", "x"), ("DEL", "?"))
"""What sends kicks. RPUSH comes first, so that a full Redis refuses it: after a first change a script may go on."""

OUTSIDE_SCRIPTS = (
    "evalsha",
    "script|load",
    "select",
    "blpop",
    "wait",
    "config|get",
    "xread",
    "exists",
    "get",
    "time",
    "zrange",
)
"""Commands called outside of scripts: `select` for a database other than 0, `blpop` to wait for kicks, `wait`
with RELAY_REPLICA_ACKS, and `config|get` to find out whether Redis is durable. The first four are the queue's, too."""

_FORBIDDEN = ("can't run this command", "no permissions to run")
_KEY = re.compile(r"access (?:a|one of the|at least one of the) key")
_UNKNOWN = "Unknown Redis command"
_NOT_KNOWN = re.compile(r"^(?:ERR )?unknown command ['`](\w+)")
_NAMED_COMMAND = re.compile(r"the '([^']+)' command")
"""Redis' errors for a command forbidden in a script (6.2 and 7.0; 7.2), a forbidden key, a command that does not
exist (in a script, outside of one), and the name of a command that a user may not use."""
_OTHER_DATABASE = ("DB index is out of range", "invalid DB index", "SELECT is not allowed in cluster mode")


_KEYS: Mapping[Subject, str] = {"ledger": "{relay*", "queue": "relay*"}


@dataclass(frozen=True, slots=True)
class AclProblem:
    """Why the ledger or the queue cannot be used; `problem` ends with what to do about it. A `lasting` problem ends
    only when an operator changes something; any other may pass by itself."""

    of: Subject
    problem: Reason
    lasting: bool

    @property
    def reason(self) -> Reason:
        """The problem, with the setting that names the database."""
        return Reason.of("redis_unusable", self.problem, database=self.of)

    def __str__(self) -> str:
        return english(self.reason)


async def ledger_problem(cells: Cells) -> AclProblem | None:
    """The problem that keeps the ledger from working although Redis answers; of several nodes, that of the first with
    one. Raises `LedgerUnavailable` if Redis does not answer."""
    try:
        servers = await cells.servers()
    except LedgerUnavailable as error:
        return _lasting(error)
    for store in servers:
        if (found := await _problem(store)) is not None:
            return found
    return None


async def _problem(store: Store) -> AclProblem | None:
    try:
        # EVALSHA of a loaded script would not show that SCRIPT LOAD is forbidden.
        await store.ask("SCRIPT", "LOAD", script("try_commands")[0])
        refused = await store.run("try_commands", packed(LEDGER_CALLS))
        if store.scripting.replica_acks:
            # After the script, because that has found the primary; a replica refuses WAIT.
            await store.ask("WAIT", "0", "1")
    except LedgerUnavailable as error:
        return _lasting(error)
    return problem_of_refusals("ledger", refused)


def _lasting(error: LedgerUnavailable) -> AclProblem:
    """The problem behind an error, if it lasts. Raises `LedgerUnavailable` for one that may pass."""
    found = problem_of_error("ledger", error)
    if not found.lasting:
        raise LedgerUnavailable(found.problem) from error
    return found


def packed(calls: Sequence[Call]) -> str:
    """Calls as the script `try_commands` takes them."""
    return json.dumps(calls)


def problem_of_refusals(of: Subject, refused: Sequence[bytes]) -> AclProblem | None:
    """What the answer of the script `try_commands` means."""
    lacking: list[str] = []
    unknown: list[str] = []
    odd: list[Reason] = []
    for name, why in zip(refused[::2], refused[1::2], strict=True):
        reason = why.decode(errors="replace").strip()
        if _KEY.search(reason):
            return _keys(of)
        if any(words in reason for words in _FORBIDDEN):
            lacking.append(name.decode())
        elif _UNKNOWN in reason:
            unknown.append(name.decode())
        else:
            odd.append(Reason.of("command_refused", command=name.decode(), error=reason))
    if lacking:
        return _commands(of, lacking)
    if unknown:
        return AclProblem(of, Reason.of("commands_unknown", commands=", ".join(unknown)), lasting=True)
    return AclProblem(of, odd[0], lasting=False) if odd else None


def problem_of_error(of: Subject, error: Exception) -> AclProblem:
    """The problem behind an error of Redis or of the connection to it."""
    cause = error.__cause__ if isinstance(error, LedgerUnavailable) and error.__cause__ is not None else error
    text = str(cause) or type(cause).__name__
    if isinstance(cause, redis_errors.NoPermissionError):
        if _KEY.search(text):
            return _keys(of)
        if (named := _NAMED_COMMAND.search(text)) is None:
            return AclProblem(of, Reason.of("right_missing", error=text), lasting=True)
        return _commands(of, [named[1].upper()])
    if (unknown := _NOT_KNOWN.search(text)) is not None:
        return AclProblem(of, Reason.of("commands_unknown", commands=unknown[1]), lasting=True)
    if isinstance(cause, redis_errors.AuthenticationError | redis_errors.AuthorizationError):
        return AclProblem(of, Reason.of("credentials_refused", error=text), lasting=True)
    if isinstance(cause, redis_errors.ClusterCrossSlotError | redis_errors.MovedError) or any(
        words in text for words in _OTHER_DATABASE
    ):
        code = "queue_database_unusable" if of == "queue" else "database_unusable"
        return AclProblem(of, Reason.of(code, error=text), lasting=True)
    return AclProblem(of, Reason.of("database_unreliable", error=text), lasting=False)


def _commands(of: Subject, names: Sequence[str]) -> AclProblem:
    granted = " ".join(f"+{name.lower()}" for name in names)
    problem = Reason.of("commands_forbidden", commands=", ".join(names), rights=granted)
    return AclProblem(of, problem, lasting=True)


def _keys(of: Subject) -> AclProblem:
    return AclProblem(of, Reason.of("keys_forbidden", keys=_KEYS[of]), lasting=True)
