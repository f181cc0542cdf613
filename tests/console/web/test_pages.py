"""What pages show, without a script: in both languages, with nothing of the buyer until it is asked for."""

from __future__ import annotations

import html
import re
import tomllib
from importlib.resources import files

import pytest

from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import endpoint_event
from schemas.endpoints.health import EndpointHealth
from tests.console.conftest import READ_ONLY, Console, running
from tests.console.web.conftest import Reader
from tests.console.web.scene import BUYER, set_up
from tests.support import machine
from tests.support.clients import http_client
from tests.support.reasons import because


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_every_page_opens_in_both_languages(reader: Reader, console: Console, language: str) -> None:
    """Each has its one heading, no key of the catalogue without words, and what came from outside as text."""
    scene = await set_up(console)
    for path in scene.pages:
        answer = await reader.open(path, headers={"accept-language": language})
        assert answer.status_code == 200, f"{path}: {answer.text[:300]}"
        assert f'<html lang="{language}"' in answer.text
        assert answer.text.count("<h1") == 1
        assert "<script>" not in answer.text
        assert "<b>shop" not in answer.text
        text = re.sub(r"<[^>]+>", " ", answer.text)
        groups = (
            "page|nav|payments?|events?|deliver\\w+|endpoints?|replays|run|attempt|settings|merchants|concern|advice"
        )
        assert re.findall(rf"(?<![\w./-])(?:{groups})\.[a-z_]+(?![\w.*])", _without_types(text)) == []


async def test_what_came_of_a_payment_is_on_its_page(reader: Reader, console: Console) -> None:
    """The claim, what was found, who has it and who has not, and why."""
    scene = await set_up(console)
    text = (await reader.open("/payments/default/imp_1")).text
    for part in (
        "A webhook reported",
        "A look-up found",
        "1 of 2 deliveries have not arrived",
        "answered 500",
        "Retry now",
    ):
        assert part in text
    assert f"/deliveries/{scene.dead}/retry" in text
    ko = (await reader.open("/payments/default/imp_1", headers={"accept-language": "ko-KR,ko;q=0.9,en;q=0.5"})).text
    for part in (
        "웹훅이 알린 상태",
        "조회 결과",
        "전달 2건 중 1건이 도착하지 않았습니다",
        "1회 시도 후 실패 확정, 마지막 시도는 500 응답",
    ):
        assert part in ko


async def test_a_payment_of_a_test_channel_says_so(reader: Reader, console: Console) -> None:
    """Whether it was ever recorded or not, its page says why nothing comes of it, and so does its notification."""
    await machine.seen(console.ledger, "imp_known", sandbox=True)
    for imp_uid in ("imp_known", "imp_new"):
        await machine.hide(console.ledger, imp_uid)
        english = (await reader.open(f"/payments/default/{imp_uid}", headers={"accept-language": "en"})).text
        assert "It came through a test channel" in english
        assert "relay merchants put default --include-sandbox" in english
        korean = (await reader.open(f"/payments/default/{imp_uid}", headers={"accept-language": "ko"})).text
        assert korean.count("테스트 채널의 결제입니다") == 2
    await machine.seen(console.ledger, "imp_known", sandbox=True)
    page = await reader.open("/payments/default/imp_known", headers={"accept-language": "en"})
    assert "It came through a test channel" not in page.text


async def test_buyers_data_is_masked_until_asked_for(
    reader: Reader, console: Console, capfd: pytest.CaptureFixture[str]
) -> None:
    """No page shows it by itself; asking shows it, once, and the log says who asked and about what."""
    scene = await set_up(console)
    for path in scene.pages:
        text = (await reader.open(path)).text
        assert BUYER not in text
        assert "4111111111111111" not in text
        assert "비밀" not in text
    made_up = "/payments/default/imp_made_up"
    for path in ("/payments/default/imp_1", f"/events/{scene.event}", f"/deliveries/{scene.dead}", made_up):
        shown = await reader.send(f"{path}/show")
        assert shown.status_code == 200
        assert BUYER in shown.text
        assert BUYER not in (await reader.open(path)).text
    logged = [line for line in capfd.readouterr().out.splitlines() if "buyer_data_shown" in line]
    assert len(logged) == 4
    assert all("caller" in line and BUYER not in line for line in logged)
    assert "imp_1" in logged[0]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Escrow changed", "Refused by the buyer", "Other fields of the body")),
        ("ko", ("에스크로 상태 변경", "구매 거절", "본문의 나머지")),
    ],
)
async def test_an_escrow_change_on_its_pages(
    reader: Reader, console: Console, language: str, words: tuple[str, ...]
) -> None:
    """A payment's page says how its purchase went on, and what each webhook said beside the usual fields."""
    extra = b'{"event":"Inicis.Escrow.Changed","extra":{"escrow_status":"4","denied_reason":"too <b>small"}}'
    visitor = await machine.notify(console.ledger, "imp_1", extra=extra)
    await machine.notify(console.ledger, "imp_1", extra=extra, verified=True)
    await machine.look_at(console.ledger, {"imp_1": machine.payment("imp_1", escrow=True)})
    in_language = {"accept-language": language}
    text = (await reader.open("/payments/default/imp_1", headers=in_language)).text
    for part in (*words, "<code>Inicis.Escrow.Changed</code>", "too &lt;b&gt;small"):
        assert part in text
    listed = (await reader.open("/notifications", headers=in_language)).text
    assert f"d-extra-{visitor}" in listed
    assert "escrow_status" in listed
    reason = {"en": "an escrow change is accepted only from a verified source", "ko": "검증된 발신지에서 온 것만"}
    assert reason[language] in listed


async def test_secrets_are_shown_on_request_only(reader: Reader, console: Console) -> None:
    """A signing secret when its button is pressed; extra headers and credentials never."""
    scene = await set_up(console)
    secret = (await console.call("GET", f"/v1/endpoints/{scene.sick}/secret")).json()["secret"]
    for path in scene.pages:
        text = (await reader.open(path)).text
        assert secret not in text
        assert "s3cret" not in text
    assert secret in (await reader.send(f"/endpoints/{scene.sick}/secret")).text


async def test_what_follows_in_an_address_is_not_shown(redis_url: str) -> None:
    """A Redis URL may have its password behind the `?`: the settings show where it is, and no more; a proxy's, too."""
    environ = {
        "RELAY_QUEUE_URL": "redis://:pass1@127.0.0.1:7/1",
        "RELAY_IAMPORT_PROXY": "http://relay:pass3@proxy.example:3128",
    }
    address = f"{redis_url}?client_name=pass2"
    async with running(address, environ) as console, http_client(console.url) as client:
        reader = Reader(client)
        await reader.sign_in(READ_ONLY)
        text = (await reader.open("/settings")).text
    assert f"{redis_url}?…" in text
    assert "pass1" not in text
    assert "pass2" not in text
    assert "@proxy.example:3128" in text
    assert "pass3" not in text


async def test_a_command_to_repeat_a_callback(reader: Reader, console: Console) -> None:
    """It is signed as the subscriber expects and quotes whatever the body holds."""
    scene = await set_up(console)
    text = (await reader.send(f"/deliveries/{scene.dead}/show")).text
    command = re.search(r'<pre class="json" id="curl"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert command is not None
    assert "curl -X POST http://127.0.0.1:9/sick" in command[1]
    assert "webhook-signature: v1," in command[1]
    assert "s3cret" not in command[1]


async def test_a_command_shows_no_secret_of_another_endpoint_to_readers(visitor: Reader, console: Console) -> None:
    """A body can be about another endpoint, whose URL may hold a token: as on the page, so in the command."""
    url = "http://127.0.0.1:9/sick/xoJ5RzsAbCdEfGhIjKlMnOpQ"
    sick = (await console.endpoint(url=url))["id"]
    watching = (await console.endpoint(types=["endpoint.disabled"]))["id"]
    after = EndpointHealth(failures=20, failing_since=1.0)
    disabled = endpoint_event(
        Endpoint(sick, "default", url), "endpoint.disabled", EndpointHealth(), after, because("it is gone"), 2.0
    )
    assert await console.ledger.delivery_lane.note_health(
        sick, EndpointHealth(), after, disabled, because("it is gone")
    )
    (row,) = (await console.call("GET", "/v1/deliveries", params={"endpoint": watching})).json()["data"]
    await visitor.sign_in(READ_ONLY)
    text = (await visitor.send(f"/deliveries/{row['id']}/show")).text
    assert "curl -X POST" in text
    assert "127.0.0.1:9/sick/***" in text
    assert "xoJ5" not in text


async def test_preferences_are_remembered(reader: Reader) -> None:
    """Language, colours and zone, and back to where one was; anything else is passed over."""
    answer = await reader.send("/preferences", {"language": "ko", "theme": "dark", "zone": "UTC", "back": "/events"})
    assert answer.headers["location"] == "/events"
    text = (await reader.open("/events", headers={"accept-language": "en"})).text
    assert '<html lang="ko" data-theme="dark">' in text
    await reader.send("/preferences", {"language": "xx", "theme": "pink", "back": "https://evil.example"})
    assert '<html lang="ko" data-theme="dark">' in (await reader.open("/events")).text


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("imp_1", "/payments/default/imp_1"),
        ("imp_made_up", "/payments/default/imp_made_up"),
        ("order_imp_2", "/payments/default/imp_2"),
    ],
)
async def test_one_field_finds_everything(reader: Reader, console: Console, wanted: str, leads_to: str) -> None:
    """An imp_uid leads to its payment, known to i'mport or not; an order number of one payment, too."""
    await set_up(console)
    assert (await reader.open("/find", params={"q": wanted})).headers["location"] == leads_to


async def test_orders_are_found_by_their_number(reader: Reader, console: Console) -> None:
    """The list of a search shows the payments of an order number."""
    await set_up(console)
    text = (await reader.open("/payments", params={"q": "order_imp_1"})).text
    assert "/payments/default/imp_1" in text
    assert "/payments/default/imp_2" not in text


async def test_a_live_page_goes_on_where_it_is_shown(reader: Reader, console: Console) -> None:
    """What a form shows lives at the address of its page; a payment may be called like such a form."""
    await set_up(console)
    await machine.notify(console.ledger, "test")
    assert 'data-from="/payments/default/test"' in (await reader.open("/payments/default/test")).text
    assert 'data-from="/payments/default/imp_1"' in (await reader.send("/payments/default/imp_1/show")).text
    assert 'data-from="/events?type=payment.paid"' in (await reader.open("/events?type=payment.paid")).text


async def test_a_search_stays_with_the_merchant_that_was_chosen(reader: Reader, console: Console) -> None:
    """Another merchant's payment of the same imp_uid is not among what is found."""
    await set_up(console)
    text = (await reader.open("/payments", params={"q": "imp_1", "merchant": "shop"})).text
    assert "/payments/default/imp_1" not in text
    assert "/payments/default/imp_1" in (await reader.open("/payments", params={"q": "imp_1"})).text


async def test_bodies_that_were_refused_are_named(reader: Reader, console: Console) -> None:
    """The first page says that version V2 is sent, and what to do; the list of notifications has every reason."""
    by_reason = {"shop:version_2": 2, "-:empty": 1}
    await console.ledger.intake.count_refusals({"shop:400": 2, "-:400": 1}, by_reason)
    for language, first, then in (
        ("en", ("webhook version V2 for merchant shop", "Choose webhook version V1"), "the body is empty"),
        ("ko", ("가맹점 shop: 아임포트가 V2 버전의 웹훅을 보냅니다", "V1을 선택"), "본문이 비어 있습니다"),
    ):
        headers = {"accept-language": language}
        overview = html.unescape((await reader.open("/", headers=headers)).text)
        assert all(words in overview for words in first)
        listed = html.unescape((await reader.open("/notifications", headers=headers)).text)
        assert then in listed
        assert "shop:400" in listed


def test_both_catalogues_say_everything() -> None:
    """Korean and English have the same keys and places to fill in; the English words of reasons are in schemas."""
    catalogues = [
        tomllib.loads((files("console") / "i18n" / f"{code}.toml").read_text("utf-8")) for code in ("en", "ko")
    ]
    flat = [{key: sorted(re.findall(r"\{(\w+)\}", text)) for key, text in _flat(one)} for one in catalogues]
    english, korean = flat
    korean = {key: places for key, places in korean.items() if not key.startswith(("reason.", "choice."))}
    assert english.keys() == korean.keys()
    assert {key for key in english if set(english[key]) != set(korean[key]) and not key.endswith(".one")} == set()


def test_every_word_of_a_template_is_in_the_catalogue() -> None:
    """A key that a template asks for, whole, has words."""
    keys = {key for key, _ in _flat(tomllib.loads((files("console") / "i18n" / "en.toml").read_text("utf-8")))}
    keys |= {key.rpartition(".")[0] for key in keys if key.endswith((".one", ".other"))}
    folder = files("console") / "templates"
    texts = [one.read_text("utf-8") for one in (*folder.iterdir(), *(folder / "parts").iterdir()) if one.is_file()]
    asked = {key for text in texts for key in re.findall(r"\bt\('([a-z_]+\.[a-z0-9_.]*[a-z0-9_])'", text)}
    assert len(asked) > 200
    assert asked - keys == set()


def _flat(rows: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in rows.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            found.append((f"{prefix}{name}", value))
    return found


def _without_types(text: str) -> str:
    return re.sub(r"(?:payment|endpoint|relay)\.(?:[a-z_]+|\*)", "", text)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "i&#39;mport no longer shows what an event announced"), ("ko", "아임포트에 더 이상 없습니다")],
)
async def test_what_was_taken_back_is_said_first(reader: Reader, console: Console, language: str, said: str) -> None:
    """With a link to each event that is not borne out; what is left can be cancelled again."""
    await machine.taken_back(console.ledger, "imp_1")
    (gone,) = (await console.call("GET", "/v1/payments/imp_1")).json()["contradicts"]
    text = (await reader.open("/payments/default/imp_1", headers={"accept-language": language})).text
    assert said in text
    assert f'href="/events/{gone}"' in text
    assert 'action="/payments/default/imp_1/cancel"' in text
    await machine.seen(console.ledger, "imp_2")
    other = (await reader.open("/payments/default/imp_2", headers={"accept-language": language})).text
    assert said not in other


async def test_a_long_story_is_shown_in_part(reader: Reader, console: Console) -> None:
    """A payment with a long history has only its latest events on its page, and the page says so."""
    rows = [{"pg_tid": f"d{n}", "amount": 1, "depositor_name": "x" * 3000, "deposited_at": n + 1} for n in range(60)]
    await machine.seen(console.ledger, "imp_1", amount=0, pay_method="vbank", deposit_history=rows)
    text = (await reader.open("/payments/default/imp_1", headers={"accept-language": "en"})).text
    assert "Only the latest part of a long timeline is shown" in text
    assert "event #60" in text
    assert "event #1<" not in text
    assert 'action="/payments/default/imp_1/cancel"' in text
