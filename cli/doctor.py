"""`relay doctor`: checks the whole relay and shows what to do about each problem."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import CallFailed, RelayClient, console, path_part, succeeded
from cli.diagnosis import Finding, Outcome, durability_of, first_to_fix, ledger_or_queue, of_stats
from cli.output import Json, print_json, printable, terminal
from runtime.settings import Settings
from schemas.errors import BadSetting, RelayError
from schemas.reasons import english
from schemas.reasons.english_words import FREE_MEMORY

app = typer.Typer()

MAX_SKEW = 5.0
"""Seconds by which two clocks may differ without a warning; a callback's signature is valid for 5 minutes."""

_OF_PROXY = ("proxy_unreachable", "proxy_status", "proxy_credentials_refused")
_SEE_WORKERS = "workers run: fix the reason and try again, or see their logs"
_MARKS: dict[Outcome, tuple[str, str]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}


@app.command()
def doctor(
    test_endpoints: Annotated[
        bool, typer.Option("--test/--no-test", help="Send each enabled endpoint a relay.test event.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Check Redis, workers, credentials, clocks and endpoints; exit 1 if something is wrong.

    Example: relay doctor --no-test
    """
    found: list[Finding] = []
    with console() as api:
        for finding in examine(api, test_endpoints=test_endpoints):
            found.append(finding)
            if not as_json:
                terminal().print(rendered(finding))
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found]})
    raise typer.Exit(1 if any(finding.outcome == "bad" for finding in found) else 0)


def examine(api: RelayClient, *, test_endpoints: bool) -> Iterator[Finding]:
    """All findings, one by one as they are made."""
    try:
        answer = api.send("GET", "/livez")
    except CallFailed as error:
        advice = "start it (`relay up`, `python -m console`), or set RELAY_CONSOLE_URL"
        yield Finding("console", "bad", str(error), advice)
        yield from _redis_itself()
        return
    yield Finding("console", "ok", f"answers at {api.location.console_url}")
    yield _clock(answer.headers.get("date"))
    try:
        stats = api.call("GET", "/v1/stats")
    except CallFailed as error:
        advice = "set RELAY_API_TOKEN to one of the console's tokens" if error.status == 401 else "check Redis"
        yield Finding("access", "bad", str(error), advice)
        return
    yield from of_stats(stats)
    if not stats["history"]["available"]:
        advice = "run `relay doctor` again when history can be read: it lists them"
        yield Finding("merchants and endpoints", "warning", "not checked", advice)
        return
    for merchant in api.all("/v1/merchants"):
        yield _merchant(api, merchant["merchant"], merchant["tier"])
    for endpoint in api.all("/v1/endpoints"):
        yield _endpoint(api, endpoint, stats, test=test_endpoints)


def rendered(finding: Finding) -> Text:
    """A finding in one line, and its advice in a second."""
    mark, style = _MARKS[finding.outcome]
    advice = f"\n    → {printable(finding.advice)}" if finding.advice else ""
    return Text.assemble(
        (f"{mark} ", style), (f"{printable(finding.subject)}: ", "bold"), printable(finding.text), advice
    )


def _clock(date: str | None) -> Finding:
    if date is None:
        return Finding("clock", "warning", "the console's answer has no date")
    skew = time.time() - parsedate_to_datetime(date).timestamp()
    # The `Date` header has whole seconds.
    if -MAX_SKEW <= skew <= MAX_SKEW + 1:
        return Finding("clock", "ok", "this machine and the console agree")
    text = f"this machine's clock differs from the console's by {skew:+.0f} s"
    return Finding("clock", "warning", text, "synchronize both with NTP")


def _merchant(api: RelayClient, name: str, tier: str | None) -> Finding:
    subject = f"merchant {name}" if tier is None else f"merchant {name} (sub-merchant {tier})"
    tried = api.call("GET", f"/v1/merchants/{path_part(name)}/check")
    if tried["outcome"] == "wrong_credentials":
        return Finding(subject, "bad", tried["reason"], "set the right credentials: `relay merchants put`")
    if tried["outcome"] == "failing":
        see = "RELAY_IAMPORT_PROXY" if tried["reason_code"] in _OF_PROXY else "IMP_API_URL"
        return Finding(subject, "warning", tried["reason"], f"webhooks are still accepted meanwhile; check {see}")
    return Finding(subject, "ok", "i'mport accepts its credentials")


def _endpoint(api: RelayClient, endpoint: dict[str, Any], stats: dict[str, Any], *, test: bool) -> Finding:
    subject = f"endpoint {endpoint['id']} ({endpoint['url']})"
    enable = f"`relay endpoints enable {endpoint['id']}`"
    if endpoint["state"] == "disabled":
        text = f"disabled: {endpoint['disabled_reason']}"
        return Finding(subject, "warning", text, f"once it works again: {enable}")
    if test:
        try:
            answer = api.call("POST", f"/v1/endpoints/{path_part(endpoint['id'])}/test")
        except CallFailed as error:
            return Finding(subject, "warning", f"could not be tested: {error}")
        return _tested(subject, answer, stats)
    if endpoint["breaker"] != "closed":
        return Finding(subject, "bad", f"failing: {endpoint['last_error']}", "check what it answers")
    return Finding(subject, "ok", "not failing")


def _tested(subject: str, answer: dict[str, Any], stats: dict[str, Any]) -> Finding:
    if "status_code" not in answer:
        text = f"the test event did not go out: {answer['reason']}"
        return Finding(subject, "bad", text, first_to_fix(stats) or _SEE_WORKERS)
    if succeeded(answer):
        return Finding(subject, "ok", f"took a test event in {answer['duration_ms']} ms")
    outcome = answer["error"] or f"answered {answer['status_code']}"
    return Finding(subject, "bad", f"did not take a test event: {outcome}", "check its logs and the network to it")


def _redis_itself() -> Iterator[Finding]:
    """Checks Redis directly, because no console answers."""
    try:
        settings = Settings.load()
        yield from asyncio.run(_ask_redis(settings))
    except (BadSetting, RelayError) as error:
        yield Finding("redis", "bad", str(error), "start Redis, or set REDIS_URL")


async def _ask_redis(settings: Settings) -> list[Finding]:
    from ledger import Ledger  # imported here, as it would double the time of `relay --help`

    ledger = Ledger.of(settings)
    try:
        durability = await ledger.durability()
        seen = await ledger.acl_watch.recent()
    finally:
        await ledger.close()
    found = [durability_of(durability.durable, list(map(english, durability.weaknesses)))]
    if seen.memory is not None and seen.memory.trouble is not None:
        found.append(Finding("memory", "bad", english(seen.memory.trouble), FREE_MEMORY))
    return found + [
        ledger_or_queue(trouble.of, str(trouble)) for trouble in (seen.ledger, seen.queue) if trouble is not None
    ]
