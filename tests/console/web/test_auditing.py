"""The web console and the audit: pages tell what the API tells, and show it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from console.web.catalogue import LANGUAGES, catalogue_of
from console.web.pages.audit import ACTIONS
from tests.console.conftest import READ_ONLY, Console, on_each_database
from tests.console.web.conftest import Reader
from tests.console.web.scene import ANSWER, BUYER, set_up
from tests.console.web.test_acting import NEW

PAYMENT = "/payments/default/imp_1"


async def told(console: Console) -> list[tuple[str, str, dict[str, Any]]]:
    """What the audit says, oldest first."""
    rows = (await console.call("GET", "/v1/audit", params={"limit": 200})).json()["data"]
    return [(row["action"], row["object"], row["detail"]) for row in reversed(rows)]


async def test_forms_are_told_as_calls_are(reader: Reader, console: Console) -> None:
    """Same act, same object, same detail, whichever way an operator takes."""
    called = {
        "merchant": "default", "url": NEW["url"], "types": NEW["types"], "description": "x", "ordered": True,
        "max_in_flight": 3, "rate_limit": 2.5, "payload": "thin", "headers": {"x-one": "1"},
    }  # fmt: skip
    by_call = (await console.call("POST", "/v1/endpoints", called)).json()["id"]
    by_form = (await reader.send("/endpoints/new", NEW)).headers["location"].rpartition("/")[2]
    window = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}
    local = {name: at[:16] for name, at in window.items()}
    body = {"endpoint": by_call, "types": ["payment.paid"], **window, "only": "all", "rate": 50}
    await console.call("POST", "/v1/replays", body)
    fields = {**body, **local, "step": "begin"}
    assert (await reader.send("/replays", fields)).status_code == 303
    await console.call("POST", "/v1/reconciliations", {"merchant": "default", **window})
    assert (await reader.send("/reconciliations", {"merchant": "default", **local})).status_code == 303
    secret = {"imp_key": "key", "imp_secret": "s3cret-of-the-shop"}
    await console.call("PUT", "/v1/merchants/shop", {**secret, "include_sandbox": True})
    assert (
        await reader.send("/merchants/new", {**secret, "merchant": "shop", "include_sandbox": "1"})
    ).status_code == 303
    pairs = list(zip(*[iter(await told(console))] * 2, strict=True))
    assert [pair[0][0] for pair in pairs] == [
        "endpoint.create",
        "replay.create",
        "reconciliation.create",
        "merchant.put",
    ]
    for (action, object_, detail), (same, other, likewise) in pairs:
        assert (action, _kind(object_)) == (same, _kind(other))
        assert {**detail, "given": None} == {**likewise, "given": None}
    assert [pair[1][1] for pair in pairs][::3] == [by_form, "shop"]
    assert "s3cret" not in str(pairs)


def _kind(object_: str) -> str:
    return re.sub(r"_.*", "", object_)


async def test_looks_and_acts_on_a_page(reader: Reader, console: Console) -> None:
    """What is shown unmasked, what is done; what is masked, refused or only counted is not told."""
    scene = await set_up(console)
    before = len(await told(console))
    event = scene.dead.partition(".")[0]
    for path in (PAYMENT, "/payments", "/events", "/notifications", "/deliveries", f"/events/{event}"):
        assert (await reader.open(path)).status_code == 200
    assert (await reader.send("/replays", {"endpoint": scene.sick, "rate": "50", "only": "all"})).status_code == 200
    assert (await reader.send("/endpoints/new", {**NEW, "url": "ftp://x"})).status_code == 422
    assert (await reader.send(f"/endpoints/{scene.sick}/delete")).status_code == 303
    assert (await reader.send("/endpoints/ep_none/enable")).status_code == 404
    assert len(await told(console)) == before
    for path in (
        f"{PAYMENT}/show", f"{PAYMENT}/show", f"/events/{event}/show", f"/deliveries/{scene.dead}/show",
        f"/endpoints/{scene.sick}/secret",
    ):  # fmt: skip
        assert (await reader.send(path)).status_code == 200
    assert (await reader.send(f"/endpoints/{scene.sick}/disable")).status_code == 303
    assert (await told(console))[before:] == [
        ("payment.read", "imp_1", {"merchant": "default"}),
        ("event.read", event, {}),
        ("callback.read", scene.dead, {}),
        ("secret.read", scene.sick, {}),
        ("endpoint.disable", scene.sick, {}),
    ]


async def test_a_page_that_shows_what_an_endpoint_answered_is_a_look(reader: Reader, console: Console) -> None:
    """The answer may repeat the buyer's data that were sent. Opened anew or kept open, whoever sees them is audited."""
    scene = await set_up(console)
    showing = [path for path in scene.pages if ANSWER in (await reader.open(path)).text]
    assert showing == [f"/deliveries/{scene.dead}"]
    assert ("delivery.read", scene.dead, {}) in await told(console)
    well = f"{scene.event}.{scene.well}"
    async with reader.client.stream("GET", f"/deliveries/{well}?live=1") as live:
        assert live.status_code == 200
    assert (await told(console))[-1] == ("delivery.read", well, {})


async def test_pages_show_buyers_only_when_asked(reader: Reader, console: Console) -> None:
    """Whatever else is opened shows none, so that it is no look."""
    scene = await set_up(console)
    assert [path for path in scene.pages if BUYER in (await reader.open(path)).text] == []


@on_each_database
async def test_a_search_is_a_look(reader: Reader, console: Console) -> None:
    """It tells who has paid: the audit has the payments that were found, and not the buyer's name."""
    await set_up(console)
    before = len(await told(console))
    for wanted in (BUYER, "no such buyer", "imp_1"):
        await reader.open("/find", params={"q": wanted})
    entries = (await told(console))[before:]
    assert entries == [
        ("payment.search", "", {"found": ["imp_2", "imp_1"]}),
        ("payment.search", "", {}),
    ]


async def test_a_reader_who_may_not_act_leaves_no_trace(visitor: Reader, console: Console) -> None:
    """A 403 did nothing; but a look by such a token is one."""
    scene = await set_up(console)
    await visitor.sign_in(READ_ONLY)
    before = len(await told(console))
    assert (await visitor.send(f"/endpoints/{scene.sick}/disable")).status_code == 403
    assert (await visitor.send(f"{PAYMENT}/show")).status_code == 200
    assert [row[0] for row in (await told(console))[before:]] == ["payment.read"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_has_words(language: str) -> None:
    """In both languages."""
    words = catalogue_of(language)
    assert [action for action in ACTIONS if words.named("action", action) == action] == []


async def test_the_page_shows_and_filters(reader: Reader, console: Console) -> None:
    """Who, what, to what; each name is a link that filters; both languages."""
    endpoint = (await console.endpoint())["id"]
    await console.call("GET", f"/v1/endpoints/{endpoint}/secret")
    page = (await reader.open("/audit")).text
    assert "Endpoint created" in page
    assert f'href="/audit?object={endpoint}"' in page
    assert "엔드포인트 생성" in (await reader.open("/audit", headers={"accept-language": "ko"})).text
    filtered = (await reader.open(f"/audit?action=secret.read&object={endpoint}")).text
    assert (filtered.count("data-row="), ">Secret looked at<" in filtered) == (1, True)
    assert "No entries" in (await reader.open("/audit?actor=nobody")).text
    assert (await reader.open("/audit?cursor=x")).status_code == 422
