"""Redis and Sentinels with passwords, users, TLS by a private authority, and IPv6 addresses: ledger and queue alike."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ledger import Ledger
from schemas.errors import BadSetting, LedgerUnavailable
from tests.support.guarded_redis import Guard, Guarded, speaks_tls
from tests.support.ledger_driver import notification
from tests.support.proxies import RedisProxy

Start = Callable[[Guard], Guarded]

GUARDS = {
    "passwords": Guard(passwords=True),
    "users": Guard(passwords=True, users=True),
    "IPv6": Guard(host="::1"),
    "TLS": Guard(tls=True),
    "all of it": Guard(passwords=True, users=True, host="::1", tls=True, client_certificates=True),
}


@pytest.fixture
async def start(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Start]:
    """Starts what is guarded so."""
    started: list[Guarded] = []

    def start(guard: Guard) -> Guarded:
        if guard.tls and not speaks_tls():
            pytest.skip("this machine's redis-server was built without TLS")
        if guard.host == "::1" and not _has_ipv6():
            pytest.skip("this machine has no IPv6")
        started.append(Guarded(guard, tmp_path / "guarded", free_port))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", ["redis", "redis+sentinel"])
@pytest.mark.parametrize("guard", GUARDS.values(), ids=list(GUARDS))
async def test_a_webhook_is_accepted_and_kicked(start: Start, guard: Guard, kind: str) -> None:
    """The ledger's URL and the queue's, each with its own number of a database."""
    guarded = await asyncio.to_thread(start, guard)
    ledger = Ledger.connect(guarded.url(kind, 0), guarded.url(kind, 1))
    await ledger.intake.accept(notification())
    await ledger.close()
    with guarded.admin(db=0) as there, guarded.admin(db=1) as queue:
        assert (there.hlen("{relay:00}:pay:default/imp_1"), queue.llen("relay:refresh")) == (1, 1)


async def test_a_cluster_with_all_of_it(start: Start, redis_url: str) -> None:
    """User, TLS and IPv6 count for every node that is asked."""
    guard = Guard(passwords=True, users=True, host="::1", tls=True, client_certificates=True, cluster=True)
    guarded = await asyncio.to_thread(start, guard)
    for kind in ("redis+cluster", "redis"):
        ledger = Ledger.connect(guarded.url(kind), redis_url)
        await ledger.intake.accept(notification())
        await ledger.close()
    with guarded.admin() as there:
        assert there.hlen("{relay:00}:pay:default/imp_1") == 2


@pytest.mark.parametrize(("right", "wrong"), [("sentinel_password=w", "sentinel_password=x"), (":p%40ss", ":pass")])
async def test_a_wrong_password_is_said(start: Start, right: str, wrong: str) -> None:
    """It may become right while the process waits, so it is trouble that passes; what Redis says is in the log."""
    guarded = await asyncio.to_thread(start, GUARDS["passwords"])
    url = guarded.url("redis+sentinel")
    assert right in url
    ledger = Ledger.connect(url.replace(right, wrong), guarded.url("redis+sentinel", 1))
    with pytest.raises(LedgerUnavailable, match=r"invalid username-password pair|WRONGPASS"):
        await ledger.now()
    await ledger.close()


async def test_a_sentinel_that_refuses_is_passed_over(start: Start) -> None:
    """The first one answers with an unexpected error: the next one is asked at once."""
    guarded = await asyncio.to_thread(start, Guard())
    async with RedisProxy(guarded.sentinel_port) as proxy:
        proxy.refuse = lambda command: "ERR upstream failure" if command[0] == b"SENTINEL" else None
        port = proxy.url.removeprefix("redis://127.0.0.1:").removesuffix("/0")
        ledger = Ledger.connect(guarded.url("redis+sentinel").replace(":1,", f":{port},"), guarded.url("redis", 1))
        await ledger.intake.accept(notification())
        assert proxy.refused.total() > 0
        await ledger.close()


async def test_a_server_of_another_authority_is_not_trusted(start: Start, tmp_path: Path) -> None:
    """Without ssl_ca_certs only the authorities that this machine knows count; ssl_cert_reqs=none trusts anybody."""
    guarded = await asyncio.to_thread(start, GUARDS["TLS"])
    bare, _, _ = guarded.url("redis").partition("?")
    ledger = Ledger.connect(bare, bare)
    with pytest.raises(LedgerUnavailable, match="certificate"):
        await ledger.now()
    await ledger.close()
    ledger = Ledger.connect(f"{bare}?ssl_cert_reqs=none", bare)
    assert await ledger.now() > 0
    await ledger.close()


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
@pytest.mark.parametrize("scheme", ["rediss://127.0.0.1/0", "rediss+sentinel://127.0.0.1/s/0", "rediss+cluster://h:1"])
def test_a_file_that_cannot_be_used_is_said_at_start(tmp_path: Path, scheme: str, option: str) -> None:
    """A missing one, and one that holds something else: one line with the variable and the file."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for file in (tmp_path / "missing.pem", nonsense):
        with pytest.raises(BadSetting) as caught:
            Ledger.connect(f"{scheme}?{option}={file}", "redis://127.0.0.1:1/1")
        assert ("REDIS_URL" in str(caught.value), str(file) in str(caught.value)) == (True, True)
