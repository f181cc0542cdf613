"""Least rights: what the ledger's and the queue's user need is known, and whatever is lacking is named at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import redis

from ledger import Ledger
from ledger.acl import LEDGER_CALLS, OUTSIDE_SCRIPTS, QUEUE_CALLS, problem_of_error, problem_of_refusals
from schemas.errors import BadSetting, LedgerUnavailable
from tests.support.ledger_driver import queue_url
from tests.support.reasons import said
from tests.support.redis_process import RedisServer

LEDGER = {str(name) for name, *_ in LEDGER_CALLS}
QUEUE = {str(name) for name, *_ in QUEUE_CALLS}
CALLED = re.compile(r"(?:redis\.p?call|with_all)\(\s*\"(\w+)\"")


def test_the_scripts_call_nothing_else() -> None:
    """The list is what the ledger's scripts call: no more, and no less."""
    scripts = files("ledger") / "scripts"
    texts = [
        file.read_text() for folder in (scripts, scripts / "shared") for file in folder.iterdir() if file.is_file()
    ]
    assert {name for text in texts for name in CALLED.findall(text)} == LEDGER


class Limited:
    """A Redis with a user `relay` who has the documented rights, and may be given others."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.admin = redis.Redis.from_url(server.url)
        self.url = server.url.replace("redis://", "redis://relay:secret@")
        commands = [*sorted(LEDGER | QUEUE), *OUTSIDE_SCRIPTS]
        rights = [f"+{name.lower()}" for name in commands]
        self.set("reset", "on", ">secret", "~{relay*", "~relay*", *rights)

    def set(self, *rules: str) -> None:
        """Change this user's rights."""
        self.admin.execute_command("ACL", "SETUSER", "relay", *rules)

    def ledger(self, **options: int) -> Ledger:
        """The ledger as this user sees it."""
        return Ledger.connect(self.url, queue_url(self.url), **options)


@pytest.fixture
def limited(own_redis: RedisServer) -> Iterator[Limited]:
    """A Redis whose user has the least rights."""
    limited = Limited(own_redis)
    yield limited
    limited.admin.close()


async def test_the_least_rights_are_enough(limited: Limited) -> None:
    """Nothing is found to be wrong, nothing is left behind, and it may still be asked whether it is durable."""
    ledger = limited.ledger(replica_acks=1)
    await ledger.check_usable()
    assert (await ledger.durability()).durable
    await ledger.close()
    assert not [name for name in limited.admin.keys("{relay*") if name[-5:] not in (b":open", b":name")]
    with redis.Redis.from_url(queue_url(limited.server.url)) as queue:
        assert queue.keys("*") == []


@pytest.mark.parametrize("name", sorted(LEDGER | QUEUE | {"evalsha", "script|load", "select", "wait"}))
async def test_each_right_that_is_lacking_is_named(limited: Limited, name: str) -> None:
    """The start ends with one line that names the variable and the command."""
    whole, _, part = name.lower().partition("|")
    limited.set(f"-{whole}", *([f"+{whole}|exists"] if part else []))
    ledger = limited.ledger(replica_acks=1)
    with pytest.raises(BadSetting) as refused:
        await ledger.check_usable()
    text = str(refused.value)
    assert "\n" not in text
    assert re.search(rf"\b{whole}\b", text, re.IGNORECASE)
    variable = "REDIS_URL" if name in LEDGER or name in ("evalsha", "script|load", "wait") else "RELAY_QUEUE_URL"
    assert text.startswith(variable)
    assert "secret" not in text
    await ledger.close()


async def test_all_that_is_lacking_is_named_at_once(limited: Limited) -> None:
    """Nobody has to start again and again to find out."""
    limited.set("-info", "-zscan", "-spop")
    ledger = limited.ledger()
    with pytest.raises(BadSetting, match=r"SPOP, ZSCAN, INFO: ACL SETUSER … \+spop \+zscan \+info"):
        await ledger.check_usable()
    await ledger.close()


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (("~relay*",), r"^REDIS_URL: .*\{relay\*"),
        (("~{relay*",), r"^RELAY_QUEUE_URL .*relay\*"),
        (("~other*",), r"^REDIS_URL: .*\{relay\*"),
    ],
)
async def test_keys_that_are_forbidden_are_named(limited: Limited, keys: tuple[str, ...], named: str) -> None:
    """A user without the keys of ledger or queue."""
    limited.set("resetkeys", *keys)
    ledger = limited.ledger()
    with pytest.raises(BadSetting, match=named):
        await ledger.check_usable()
    await ledger.close()


@pytest.mark.parametrize("user", ["relay:wrong", "nobody:secret", ":secret"])
async def test_a_user_who_is_turned_down_is_named(limited: Limited, user: str) -> None:
    """A wrong password or user is no Redis that is away; nor is the queue's."""
    ledger = Ledger.connect(limited.url.replace("relay:secret", user), queue_url(limited.server.url))
    with pytest.raises(BadSetting, match=r"^REDIS_URL: Redis rejected the user or password"):
        await ledger.check_usable()
    await ledger.close()
    ledger = Ledger.connect(limited.server.url, queue_url(limited.url.replace("relay:secret", user)))
    with pytest.raises(BadSetting, match=r"^RELAY_QUEUE_URL .*: Redis rejected the user or password"):
        await ledger.check_usable()
    await ledger.close()


async def test_a_database_that_is_not_there(own_redis: RedisServer) -> None:
    """The ledger's may be the last one, so that there is none for the queue."""
    for url, variable in ((own_redis.url.replace("/0", "/15"), "RELAY_QUEUE_URL"), (own_redis.url + "99", "REDIS_URL")):
        number = int(url.rpartition("/")[2])
        ledger = Ledger.connect(url, own_redis.url.replace("/0", f"/{number + 1}"))
        with pytest.raises(
            BadSetting, match=rf"^{variable}\b.*DB index is out of range.*set the number of one that exists"
        ):
            await ledger.check_usable()
        await ledger.close()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("NOPERM ACL failure in script: User monkey has no permissions to run the 'zadd' command", "may not use ZADD"),
        ("NOPERM ACL failure in script: No permissions to access a key", "may not use the keys {relay*"),
    ],
)
def test_newer_redis_have_other_words(words: str, named: str) -> None:
    """As Redis 7.2 and later say it; what the user is called does not matter."""
    found = problem_of_refusals("ledger", [b"ZADD", words.encode()])
    assert found is not None
    assert (found.lasting, named in said(found.reason)) == (True, True)


def test_a_refusal_that_names_no_command() -> None:
    """Redis' own words are shown; no command is made up."""
    error = redis.exceptions.NoPermissionError("this user has no permissions to access one of the channels used")
    problem = problem_of_error("ledger", error).problem
    assert (problem.code, problem.params) == ("right_missing", {"error": str(error)})


async def test_a_command_that_was_renamed(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Some hosts take commands away from everybody: no right would help."""
    server = RedisServer(free_port(), tmp_path / "redis", "--rename-command", "BLPOP", "")
    server.start()
    ledger = Ledger.connect(server.url, queue_url(server.url))
    try:
        with pytest.raises(BadSetting, match=r"^RELAY_QUEUE_URL .*: its Redis does not know BLPOP: remove its rename"):
            await ledger.check_usable()
    finally:
        await ledger.close()
        server.kill()


async def test_a_redis_that_is_away_is_no_mistake(own_redis: RedisServer, redis_url: str) -> None:
    """It may come back: nothing ends."""
    own_redis.kill()
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    with pytest.raises(LedgerUnavailable):
        await ledger.check_usable()
    await ledger.close()
    ledger = Ledger.connect(redis_url, queue_url(own_redis.url))
    await ledger.check_usable()
    found = await ledger.queue_problem()
    assert found is not None
    assert not found.lasting
    await ledger.close()


async def test_a_full_queue_is_noticed(own_redis: RedisServer, redis_url: str) -> None:
    """A Redis without room takes no kicks; that may pass."""
    ledger = Ledger.connect(redis_url, queue_url(own_redis.url))
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.config_set("maxmemory", 1)
        found = await ledger.queue_problem()
        admin.config_set("maxmemory", 0)
    assert found is not None
    assert (found.lasting, "OOM" in said(found.reason)) == (False, True)
    assert await ledger.queue_problem() is None
    await ledger.close()


async def test_a_replica_is_no_ledger(own_redis: RedisServer) -> None:
    """It takes no writes; it may be promoted, so it is waited for."""
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
        found = await ledger.ledger_problem()
        assert found is not None
        assert (found.lasting, "read only replica" in said(found.reason)) == (False, True)
        admin.execute_command("REPLICAOF", "NO", "ONE")
    await ledger.close()
