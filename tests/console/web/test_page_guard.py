"""Who may open a page and send a form, and what every page says to browsers."""

from __future__ import annotations

import re

import httpx
import pytest

from console.operations.sign_in import OF_ALL, OF_SOURCE, WITHIN
from console.web.site import PAGES
from tests.console.conftest import METRICS_ONLY, READ_ONLY, TOKEN, Console, running
from tests.console.web.conftest import Reader
from tests.console.web.scene import set_up
from tests.support.clients import http_client
from tests.support.redis_process import RedisServer

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


async def test_visitors_are_redirected_to_the_sign_in_page(visitor: Reader) -> None:
    """Every page but that one sends them there, and remembers where they were going."""
    for page in PAGES:
        if not page.public and page.method == "GET":
            path = re.sub(r"\{\w+\}", "x", page.path)
            answer = await visitor.open(path)
            expected = "/sign-in" if path == "/" else f"/sign-in?to={path}"
            assert (answer.status_code, answer.headers["location"]) == (303, expected)


async def test_signing_in_and_out(visitor: Reader) -> None:
    """A token gives a cookie that scripts cannot read and other sites cannot use; signing out takes it back."""
    await visitor.open("/sign-in?to=/events")
    wrong = await visitor.send("/sign-in", {"token": "wrong", "to": "/events"})
    assert (wrong.status_code, "relay_session" in wrong.headers.get("set-cookie", "")) == (403, False)
    answer = await visitor.send("/sign-in", {"token": TOKEN, "to": "/events"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/events")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert (await visitor.open("/events")).status_code == 200
    await visitor.send("/sign-out")
    assert (await visitor.open("/events")).status_code == 303


async def test_nobody_signs_in_with_a_metrics_token(visitor: Reader) -> None:
    """It is good for /metrics and nothing else."""
    await visitor.open("/sign-in")
    assert (await visitor.send("/sign-in", {"token": METRICS_ONLY})).status_code == 403


async def test_a_copy_of_a_cookie_is_signed_out_with_it(reader: Reader) -> None:
    """Whoever has kept the session's cookie cannot go on with it; other sessions of the same token can."""
    kept = reader.client.cookies["relay_session"]
    await reader.send("/sign-out")
    reader.client.cookies.set("relay_session", kept)
    assert (await reader.open("/events")).status_code == 303
    reader.client.cookies.clear()
    await reader.sign_in()
    assert (await reader.open("/events")).status_code == 200


@pytest.mark.parametrize(
    ("proxies", "proto", "secure"),
    [
        ("127.0.0.1", "https", True),
        ("127.0.0.1", "http, HTTPS", True),
        ("127.0.0.1", "https, http", False),
        ("10.0.0.0/8", "https", False),
        ("", "https", False),
    ],
)
async def test_behind_https_the_cookie_is_secure(redis_url: str, proxies: str, proto: str, secure: bool) -> None:
    """The proxy in front of the console says so in X-Forwarded-Proto, where the settings name that proxy."""
    async with running(redis_url, {"RELAY_TRUSTED_PROXIES": proxies}) as console, http_client(console.url) as client:
        visitor = Reader(client)
        await visitor.open("/sign-in")
        answer = await visitor.send("/sign-in", {"token": TOKEN}, **{"x-forwarded-proto": proto})
        assert answer.status_code == 303
        assert ("Secure" in answer.headers["set-cookie"]) is secure


async def test_attempts_to_guess_a_token_are_limited(redis_url: str) -> None:
    """One source after some, behind a trusted proxy as well, even with the right token then; others are not kept
    out."""
    async with (
        running(redis_url, {"RELAY_TRUSTED_PROXIES": "127.0.0.1"}) as console,
        http_client(console.url) as client,
    ):
        visitor = Reader(client)
        await visitor.open("/sign-in")

        async def attempt(source: str, token: str) -> httpx.Response:
            return await visitor.send("/sign-in", {"token": token}, **{"x-forwarded-for": source})

        for n in range(OF_SOURCE):
            assert (await attempt(f"2001:db8::{n}", f"guess-{n}")).status_code == 403
        limited = await attempt("2001:db8::ffff", TOKEN)
        assert (limited.status_code, "relay_session" in limited.headers.get("set-cookie", "")) == (429, False)
        assert 0 < int(limited.headers["retry-after"]) <= WITHIN
        assert "Try again in 15 minutes." in limited.text
        assert (await attempt("2001:db8:1::1", TOKEN)).status_code == 303


async def test_a_flood_of_guesses_does_not_keep_operators_out(redis_url: str) -> None:
    """A browser that has signed in before is counted by itself, wherever it is; one with a forged mark is not known."""
    async with (
        running(redis_url, {"RELAY_TRUSTED_PROXIES": "127.0.0.1"}) as console,
        http_client(console.url) as client,
        http_client(console.url) as other,
    ):
        operator, guesser = Reader(client), Reader(other)
        await operator.sign_in()
        await operator.send("/sign-out")
        await guesser.open("/sign-in")

        async def attempt(reader: Reader, source: int, token: str) -> int:
            from_there = {"x-forwarded-for": f"2001:db8:{source:x}::1"}
            return (await reader.send("/sign-in", {"token": token}, **from_there)).status_code

        guesses = [await attempt(guesser, n, "guess") for n in range(OF_ALL + 1)]
        assert guesses == [403] * OF_ALL + [429]
        await operator.open("/sign-in")
        assert await attempt(operator, 7, TOKEN) == 303
        client.cookies.delete("relay_session")
        await operator.open("/sign-in")
        answers = [await attempt(operator, 1000 + n, "guess") for n in range(OF_SOURCE + 1)]
        assert answers == [403] * OF_SOURCE + [429]
        other.cookies.set("relay_device", "forged")
        assert await attempt(guesser, 2000, TOKEN) == 429


async def test_right_tokens_are_not_limited(visitor: Reader) -> None:
    """Whoever signs in again and again with the right token goes on."""
    await visitor.open("/sign-in")
    for _ in range(OF_SOURCE + 2):
        await visitor.client.get("/sign-in")
        visitor.client.cookies.delete("relay_session")
        await visitor.open("/sign-in")
        assert (await visitor.send("/sign-in", {"token": TOKEN})).status_code == 303


async def test_signing_out_ends_the_session_at_every_console(reader: Reader, redis_url: str, history_url: str) -> None:
    """A copy of the cookie opens nothing at another console either, and its live page ends."""
    environ = {"RELAY_HISTORY_URL": history_url}
    async with running(redis_url, environ) as other, http_client(other.url) as there:
        there.cookies.set("relay_session", reader.client.cookies["relay_session"])
        assert (await there.get("/settings")).status_code == 200
        async with there.stream("GET", "/?live=1") as live:
            pieces = live.aiter_raw()
            assert live.status_code == 200
            await anext(pieces)
            await reader.send("/sign-out")
            async for _ in pieces:
                pass
        assert (await there.get("/settings")).status_code == 303


async def test_while_redis_is_away_a_console_goes_by_itself(own_redis: RedisServer) -> None:
    """Attempts are limited, and a session that ended here stays ended here."""
    async with running(own_redis.url, {}) as console, http_client(console.url) as client:
        reader = Reader(client)
        await reader.sign_in()
        kept = client.cookies["relay_session"]
        own_redis.stop()
        await reader.send("/sign-out")
        client.cookies.set("relay_session", kept)
        assert (await reader.open("/settings")).status_code == 303
        client.cookies.delete("relay_session")
        await reader.open("/sign-in")
        answers = [(await reader.send("/sign-in", {"token": "guess"})).status_code for _ in range(OF_SOURCE + 1)]
        assert answers == [403] * OF_SOURCE + [429]


async def test_right_tokens_before_redis_goes_away_allow_no_more_guesses(own_redis: RedisServer) -> None:
    """What was counted in Redis is not taken back from what this console counts."""
    async with running(own_redis.url, {}) as console, http_client(console.url) as client:
        reader = Reader(client)
        for _ in range(3):
            client.cookies.clear()
            await reader.sign_in()
        client.cookies.delete("relay_session")
        await reader.open("/sign-in")
        own_redis.stop()
        answers = [(await reader.send("/sign-in", {"token": "guess"})).status_code for _ in range(OF_SOURCE + 1)]
        assert answers == [403] * OF_SOURCE + [429]


async def test_a_session_that_ended_without_redis_ends_everywhere_later(
    own_redis: RedisServer, history_url: str
) -> None:
    """As soon as Redis is back and this console asks it anything about sessions."""
    environ = {"RELAY_HISTORY_URL": history_url}
    async with (
        running(own_redis.url, environ) as one,
        running(own_redis.url, environ) as other,
        http_client(one.url) as here,
        http_client(other.url) as there,
    ):
        reader = Reader(here)
        await reader.sign_in()
        there.cookies.set("relay_session", here.cookies["relay_session"])
        assert (await there.get("/settings")).status_code == 200
        own_redis.stop()
        await reader.send("/sign-out")
        own_redis.start()
        await reader.sign_in()
        assert (await there.get("/settings")).status_code == 303


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_signing_in_leads_nowhere_else(visitor: Reader, to: str) -> None:
    """Whatever a link says, the console goes on inside itself."""
    await visitor.open("/sign-in")
    answer = await visitor.send("/sign-in", {"token": TOKEN, "to": to})
    assert answer.headers["location"] == "/"


async def test_visitors_get_no_stream(visitor: Reader) -> None:
    """The page for signing in has no part that goes on changing: whoever asks for one gets the page, and is gone."""
    answer = await visitor.open("/sign-in?live=1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (await visitor.open("/events?live=1")).status_code == 401


async def test_a_made_up_session_is_none(visitor: Reader, console: Console) -> None:
    """A cookie that was not sealed here, or was sealed for something else, opens nothing."""
    await console.endpoint()
    for cookie in ("x", "gAAAAA", "Store"):
        answer = await http_client(console.url, cookies={"relay_session": cookie}).get("/")
        assert answer.status_code == 303


async def test_a_session_ends_with_its_token(redis_url: str) -> None:
    """Once a token is taken out of the settings, what was begun with it is over."""
    key = "RELAY_API_TOKEN"
    cookie = ""
    for tokens, expected in (("one,two", 200), ("two", 303), ("two,ro:one", 303)):
        async with running(redis_url, {key: tokens}) as console, http_client(console.url) as client:
            if not cookie:
                reader = Reader(client)
                await reader.sign_in("one")
                cookie = client.cookies["relay_session"]
            client.cookies.set("relay_session", cookie)
            assert (await client.get("/settings")).status_code == expected


async def test_every_form_needs_its_key(reader: Reader, console: Console) -> None:
    """Without the key of the session, with another one, or from another site, nothing is done."""
    scene = await set_up(console)
    for page in PAGES:
        if page.method == "POST":
            path = page.path.replace("{id}", scene.sick).replace("{merchant}", "default").replace("{imp_uid}", "imp_1")
            for fields in ({"csrf": ""}, {"csrf": "x"}):
                assert (await reader.client.post(path, data=fields)).status_code == 403
    path = f"/endpoints/{scene.well}/disable"
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"},
                    {"origin": "http://["}):  # fmt: skip
        assert (await reader.send(path, None, **headers)).status_code == 403
    endpoint = (await console.call("GET", f"/v1/endpoints/{scene.well}")).json()
    assert endpoint["state"] == "enabled"
    assert (await reader.send(path, None, **{"sec-fetch-site": "same-origin"})).status_code == 303


async def test_a_read_only_token_sees_and_does_nothing(visitor: Reader, console: Console) -> None:
    """It opens every page, finds no button that does anything, and is refused where it makes one up."""
    scene = await set_up(console)
    await visitor.sign_in(READ_ONLY)
    allowed = ("/sign-out", "/preferences", "/show")
    for path in scene.pages:
        answer = await visitor.open(path)
        assert answer.status_code == 200, path
        actions = re.findall(r'<form[^>]*method="post"[^>]*?action="([^"]+)"', answer.text)
        assert [action for action in actions if not action.endswith(allowed)] == []
    for page in PAGES:
        if page.method == "POST" and not page.public and not page.for_readers:
            path = page.path.replace("{id}", scene.sick).replace("{merchant}", "default").replace("{imp_uid}", "imp_1")
            assert (await visitor.send(path, {"sure": "1"})).status_code == 403


async def test_nothing_comes_from_elsewhere(reader: Reader, console: Console) -> None:
    """Every page has the strict policy, keeps no copy, and names no other address for anything that is loaded."""
    scene = await set_up(console)
    for path in [*scene.pages, "/events/evt_none", "/sign-in"]:
        answer = await reader.client.get(path, follow_redirects=True)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.findall(r'(?:src|href)="(https?:[^"]+|//[^"]+)"', answer.text) == []
        assert " style=" not in answer.text
        assert not re.search(r"\son\w+=", answer.text)


async def test_a_link_from_a_chat_finds_the_session(reader: Reader) -> None:
    """The strict cookie does not come along from another site: the page is asked for again, then by us."""
    reader.client.cookies.delete("relay_session")
    answer = await reader.client.get("/events", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0;url=/events"' in answer.text


@pytest.mark.parametrize("address", ["//evil.example/", "//evil.example/?a=b"])
async def test_a_link_from_a_chat_leads_nowhere_else(visitor: Reader, console: Console, address: str) -> None:
    """An address that browsers would read as another site's is none of ours: the first page is asked for instead."""
    headers = {"sec-fetch-site": "cross-site", "accept": "text/html"}
    answer = await visitor.client.get(f"{console.url}{address}", headers=headers)
    assert answer.status_code == 200
    assert 'content="0;url=/"' in answer.text
    assert "evil" not in answer.text


async def test_a_wrong_address_is_a_page(reader: Reader) -> None:
    """People get a page that leads back, programs a problem."""
    page = await reader.client.get("/no/such/page", headers={"accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    program = await reader.client.get("/no/such/page")
    assert (program.status_code, program.headers["content-type"]) == (404, "application/problem+json")


async def test_pages_without_redis_say_so(redis_url: str) -> None:
    """One can sign in, and every page says what is wrong instead of hanging."""
    async with running("redis://127.0.0.1:1/0", {}, opened=False) as console, http_client(console.url) as client:
        reader = Reader(client)
        assert (await reader.sign_in()).status_code == 303
        answer = await reader.open("/events", headers={"accept-language": "ko"})
        assert answer.status_code == 503
        assert "지금 Redis를 사용할 수 없습니다" in answer.text
