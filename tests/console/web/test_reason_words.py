"""Reasons for readers: every one is there in both languages, and what stands in it is shown as what it is."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from redis import exceptions

from console.operations.explain_delivery import explained
from console.web.catalogue import catalogue_of
from console.web.reason_display import as_html, as_text
from console.web.time_display import Clock
from ledger.acl import Subject, problem_of_error, problem_of_refusals
from ledger.deliveries import DeliveryView
from ledger.memory import Memory
from schemas.endpoints.delivery import AttemptResult, Dead, Retry, judge
from schemas.endpoints.states import DeliveryState
from schemas.reasons import Reason
from schemas.reasons.codes import CODES
from schemas.reasons.rendering import pieces
from tests.support.reasons import sample

NOW = 1795433533.0
KOREAN = Clock(NOW, "KST", catalogue_of("ko"))
TECHNICAL = re.compile(
    r"\b(?:imp_\w+|merchant_uid|escrow_status|webhook|content-type|custom_data|include_sandbox|relay|merchants|put|restore|reconcile|begin-anew|"
    r"ACL [SG]ETUSER|CONFIG GET|Redis|Cluster|RELAY_\w+|REDIS_URL|IMP_KEY|IMP_SECRET|maxmemory|rename-command|"
    r"JSON|UTF|HTTP|URL|API|TLS|DNS|NAT|RFC|ASCII|Retry-After|gone|code|default|https?|sandbox|V[12]|A-Z|a-z|"
    r"metrics|KiB|Idempotency-Key|application/json|application/x-www-form-urlencoded|"
    r"include-sandbox|evt_\w+|ep_\w+|\d+(?:ms|s|m|h|d)|IPv4|6to4|Teredo|ISATAP|T\d\d|Z|e|g)\b",
    re.ASCII,
)
"""Names that a Korean engineer reads as they are."""


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_reason_has_korean_words(code: str) -> None:
    """Each parameter is in them, and no English beside it but technical names."""
    reason = sample(code)
    made = list(pieces(reason, catalogue_of("ko").reasons))
    ours = "".join(f"{piece.value} " if piece.kind is None else " " for piece in made)
    assert not re.search(r"[{}\[\]]", ours)
    assert re.findall(r"[A-Za-z]{2,}", TECHNICAL.sub("", ours)) == []
    shown = as_text(reason, KOREAN)
    for name, value in reason.params.items():
        words = catalogue_of("ko").reasons.choices.get(f"{name}.{value}")
        is_time = isinstance(value, float) and value > 1e9
        text = KOREAN.text(value) if is_time else "15s" if value == 15.0 else str(value)
        assert (words or text) in shown, name


def test_both_languages_have_the_same_reasons() -> None:
    """No more, no fewer, and the same choices."""
    english, korean = catalogue_of("en").reasons, catalogue_of("ko").reasons
    assert english.templates.keys() == korean.templates.keys() == CODES.keys()
    assert english.choices.keys() == korean.choices.keys()


def test_korean_particles_fit_whatever_stands_before_them() -> None:
    """A particle that depends on the sound before it never follows a value, nor is it written as a choice of two."""
    for code, text in catalogue_of("ko").reasons.templates.items():
        assert not re.search(r"\}'?(?:을|를|이|가|은|는|과|와|으로|로|이며|라)(?![가-힣])", text), code
        assert not re.search(r"[을를이가은는]\((?:을|를|이|가|은|는)\)", text), code


def test_a_pause_that_was_asked_for_reads_correctly() -> None:
    """The time stands inside, and the last attempt follows."""
    last = Reason.of("retry_scheduled", Reason.of("http_answer", status=429))
    reason = Reason.of("retry_after", until=NOW + 60).because(last)
    assert as_text(reason, KOREAN) == (
        "엔드포인트가 20:33:13까지 전송을 멈춰 달라고 함(Retry-After); 마지막 시도는 429 응답"
    )


def test_values_are_shown_as_what_they_are() -> None:
    """Times on the reader's clock, ids as links, and nothing becomes HTML."""
    waiting = Reason.of("waiting", Reason.of("no_worker"), attempts=2, due=NOW + 60)
    html = as_html(waiting, KOREAN)
    assert "시도 2회, 다음 <time" in html
    assert "20:33:13" in html
    delivery = "evt_7ex42c4muj7ex42c4muj.ep_smm5j22iiisyiojaaphw"
    assert f'href="/deliveries/{delivery}"' in as_html(Reason.of("waits_for_event", delivery=delivery), KOREAN)
    assert as_html(Reason.of("tls_failed", error="<b>"), KOREAN) == "TLS: &lt;b&gt;"
    assert as_html(None, KOREAN) == ""


def test_what_has_no_korean_words_is_marked_as_english() -> None:
    """It is read with an English voice; on an English page nothing has to be marked."""
    odd = Reason.of("unknown_reason", text="<b>something new</b>")
    assert as_html(odd, KOREAN) == '<span lang="en">&lt;b&gt;something new&lt;/b&gt;</span>'
    assert as_html(odd, Clock(NOW, "UTC", catalogue_of("en"))) == "&lt;b&gt;something new&lt;/b&gt;"


def view(state: DeliveryState, reason: Reason | None) -> DeliveryView:
    """A delivery that waits or died for a reason."""
    return DeliveryView("e.p", "e", "p", "m", "payment.paid", "i", state, NOW, NOW + 5, reason, ())


def verdicts() -> Iterator[Reason]:
    """What becomes of attempts that failed in several ways."""
    for answer in (
        AttemptResult(500, None, None, 5, ""),
        AttemptResult(None, Reason.of("connection_refused"), None, 5, ""),
        AttemptResult(None, Reason.of("dns_no_host"), None, 5, ""),
        AttemptResult(500, Reason.of("timed_out", timeout=15.0), None, 15000, ""),
    ):
        for before in (0, 1):
            verdict = judge(answer, before, (5.0,), random.Random(1))
            assert isinstance(verdict, Retry | Dead)
            yield verdict.reason


def all_korean(reason: Reason) -> bool:
    """Whether its words, with those of its causes, have no English beside technical names."""
    made = pieces(reason, catalogue_of("ko").reasons)
    ours = "".join(f"{piece.value} " if piece.kind is None else " " for piece in made)
    return re.findall(r"[A-Za-z]{2,}", TECHNICAL.sub("", ours)) == []


def test_what_becomes_of_deliveries_is_all_in_korean() -> None:
    """Whatever becomes of an attempt: the reason that is stored, and the explanation around it."""
    reasons = list(verdicts())
    assert len(reasons) == 8
    held = Reason.of("endpoint_disabled", Reason.of("disabled_by_operator"))
    around = [explained(view(state, reason), None)[1] for reason in reasons for state in ("pending", "dead")]
    for reason in (*reasons, held, *around, explained(view("held", held), NOW)[1]):
        assert all_korean(reason), reason


def test_what_keeps_everything_waiting_is_all_in_korean() -> None:
    """A full Redis, no worker, and every problem with rights, databases and passwords, alone and in an explanation."""
    kinds: tuple[Subject, ...] = ("ledger", "queue")
    errors = [
        exceptions.NoPermissionError("this user has no permissions to run the 'select' command"),
        exceptions.NoPermissionError("this user has no permissions to access one of the keys used as arguments"),
        exceptions.AuthenticationError("invalid username-password pair or user is disabled."),
        exceptions.ResponseError("DB index is out of range"),
        exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused."),
    ]
    answers = [
        [b"KEYS", b"The user executing the script can't run this command or subcommand"],
        [b"KEYS", b"ERR Unknown Redis command called from script"],
        [b"ZADD", b"OOM command not allowed when used memory > 'maxmemory'."],
    ]
    problems = [problem_of_error(of, error) for of in kinds for error in errors]
    problems += [found for of in kinds for answer in answers if (found := problem_of_refusals(of, answer)) is not None]
    assert len(problems) == 16
    full = Memory(97, 100, nearly_full=True).trouble
    assert full is not None
    still = [*(found.reason for found in problems), Reason.of("no_worker"), full]
    sent = view("pending", Reason.of("retry_scheduled", Reason.of("http_answer", status=500)))
    for reason in (*still, *(explained(sent, None, each)[1] for each in still)):
        assert all_korean(reason), reason
