"""Languages, times and sentences: what readers are told, and in which words."""

from __future__ import annotations

import random
import re

import pytest
from redis import exceptions

from console.operations.explain_delivery import explained
from console.web.catalogue import preferred, tongue
from console.web.rendering import money, percent
from console.web.sentences import spoken
from console.web.time_display import Clock, distance
from ledger.acl import Subject, problem_of_error, problem_of_refusals
from ledger.deliveries import DeliveryView
from ledger.memory import Memory
from schemas.endpoints.delivery import AttemptResult, Dead, Retry, judge
from schemas.payments import escrow
from schemas.payments.body_reasons import WORDS

NOW = 1795433533.0
KINDS: tuple[Subject, ...] = ("ledger", "queue")


@pytest.mark.parametrize(
    ("chosen", "accept", "language"),
    [
        (None, None, "en"), (None, "ko", "ko"), (None, "ko-KR,ko;q=0.9,en-US;q=0.8", "ko"), (None, "fr,de", "en"),
        (None, "en;q=0.5,ko;q=0.6", "ko"), (None, "ko;q=0,en;q=0.1", "en"), ("en", "ko", "en"), ("xx", "ko", "ko"),
        (None, ";;;q=,", "en"), (None, "KO-kr", "ko"),
    ],
)  # fmt: skip
def test_the_language_a_reader_wants(chosen: str | None, accept: str | None, language: str) -> None:
    """What was chosen counts, then the browser's list by weight, then English."""
    assert preferred(chosen, accept) == language


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0, "0 s ago", "0초 전"),
        (75, "1 min ago", "1분 전"),
        (-90, "in 1 min", "1분 후"),
        (3 * 86400, "3 d ago", "3일 전"),
    ],
)
def test_how_long_ago(seconds: float, english: str, korean: str) -> None:
    """The largest unit that fits, for what was and for what comes."""
    assert (distance(seconds, tongue("en")), distance(seconds, tongue("ko"))) == (english, korean)


def test_times_are_as_short_as_they_can_be() -> None:
    """Today's show no date, this year's no year; all of them say everything to whoever asks."""
    clock = Clock(NOW, "KST", tongue("en"))
    assert clock.text(NOW) == "20:32:13"
    assert clock.text(NOW - 86400) == "11-22 20:32:13"
    assert clock.text(NOW - 400 * 86400) == "2025-10-19 20:32:13"
    html = clock.when("2026-11-23T11:32:13Z")
    assert 'datetime="2026-11-23T11:32:13Z"' in html
    assert 'title="2026-11-23 20:32:13 KST"' in html
    assert "0 s ago" in html


def test_sentences_of_the_api_are_spoken_in_korean() -> None:
    """Also those inside others; times are on the reader's clock, ids are links, and nothing is HTML."""
    clock = Clock(NOW, "KST", tongue("ko"))
    said = spoken(
        "the last attempt failed: connection refused (2 attempts so far; the next is due at 2026-11-23T11:40:00Z)",
        clock,
    )
    assert "마지막 시도: 실패 (연결 거부) (시도 2회, 다음 <time" in said
    assert "20:40:00" in said
    delivery = "evt_7ex42c4muj7ex42c4muj.ep_smm5j22iiisyiojaaphw"
    waits = spoken(f"waits for {delivery}, an earlier event of the same payment", clock)
    assert f'href="/deliveries/{delivery}"' in waits
    assert spoken("<b>something new</b>", clock) == '<span lang="en">&lt;b&gt;something new&lt;/b&gt;</span>'


@pytest.mark.parametrize(
    "sentence",
    [
        "i'mport cannot be reached (connection refused)", "i'mport did not answer within 10 s",
        "i'mport gave no token within 10 s", "i'mport's answer is longer than 16777216 bytes",
        "i'mport's answer did not arrive whole (connection reset)", "i'mport's answer broke off (connection reset)",
        "the proxy of RELAY_IAMPORT_PROXY cannot be reached (DNS: no such host)",
        "the proxy of RELAY_IAMPORT_PROXY answered 403",
        "the proxy asks for another user or password (407): see RELAY_IAMPORT_PROXY",
    ],
)  # fmt: skip
def test_what_is_wrong_with_i_mport_is_said_in_korean(sentence: str) -> None:
    """A merchant's trouble is read by operators; a setting's name stays what it is."""
    said = tongue("ko").sentence(sentence)
    assert re.search("[가-힣]", said)
    assert not re.search(r"\b(connection|no such|asks|answer)\b", said)
    assert ("RELAY_IAMPORT_PROXY" in sentence) == ("RELAY_IAMPORT_PROXY" in said)


def test_a_removed_event_is_said_in_korean() -> None:
    """Why a delivery that could not be sent any more is dead."""
    assert tongue("ko").sentence("its event was removed before it was sent") == "보내기 전에 이벤트가 삭제됨"


def test_why_an_escrow_change_is_not_believed_is_said_in_korean() -> None:
    """Every reason that a notification can have for it has a translation."""
    for english in (escrow.UNVERIFIED, escrow.NO_CODE, escrow.NOT_ESCROW):
        assert tongue("ko").knows(english)


def test_numbers_are_shown_as_they_are() -> None:
    """Amounts digit for digit; a share that is neither all nor nothing is never rounded to it."""
    assert (money(1234567, "KRW"), money("10.10", "USD"), money(None)) == ("1,234,567 KRW", "10.10 USD", "–")
    assert (percent(1.0), percent(0.99999), percent(0.5), percent(None)) == ("100 %", "99.9 %", "50 %", "–")
    assert (percent(0), percent(0.0001)) == ("0 %", "0.1 %")


def test_why_a_body_was_refused_is_said_in_korean() -> None:
    """Every reason there is."""
    assert [english for english in WORDS.values() if not tongue("ko").knows(english)] == []


def test_what_the_relay_says_of_deliveries_is_all_in_korean() -> None:
    """Whatever becomes of an attempt, the reason that is kept, and the explanation around it, have a translation."""
    rng, schedule = random.Random(1), (5.0,)
    answers = [
        AttemptResult(500, None, None, 5, ""),
        AttemptResult(None, "connection refused", None, 5, ""),
        AttemptResult(None, "DNS: no such host", None, 5, ""),
        AttemptResult(500, "timed out after 15s", None, 15000, ""),
    ]
    verdicts = [judge(answer, before, schedule, rng) for answer in answers for before in (0, 1)]
    reasons = [verdict.reason for verdict in verdicts if isinstance(verdict, Retry | Dead)]
    assert len(reasons) == 8
    held = "the endpoint is disabled: disabled by an operator"
    explanations = [
        explained(DeliveryView("e.p", "e", "p", "m", "payment.paid", "i", state, NOW, NOW + 5, reason, ()), None)[1]
        for reason in reasons
        for state in ("pending", "dead")
    ]
    explanations += [
        explained(DeliveryView("e.p", "e", "p", "m", "payment.paid", "i", "held", NOW, None, held, ()), NOW)[1]
    ]
    for english in [*reasons, held, *explanations]:
        korean = tongue("ko").sentence(english)
        assert not re.search(r"\b(?:the|last|attempts?|answered|failed|dead|is|after|due|retry|endpoint)\b", korean), (
            korean
        )


def test_what_keeps_everything_waiting_is_all_in_korean() -> None:
    """A full Redis, nobody who works, and every trouble with rights, databases and passwords, alone and in a reason."""
    refused = [b"KEYS", b"The user executing the script can't run this command or subcommand"]
    errors = [
        exceptions.NoPermissionError("this user has no permissions to run the 'select' command"),
        exceptions.NoPermissionError("this user has no permissions to access one of the keys used as arguments"),
        exceptions.AuthenticationError("invalid username-password pair or user is disabled."),
        exceptions.ResponseError("DB index is out of range"),
        exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused."),
    ]
    answers = [
        refused,
        [b"KEYS", b"ERR Unknown Redis command called from script"],
        [b"ZADD", b"OOM command not allowed when used memory > 'maxmemory'."],
    ]
    troubles = [problem_of_error(of, error) for of in KINDS for error in errors]
    troubles += [found for of in KINDS for answer in answers if (found := problem_of_refusals(of, answer)) is not None]
    assert len(troubles) == 16
    still = [*map(str, troubles), "no worker runs", Memory(97, 100, nearly_full=True).trouble or ""]
    sent = DeliveryView(
        "e.p", "e", "p", "m", "payment.paid", "i", "pending", NOW, NOW + 5, "the last attempt answered 500", ()
    )
    for english in (*still, *(explained(sent, None, each)[1] for each in still)):
        # Redis' own words stay as they are.
        korean = re.sub(r"\(invalid [^)]*\)", "", tongue("ko").sentence(english))
        assert not re.search(r"\b(?:its|user|may|cannot|name|correct|see|worker|full|last|refused:|take)\b", korean)
