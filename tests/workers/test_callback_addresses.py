"""Names and addresses: what is resolved, what is vetted, what is never connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.endpoints.egress import forbidden
from schemas.reasons import Reason
from tests.support.certificates import Authority
from tests.support.reasons import said
from tests.support.subscribers import Subscriber
from tests.workers.catalogue import CATALOGUE
from workers.callback_sender import CallbackSender
from workers.callback_transport import callback_transport
from workers.resolver import SystemResolver

HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'
OK = CATALOGUE["ok"]


class Names(AbstractResolver):
    """A name server of the tests' own: answers each look-up with the next list of addresses, the last for good."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


def vet(address: str) -> Reason | None:
    """Forbid what a deployment with no settings of its own forbids."""
    return forbidden(address)


async def test_no_such_host(authority: Authority) -> None:
    """A name without addresses is a failed attempt, in words."""
    sender = CallbackSender(
        callback_transport(lambda _: None, tls=authority.client(), resolver=Names([])), allow_private=True
    )
    answer = await sender.send("https://shop.example/", HEADERS, BODY, 10)
    await sender.close()
    assert said(answer.error) == "DNS: no such host"


async def test_system_names(sender: CallbackSender) -> None:
    """The system's own resolver finds this machine and says when it knows no such host."""
    async with Subscriber(OK) as subscriber:
        found = await sender.send(f"http://localhost:{subscriber.port}/", HEADERS, BODY, 10)
    missing = await sender.send("http://no-such-host.invalid/", HEADERS, BODY, 30)
    assert found.ok
    assert missing.error is not None
    assert said(missing.error).startswith("DNS: ")


async def test_second_address(authority: Authority) -> None:
    """A name with a dead address and a live one is reached at the live one."""
    names = Names(["::1", "127.0.0.1"])
    sender = CallbackSender(
        callback_transport(lambda _: None, tls=authority.client(), resolver=names), allow_private=True
    )
    async with Subscriber(OK) as subscriber:
        answer = await sender.send(f"http://shop.example:{subscriber.port}/", HEADERS, BODY, 10)
    await sender.close()
    assert answer.ok, answer


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["127.0.0.1"], "forbidden address 127.0.0.1 (loopback)"),
        (["10.1.2.3", "fd00:ec2::254"], "forbidden address 10.1.2.3 (private)"),
        (["::ffff:127.0.0.1"], "forbidden address 127.0.0.1 (loopback)"),
        (["64:ff9b::7f00:1"], "forbidden address 127.0.0.1 (loopback)"),
        (["169.254.169.254"], "forbidden address 169.254.169.254 (link-local)"),
    ],
)
async def test_forbidden_names(addresses: list[str], words: str, certificate: ssl.SSLContext) -> None:
    """A name that leads inside is never connected to."""
    sender = CallbackSender(callback_transport(vet, resolver=Names(addresses)))
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(f"https://shop.example:{subscriber.port}/", HEADERS, BODY, 10)
        assert (said(answer.error), subscriber.connections) == (words, 0)
    await sender.close()


async def test_rebinding(authority: Authority, free_port: Callable[[], int]) -> None:
    """A name that passed once and leads inside the next time is refused then: each look-up is vetted."""
    names = Names(["::1"], ["127.0.0.1"])
    transport = callback_transport(
        lambda address: None if address == "::1" else forbidden(address), tls=authority.client(), resolver=names
    )
    sender = CallbackSender(transport, allow_private=True)
    async with Subscriber(CATALOGUE["connection_close"], host="::1") as outside:
        port = outside.port
        first = await sender.send(f"http://shop.example:{port}/", HEADERS, BODY, 10)
        async with Subscriber(OK, port=port) as inside:
            # Another port asks the resolver anew; within its few seconds the cache gives the vetted address again.
            cached = await sender.send(f"http://shop.example:{port}/", HEADERS, BODY, 10)
            other = await sender.send(f"http://shop.example:{free_port()}/", HEADERS, BODY, 10)
            assert inside.connections == 0
    await sender.close()
    assert first.ok
    assert cached.ok
    assert said(other.error) == "forbidden address 127.0.0.1 (loopback)"


async def test_a_busy_connection_is_not_kept_for_ever(authority: Authority) -> None:
    """After its time a connection is not used again, however busy, and the name is asked for anew: what it leads to now
    gets the next callback."""
    hour = [0.0]
    names = Names(["::1"], ["127.0.0.1"])
    transport = callback_transport(
        lambda _: None, tls=authority.client(), resolver=names, names_kept=0, longest_kept=60, clock=lambda: hour[0]
    )
    sender = CallbackSender(transport, allow_private=True)
    async with Subscriber(OK, host="::1") as before, Subscriber(OK, port=before.port) as after:
        url = f"http://shop.example:{before.port}/"
        for now in (0.0, 30.0, 59.0):
            hour[0] = now
            assert (await sender.send(url, HEADERS, BODY, 10)).ok
        assert (before.connections, len(before.requests)) == (1, 3)
        hour[0] = 61.0
        assert (await sender.send(url, HEADERS, BODY, 10)).ok
        assert (len(before.requests), len(after.requests)) == (3, 1)
        await asyncio.wait_for(before.left(), 10)
    await sender.close()


async def test_a_name_that_moves_inside_is_refused_once_its_connection_is_old(authority: Authority) -> None:
    """A kept connection leads where it led when it was vetted; the next one is vetted again."""
    hour = [0.0]
    names = Names(["::1"], ["127.0.0.1"])
    transport = callback_transport(
        lambda address: None if address == "::1" else forbidden(address), tls=authority.client(), resolver=names,
        names_kept=0, longest_kept=60, clock=lambda: hour[0],
    )  # fmt: skip
    sender = CallbackSender(transport, allow_private=True)
    async with Subscriber(OK, host="::1") as outside, Subscriber(OK, port=outside.port) as inside:
        url = f"http://shop.example:{outside.port}/"
        assert (await sender.send(url, HEADERS, BODY, 10)).ok
        hour[0] = 61.0
        answer = await sender.send(url, HEADERS, BODY, 10)
        assert (said(answer.error), inside.connections) == ("forbidden address 127.0.0.1 (loopback)", 0)
    await sender.close()


async def test_forbidden_ones_are_left_out(authority: Authority) -> None:
    """Of a name's addresses only the permitted ones are tried."""
    names = Names(["127.0.0.1", "::1"])
    transport = callback_transport(
        lambda address: None if address == "::1" else forbidden(address), tls=authority.client(), resolver=names
    )
    sender = CallbackSender(transport, allow_private=True)
    async with Subscriber(OK) as inside, Subscriber(OK, host="::1", port=inside.port) as outside:
        answer = await sender.send(f"http://shop.example:{inside.port}/", HEADERS, BODY, 10)
        assert (answer.ok, inside.connections, outside.connections) == (True, 0, 1)
    await sender.close()


async def test_names_in_other_letters(authority: Authority) -> None:
    """A host in other letters is asked for, and named to the endpoint, by its IDNA name."""
    names = Names(["127.0.0.1"])
    sender = CallbackSender(
        callback_transport(lambda _: None, tls=authority.client(), resolver=names), allow_private=True
    )
    async with Subscriber(OK) as subscriber:
        answer = await sender.send(f"http://Bücher.상점.example:{subscriber.port}/a", HEADERS, BODY, 10)
    await sender.close()
    assert answer.ok, answer
    assert names.asked == ["xn--bcher-kva.xn--hg4bs7k.example"]
    assert subscriber.requests[0].headers["host"] == f"{names.asked[0]}:{subscriber.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"])
async def test_forbidden_addresses_in_urls(host: str, certificate: ssl.SSLContext) -> None:
    """An address in the URL bypasses resolvers, so it is refused by the URL's check and again at the socket."""
    strict = CallbackSender(callback_transport(vet))
    careless = CallbackSender(callback_transport(vet), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        for sender in (strict, careless):
            answer = await sender.send(f"https://{host}:{subscriber.port}/", HEADERS, BODY, 10)
            assert answer.error is not None
            assert said(answer.error).startswith("forbidden ")
            await sender.close()
        assert subscriber.connections == 0


async def test_plain_http_is_forbidden() -> None:
    """An endpoint written while plain http was allowed is refused once it is not."""
    sender = CallbackSender(callback_transport(lambda _: None))
    answer = await sender.send("http://8.8.8.8/", HEADERS, BODY, 10)
    await sender.close()
    assert said(answer.error) == "forbidden URL: must begin with https://"


async def test_system_resolver_takes_any_name() -> None:
    """A name that cannot be one is said to be unknown, not a mistake of ours."""
    with pytest.raises(socket.gaierror):
        await SystemResolver().resolve("x" * 64 + ".example", 443)
    results = await SystemResolver().resolve("localhost", 443)
    assert {result["host"] for result in results} <= {"127.0.0.1", "::1"}
