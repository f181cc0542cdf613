"""The commands that talk to a console, against a real one."""

from __future__ import annotations

import asyncio
import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
import typer
from click.testing import CliRunner, Result
from standardwebhooks.webhooks import Webhook
from typer.main import get_command

from cli import main
from cli.client import RelayLocation
from cli.commands import register
from cli.main import app as whole
from ledger.heartbeats import Heartbeat
from schemas import wire
from schemas.endpoints.delivery import Dead
from schemas.endpoints.signature import signed_headers
from tests.cli.test_endings import HOOK, end_commands, started
from tests.console.conftest import KEY, READ_ONLY, TOKEN, Console, running
from tests.support import machine
from tests.support.iamport_stub import Stub, no
from tests.support.processes import ROOT
from tests.support.reasons import because
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE

app = typer.Typer()
register(app)

COMMAND: Any = get_command(app)
"""All commands of `relay`, made once: that takes longer than most that are run."""


@pytest.fixture
async def console(redis_url: str) -> AsyncIterator[Console]:
    """A console with an empty ledger."""
    environ = {"RELAY_DELIVERY_TIMEOUT": "100ms", "IMP_KEY": "key", "IMP_SECRET": "secret"}
    async with running(redis_url, environ) as console:
        yield console


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at a terminal, and says nothing when asked."""
    monkeypatch.setattr("cli.output.is_interactive", lambda: True)


async def relay(console: Console, *arguments: str, token: str = TOKEN, **environ: str) -> Result:
    """`relay arguments…` while the console answers."""
    known = {"RELAY_CONSOLE_URL": console.url, "RELAY_API_TOKEN": token, "IMP_KEY": "", "IMP_SECRET": "", **environ}
    return await asyncio.to_thread(CliRunner().invoke, COMMAND, list(arguments), env=known, catch_exceptions=False)


async def asked(console: Console, *arguments: str) -> Any:
    """What a command prints with --json, when it succeeds."""
    result = await relay(console, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_merchants_are_put_listed_shown_and_deleted(console: Console) -> None:
    """All verbs, and never a secret."""
    put = await relay(console, "merchants", "put", "shop", "--imp-key", "1234567890123", "--imp-secret", "s3cret")
    assert (put.exit_code, "s3cret" in put.output) == (0, False)
    assert [row["merchant"] for row in (await asked(console, "merchants", "list"))["data"]] == ["shop", "default"]
    shown = await relay(console, "merchants", "show", "shop")
    assert "1234…" in shown.stdout
    assert (await asked(console, "merchants", "delete", "shop")) == {"deleted": "shop"}
    gone = await relay(console, "merchants", "show", "shop")
    assert (gone.exit_code, gone.stderr) == (1, "relay: there is no merchant 'shop'\n")


async def test_credentials_of_a_merchant_can_stand_in_files(console: Console, tmp_path: Path) -> None:
    """As every process reads them; what is given with the command goes before them."""
    key, secret = tmp_path / "key", tmp_path / "secret"
    key.write_text("1234567890123\n")
    secret.write_text("s3cret\n")
    in_files = {"IMP_KEY_FILE": str(key), "IMP_SECRET_FILE": str(secret)}
    put = await relay(console, "merchants", "put", "shop", "--json", **in_files)
    assert (put.exit_code, json.loads(put.stdout)["imp_key"]) == (0, "1234…"), put.output
    put = await relay(console, "merchants", "put", "shop", "--imp-key", "other", "--json", **in_files)
    assert put.exit_code == 0
    secret.unlink()
    put = await relay(console, "merchants", "put", "shop", **in_files)
    assert (put.exit_code, "IMP_SECRET_FILE" in put.stderr, "Traceback" in put.stderr) == (1, True, False)


async def test_endpoints_are_created_changed_and_deleted(console: Console) -> None:
    """All verbs; numbers, headers and types arrive as they were given."""
    created = await asked(
        console, "endpoints", "create", "http://127.0.0.1:9/", "--type", "payment.paid", "--type", "payment.failed",
        "--unordered", "--rate-limit", "0.5", "--header", "x-a: b:c", "--payload", "thin",
    )  # fmt: skip
    assert created["types"] == ["payment.paid", "payment.failed"]
    assert (created["ordered"], created["rate_limit"], created["payload"]) == (False, 0.5, "thin")
    assert created["headers"] == {"x-a": "***"}
    name = created["id"]
    changes = ("--rate-limit", "0", "--max-in-flight", "3", "--ordered")
    updated = await asked(console, "endpoints", "update", name, *changes)
    assert (updated["rate_limit"], updated["max_in_flight"], updated["ordered"]) == (None, 3, True)
    assert (await asked(console, "endpoints", "secret", name))["secret"] == created["secret"]
    rotated = await asked(console, "endpoints", "rotate", name, "--overlap", "1h")
    assert rotated["previous"][0]["secret"] == created["secret"]
    assert (await asked(console, "endpoints", "disable", name))["state"] == "disabled"
    assert (await asked(console, "endpoints", "enable", name))["state"] == "enabled"
    listed = await relay(console, "endpoints", "list")
    assert name in listed.stdout
    assert (await relay(console, "endpoints", "show", name)).exit_code == 0
    untested = await relay(console, "endpoints", "test", name)
    assert untested.exit_code == 1
    assert (await asked(console, "endpoints", "delete", name, "--yes")) == {"deleted": name}


async def test_deleting_asks_first(console: Console, person: None) -> None:
    """Without --yes and without a yes, nothing is deleted."""
    name = (await console.endpoint())["id"]
    result = await relay(console, "endpoints", "delete", name)
    assert result.exit_code == 1
    assert [row["id"] for row in (await asked(console, "endpoints", "list"))["data"]] == [name]


async def test_a_program_is_not_asked(console: Console) -> None:
    """With --json or without a terminal there is no confirmation: the command does what it says."""
    first, second = [(await console.endpoint())["id"] for _ in range(2)]
    assert (await asked(console, "replay", "--endpoint", first, "--no-wait"))["state"] == "running"
    assert (await relay(console, "replay", "--endpoint", first, "--no-wait")).exit_code == 0
    assert len((await asked(console, "replay", "list"))["data"]) == 2
    assert (await asked(console, "endpoints", "delete", first)) == {"deleted": first}
    assert (await relay(console, "endpoints", "delete", second)).exit_code == 0
    assert (await asked(console, "endpoints", "list"))["data"] == []


def test_every_command_has_json() -> None:
    """Every command takes `--json`."""
    commands: list[Any] = [typer.main.get_group(whole)]
    lacking = []
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        carries_out = not hasattr(command, "commands") or (command.invoke_without_command and command.name != "relay")
        if carries_out and not any("--json" in param.opts for param in command.params):
            lacking.append(command.name)
    assert lacking == []


async def test_deleting_a_merchant_asks_first_too(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its credentials are deleted, and its webhooks are refused from then on."""
    await asked(console, "merchants", "put", "shop", "--imp-key", "1234567890123", "--imp-secret", "s3cret")
    monkeypatch.setattr("cli.output.is_interactive", lambda: True)
    assert (await relay(console, "merchants", "delete", "shop")).exit_code == 1
    assert (await relay(console, "merchants", "show", "shop")).exit_code == 0
    assert (await relay(console, "merchants", "delete", "shop", "--yes")).exit_code == 0


def test_a_token_is_sent_to_a_sandbox_only() -> None:
    """IMP_API_URL may be i'mport itself, which is no sandbox and has no business with the relay's token."""
    heard: list[bytes] = []

    class Iamport(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            heard.append(self.requestline.encode() + self.rfile.read(int(self.headers.get("content-length", 0))))
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b'{"code": -1, "message": "no such address", "response": null}')

        do_GET = do_POST = answer  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Iamport) as server:
        threading.Thread(target=server.serve_forever).start()
        environ = {"IMP_API_URL": f"http://127.0.0.1:{server.server_port}", "RELAY_API_TOKEN": "operators-token"}
        result = CliRunner().invoke(COMMAND, ["trigger", "card"], env=environ, catch_exceptions=False)
        server.shutdown()
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert heard
    assert b"operators-token" not in b"".join(heard)


async def test_the_story_of_a_payment_is_read(console: Console) -> None:
    """Payments, events, deliveries and notifications, as tables and as JSON."""
    endpoint = (await console.endpoint())["id"]
    await machine.seen(console.ledger, "imp_1")
    await machine.send(console.ledger, endpoint, Dead(because("dead after 1 attempt")), status_code=500)
    payment = await asked(console, "payments", "show", "imp_1")
    assert (payment["status"], payment["amount"]) == ("paid", 1004)
    people = await relay(console, "payments", "show", "imp_1")
    assert "payment.paid" in people.stdout
    assert "홍길동" not in people.stdout
    [row] = (await asked(console, "payments", "list", "--status", "paid"))["data"]
    assert row["imp_uid"] == "imp_1"
    [event] = (await asked(console, "events", "list", "--imp-uid", "imp_1", "--type", "payment.paid"))["data"]
    assert (await asked(console, "events", "show", event["id"])) == event
    why = await asked(console, "events", "explain", event["id"], "--endpoint", endpoint)
    assert why["got"] == "no"
    [delivery] = (await asked(console, "deliveries", "list", "--state", "dead"))["data"]
    assert (await asked(console, "deliveries", "show", delivery["id"]))["attempts"][0]["status_code"] == 500
    assert (await relay(console, "deliveries", "show", delivery["id"])).exit_code == 0
    assert (await asked(console, "deliveries", "retry", delivery["id"]))["state"] == "pending"
    [noted] = (await asked(console, "notifications", "list", "--outcome", "applied"))["data"]
    assert await asked(console, "notifications", "show", noted["id"]) == noted
    assert noted["imp_uid"] == "imp_1"
    for group in ("payments", "events", "deliveries", "notifications"):
        table = await relay(console, group, "list")
        assert (table.exit_code, "imp_1" in table.stdout) == (0, True), table.output


async def test_what_else_a_webhook_held_is_shown(console: Console) -> None:
    """A notification's extra is shown; what it says of a buyer only to who asks for JSON."""
    extra = b'{"event":"Some.Thing","extra":{"escrow_status":"4","buyer_name":"\xed\x99\x8d"}}'
    noted, plain = (
        await machine.notify(console.ledger, "imp_1", extra=extra),
        await machine.notify(console.ledger, "i"),
    )
    people = await relay(console, "notifications", "show", noted)
    assert '"escrow_status":"4"' in people.stdout
    assert "Some.Thing" in people.stdout
    assert "홍" not in people.stdout
    assert (await asked(console, "notifications", "show", noted))["extra"]["extra"]["buyer_name"] == "홍"
    assert (await relay(console, "notifications", "show", plain)).exit_code == 0


async def test_cancelling_and_expecting(console: Console) -> None:
    """A cancellation asked for elsewhere is noted, then closed; an order's amount is kept digit for digit."""
    await machine.seen(console.ledger, "imp_1")
    noted = await asked(console, "payments", "cancel", "imp_1", "--record-only", "--amount", "4", "--reason", "r")
    assert noted["status"] == "cancellation_pending"
    [request] = noted["cancellations"]
    closed = await asked(console, "payments", "reject", "imp_1", request["id"], "--reason", "turned down")
    assert closed["status"] == "paid"
    expected = await relay(console, "payments", "expect", "주문/1", "10.50", "--json")
    assert '"amount":10.50' in expected.stdout
    wrong = await relay(console, "payments", "expect", "order", "ten")
    assert wrong.exit_code == 2


async def test_a_cancellation_has_what_gateways_ask_for(redis_url: str, stub: Stub) -> None:
    """KCP cancels nothing without `tax_free`, and a deposit is paid back to an account: every field of the API has an
    option, and one that is left out is not sent."""
    stub.reply = lambda _asked: no(200, "not today")
    fields = (
        "--amount", "500", "--checksum", "1004", "--tax-free", "0", "--vat-amount", "45.5", "--refund-holder", "홍길동",
        "--refund-bank", "004", "--refund-account", "123-45", "--refund-tel", "010", "--retain-promotion",
        "--extra", '{"requester": "customer"}',
    )  # fmt: skip
    environ = {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret"}
    async with running(redis_url, environ) as console:
        await machine.seen(console.ledger, "imp_1", amount=1004)
        for given in (fields, ()):
            refused = await relay(console, "payments", "cancel", "imp_1", *given)
            assert (refused.exit_code, refused.stderr) == (1, "relay: i'mport refused: not today\n")
        for extra in ("{", "[]", "1"):
            wrong = await relay(console, "payments", "cancel", "imp_1", "--extra", extra)
            assert (wrong.exit_code, "is not a JSON object" in wrong.stderr) == (2, True)
    sent = [asked.body for asked in stub.calls if asked.path == "/payments/cancel"]
    assert [wire.loads(body) for body in sent] == [
        {
            "imp_uid": "imp_1", "enable_webhook": True, "amount": 500, "checksum": 1004, "tax_free": 0,
            "vat_amount": Decimal("45.5"), "refund_holder": "홍길동", "refund_bank": "004", "refund_account": "123-45",
            "refund_tel": "010", "retain_promotion": True, "extra": {"requester": "customer"},
        },
        {"imp_uid": "imp_1", "enable_webhook": True, "checksum": 1004},
    ]  # fmt: skip


async def test_erasing_needs_a_reason(console: Console) -> None:
    """The command asks for it, before it asks whether to go on; nothing is sent without one."""
    await machine.seen(console.ledger, "imp_1")
    refused = await relay(console, "payments", "erase", "imp_1")
    assert (refused.exit_code, "Missing option '--reason'" in refused.stderr) == (2, True)
    assert (await relay(console, "payments", "erase", "imp_1", "--reason", "asked")).exit_code == 0


async def test_texts_do_nothing_to_a_terminal(console: Console) -> None:
    """What a buyer or a webhook wrote cannot move the cursor."""
    await machine.seen(console.ledger, "imp_1", merchant_uid="a\x1b[2Jb")
    for arguments in (("payments", "list"), ("payments", "show", "imp_1")):
        result = await relay(console, *arguments)
        assert (result.exit_code, "\x1b[2J" in result.stdout, "a�[2Jb" in result.stdout) == (0, False, True)


async def test_lists_go_on_with_a_cursor(console: Console) -> None:
    """A list that has more says how to go on."""
    for _ in range(3):
        await console.endpoint()
    first = await asked(console, "endpoints", "list", "--limit", "2")
    second = await asked(console, "endpoints", "list", "--limit", "2", "--cursor", first["next_cursor"])
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)
    table = await relay(console, "endpoints", "list", "--limit", "2")
    assert f"--cursor {first['next_cursor']}" in table.stdout


async def test_a_proxy_is_not_asked_for_this_machine(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is for the world outside; the console and the sandbox of this machine are not there."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    listed = await relay(console, "merchants", "list")
    assert listed.exit_code == 0, listed.output
    asked_for_a_sandbox = await relay(console, "trigger", "--sandbox", console.url)
    assert asked_for_a_sandbox.stderr == "relay: Not Found\n"


async def test_failures_are_one_line_and_exit_1(console: Console) -> None:
    """A wrong token, a read-only one, a console that is away, a wrong field: one line each."""
    wrong = await relay(console, "endpoints", "list", token="wrong")
    assert (wrong.exit_code, "RELAY_API_TOKEN" in wrong.stderr) == (1, True)
    reader = await relay(console, "merchants", "delete", "shop", token=READ_ONLY)
    assert (reader.exit_code, reader.stderr) == (1, "relay: this token is read-only\n")
    away = await relay(console, "endpoints", "list", RELAY_CONSOLE_URL="http://127.0.0.1:1")
    assert (away.exit_code, away.stderr.count("\n")) == (1, 1)
    bad = await relay(console, "endpoints", "create", "nonsense")
    assert (bad.exit_code, bad.stderr.startswith("relay: url: ")) == (1, True)
    for result in (wrong, reader, away, bad):
        assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [("restore",), ("migrate", "--plan"), ("migrate",)])
@pytest.mark.parametrize(
    "environ",
    [
        {"RELAY_ENCRYPTION_KEY": "no-key"},
        {"RELAY_ENCRYPTION_KEY": ""},
        {"RELAY_ENCRYPTION_KEY": KEY, "RELAY_HISTORY_URL": "mysql://"},
        {"RELAY_ENCRYPTION_KEY": KEY, "REDIS_URL": "redis://127.0.0.1:1/0"},
    ],
)
def test_without_a_console_failures_are_one_line_too(arguments: tuple[str, ...], environ: dict[str, str]) -> None:
    """Of commands that talk to Redis and history themselves; the value of a secret is not in it."""
    result = CliRunner().invoke(COMMAND, arguments, env=environ)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    assert result.stderr.startswith(f"relay {arguments[0]}: ")
    assert "no-key" not in result.stderr


async def test_migrating_says_what_it_did(redis_url: str, tmp_path: Path) -> None:
    """A ledger and a history that are new are made; the second time there is nothing to do."""
    environ = {
        "REDIS_URL": redis_url, "RELAY_QUEUE_URL": redis_url, "RELAY_ENCRYPTION_KEY": KEY,
        "RELAY_HISTORY_URL": f"sqlite:///{tmp_path}/history.db",
    }  # fmt: skip

    async def migrate(*options: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, COMMAND, ["migrate", *options], env=environ)
        assert result.exit_code == 0, result.output
        return result.output

    plan = await migrate("--plan")
    assert "begins with data format version" in plan
    assert "0001" in plan
    assert "nothing was changed" in plan
    assert not (tmp_path / "history.db").exists()
    assert "done" in await migrate()
    assert "nothing has to be done" in await migrate()


@pytest.mark.parametrize("arguments", [["endpoints", "lst"], ["payments", "show"], ["events", "list", "--limit", "x"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    """Wrong usage and failure have different exit statuses."""
    assert CliRunner().invoke(COMMAND, arguments).exit_code == 2


def test_every_command_has_help_with_an_example() -> None:
    """Each says what it does and shows how, with nothing that a shell would stumble over."""
    for name, command in typer.main.get_group(main.app).commands.items():
        for one in getattr(command, "commands", {name: command}).values():
            _, _, example = (one.help or "").partition("Example: ")
            assert example.startswith(f"relay {name}"), f"{name} {one.name}"
            assert "(" not in example, example


def test_starting_is_quick() -> None:
    """What one command needs is not loaded for all: the ledger is not there before the doctor asks for it."""
    code = "import sys, cli.main; print([name for name in sys.modules if name.split('.')[0] in ('ledger', 'dramatiq')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout == "[]\n"


async def test_a_replay_is_counted_begun_watched_and_stopped(console: Console, person: None) -> None:
    """The count comes first; without --yes nothing is queued; a stopped one says so."""
    endpoint = (await console.endpoint())["id"]
    await machine.seen(console.ledger, "imp_1", "imp_2")
    await machine.send(console.ledger, endpoint, Dead(because("dead")), status_code=500)
    counted = await asked(console, "replay", "--only", "dead", "--dry-run")
    assert (counted["matched"], "id" in counted) == (2, False)
    refused = await relay(console, "replay", "--only", "dead")
    assert refused.exit_code == 1
    begun = await asked(console, "replay", "--only", "dead", "--endpoint", endpoint, "--yes", "--no-wait")
    assert (begun["state"], begun["matched"]) == ("running", 2)
    assert [row["id"] for row in (await asked(console, "replay", "list"))["data"]] == [begun["id"]]
    assert (await asked(console, "replay", "show", begun["id"]))["only"] == "dead"
    assert (await asked(console, "replay", "stop", begun["id"]))["state"] == "stopped"


async def test_a_reconciliation_is_begun_and_shown(console: Console) -> None:
    """By default it compares the last day and delivers nothing."""
    begun = await asked(console, "reconcile", "--no-wait")
    assert (begun["merchant"], begun["state"], begun["deliver"]) == ("default", "running", False)
    assert [row["id"] for row in (await asked(console, "reconcile", "list"))["data"]] == [begun["id"]]
    assert (await asked(console, "reconcile", "show", begun["id"])) == begun
    window = ("--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z")
    upside_down = await relay(console, "reconcile", *window)
    assert (upside_down.exit_code, upside_down.stderr) == (1, "relay: until: must be later than since\n")


LISTS = (
    ("payments", "list"), ("events", "list"), ("deliveries", "list"), ("notifications", "list"), ("merchants", "list"),
    ("endpoints", "list"), ("replay", "list"), ("reconcile", "list"), ("audit",),
)  # fmt: skip


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
async def test_every_list_takes_a_window(console: Console, command: tuple[str, ...]) -> None:
    """[since, until), as the API; what is no time, or ends before it begins, is said in one line."""
    await console.endpoint()
    await machine.notify(console.ledger, "imp_1")
    await machine.seen(console.ledger, "imp_1")
    await console.call("POST", "/v1/replays", {"only": "all"})
    old, new = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    window = {"merchant": "default", "since": old, "until": "2026-01-02T00:00:00Z"}
    await console.call("POST", "/v1/reconciliations", window)
    assert (await asked(console, *command, "--since", old, "--until", new))["data"] != []
    assert (await asked(console, *command, "--since", new))["data"] == []
    assert (await asked(console, *command, "--until", old))["data"] == []
    for given, error in (
        (("--since", "yesterday"), "since: must be a time as in RFC 3339, e.g. 2026-11-23T01:02:03Z"),
        (("--since", new, "--until", old), "until: must not be before since"),
    ):
        refused = await relay(console, *command, *given)
        assert (refused.exit_code, refused.stderr) == (1, f"relay: {error}\n")


async def test_tail_shows_old_events_and_then_new_ones(console: Console) -> None:
    """It begins with the latest and goes on as they happen, each once and in order."""
    await machine.seen(console.ledger, "imp_1")
    tailing = asyncio.create_task(relay(console, "tail", "--count", "3", "--json"))
    await asyncio.sleep(0.5)  # it has read the latest; what it prints is only known at its end
    await machine.seen(console.ledger, "imp_2")
    await asyncio.sleep(0.01)  # another millisecond: events of the same one have no order
    await machine.seen(console.ledger, "imp_3")
    async with asyncio.timeout(PATIENCE):
        result = await tailing
    seen = [json.loads(line)["data"]["imp_uid"] for line in result.stdout.splitlines()]
    assert (result.exit_code, seen) == (0, ["imp_1", "imp_2", "imp_3"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_listening_ends_with_its_endpoint(console: Console, number: signal.Signals) -> None:
    """While it listens there is an endpoint, whose secret it says; however it is asked to end, that is deleted."""
    process = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            said = await process.stdout.readline()
            [endpoint] = (await asked(console, "endpoints", "list"))["data"]
            process.send_signal(number)
            _, errors = await process.communicate()
    finally:
        await end_commands()
    assert said.startswith(b"sending to http://127.0.0.1:9/hook, signed with whsec_")
    assert (process.returncode, errors.decode()) == (0, f"relay: {endpoint['id']} is deleted\n")
    assert (await asked(console, "endpoints", "list"))["data"] == []


async def test_the_doctor_finds_what_is_wrong(console: Console) -> None:
    """A sound relay passes; a disabled endpoint is a warning, one that no worker tests is bad."""
    await console.ledger.heartbeats.report("host-1", Heartbeat("1.0", 1.0, None, None, None))
    well = await relay(console, "doctor")
    assert (well.exit_code, "durable" in well.stdout) == (0, True)
    await console.endpoint()
    disabled = (await console.endpoint())["id"]
    await console.call("POST", f"/v1/endpoints/{disabled}/disable")
    report = await relay(console, "doctor", "--json")
    assert report.exit_code == 1
    found = json.loads(report.stdout)["findings"]
    outcomes = {finding["text"]: finding["outcome"] for finding in found if finding["subject"].startswith("endpoint")}
    assert outcomes == {
        "the test event did not go out: no worker has sent it": "bad",
        "disabled: disabled by an operator": "warning",
    }
    assert (await relay(console, "doctor", "--no-test")).exit_code == 0


async def test_a_sub_merchant_on_the_command_line(console: Console) -> None:
    """Its tier is put and shown, turned down where it is none, and named by the doctor."""
    keys = ("--imp-key", "1234567890123", "--imp-secret", "s3cret")
    await asked(console, "merchants", "put", "branch", *keys, "--tier", "SUB")
    assert (await asked(console, "merchants", "show", "branch"))["tier"] == "SUB"
    wrong = await relay(console, "merchants", "put", "branch", *keys, "--tier", "SU")
    assert (wrong.exit_code, "tier" in wrong.stderr) == (1, True)
    assert "merchant branch (sub-merchant SUB)" in (await relay(console, "doctor")).stdout


async def test_the_doctor_says_that_version_2_is_sent(console: Console) -> None:
    """Bodies that were refused within a day are named with what to do; it does not fail for them."""
    await console.ledger.heartbeats.report("host-1", Heartbeat("1.0", 1.0, None, None, None))
    await console.ledger.intake.count_refusals({"shop:400": 2, "-:400": 1}, {"shop:version_2": 2, "-:empty": 1})
    report = await relay(console, "doctor", "--no-test", "--json")
    assert report.exit_code == 0
    found = {one["subject"]: one for one in json.loads(report.stdout)["findings"]}
    version_2 = found["webhooks of merchant shop"]
    assert version_2["outcome"] == "warning"
    assert "2 were refused and are lost" in version_2["text"]
    assert "version V1" in version_2["advice"]
    assert "the body is empty" in found["webhooks of unknown merchants"]["text"]


async def test_the_doctor_looks_at_redis_when_the_console_is_away(console: Console, redis_url: str) -> None:
    """Without a console it says so, and whether it is Redis."""
    away = {"RELAY_CONSOLE_URL": "http://127.0.0.1:1"}
    result = await relay(console, "doctor", **away, REDIS_URL=redis_url)
    assert (result.exit_code, "✗ console" in result.stdout, "✓ redis" in result.stdout) == (1, True, True)
    worse = await relay(console, "doctor", **away, REDIS_URL="redis://127.0.0.1:1/0")
    assert "✗ redis" in worse.stdout


async def test_the_doctor_finds_a_redis_that_may_lose_things(own_redis: RedisServer) -> None:
    """With or without a console: it is bad, the reason is named, and so is what to do."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("appendonly", "no")
    async with running(own_redis.url, {}) as console:
        here = await relay(console, "doctor", "--no-test", "--json")
        away = await relay(console, "doctor", "--json", RELAY_CONSOLE_URL="http://127.0.0.1:1", REDIS_URL=own_redis.url)
    for result in (here, away):
        assert result.exit_code == 1
        (found,) = [one for one in json.loads(result.stdout)["findings"] if one["subject"] == "redis"]
        assert (found["outcome"], found["text"]) == ("bad", "not durable: appendonly is no, not yes")
        assert "appendonly yes, appendfsync always, maxmemory-policy noeviction" in found["advice"]


def test_a_callback_is_verified(tmp_path: Path) -> None:
    """A genuine signature passes, a changed body does not, from a file or from standard input."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"a": "값"}'.encode()
    headers = signed_headers("evt_1", body, [secret], int(time.time()))
    Webhook(secret).verify(body, headers)
    path = tmp_path / "body.json"
    path.write_bytes(body)
    options = [
        "verify", "--secret", secret, "--id", "evt_1", "--timestamp", headers["webhook-timestamp"],
        "--signature", headers["webhook-signature"],
    ]  # fmt: skip
    assert CliRunner().invoke(COMMAND, [*options, str(path)]).exit_code == 0
    assert CliRunner().invoke(COMMAND, options, input=body).exit_code == 0
    assert CliRunner().invoke(COMMAND, options, input=body + b" ").exit_code == 1
    unread = CliRunner().invoke(COMMAND, [*options, str(tmp_path / "none")])
    assert (unread.exit_code, unread.stderr) == (
        1,
        f"relay: {tmp_path}/none cannot be read: No such file or directory\n",
    )
    for useless in ("", "whsec_", "whsec_?"):
        result = CliRunner().invoke(COMMAND, [*options, "--secret", useless, str(path)])
        assert (result.exit_code, result.stderr.startswith("relay: not valid: ")) == (1, True)


def test_a_local_token_goes_to_the_local_console_only(tmp_path: Path) -> None:
    """What `relay up` wrote is used where the environment names no console, and sent to no other."""
    running_ = tmp_path / "relay.json"
    running_.write_text('{"console_url": "http://127.0.0.1:8055", "token": "local", "sandbox_url": "http://s"}')
    local = RelayLocation.find({}, running_)
    assert (local.console_url, local.token, local.sandbox_url) == ("http://127.0.0.1:8055", "local", "http://s")
    named = RelayLocation.find({"RELAY_CONSOLE_URL": "https://relay.example"}, running_)
    assert (named.console_url, named.token) == ("https://relay.example", None)
    given = RelayLocation.find({"RELAY_API_TOKEN": "ro:reader,writer"}, running_)
    assert given.token == "writer"
    assert RelayLocation.find({}, tmp_path / "none") == RelayLocation("http://127.0.0.1:8001", None)
    assert "local" not in repr(local).replace("http://", "")


async def test_keys_are_changed(console: Console) -> None:
    """What was sealed anew is counted; what no key opens is named, and the exit status says so."""
    await console.ledger.merchants.put("shop", imp_key="planted", imp_secret="planted")
    told = await relay(console, "keys", "reseal")
    assert (told.exit_code, "0 merchants" in told.stdout, "merchant shop" in told.stdout) == (1, True, True)
    await console.ledger.merchants.delete("shop")
    assert await asked(console, "keys", "reseal") == {"merchants": 0, "endpoints": 0, "unreadable": []}


async def test_a_payment_is_shown_with_what_was_taken_back(console: Console) -> None:
    """The events that i'mport no longer bears out are marked as such."""
    await machine.taken_back(console.ledger, "imp_1")
    shown = await relay(console, "payments", "show", "imp_1")
    assert "i'mport no longer shows what these events announced" in shown.output
    marked = [line for line in shown.output.splitlines() if "no longer shown by i'mport" in line]
    assert len(marked) == 1
    assert len((await asked(console, "payments", "show", "imp_1"))["contradicts"]) == 1
