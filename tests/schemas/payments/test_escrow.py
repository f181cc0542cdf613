"""Escrow changes: read from a webhook's body, believed of an escrow payment, one fact each."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outbox import cold_record
from schemas.payments import codec, escrow
from schemas.payments.decide import Policy
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import Fact, FactKind
from schemas.payments.notification import parse
from tests.support.payments import OPEN_POLICY, T0
from tests.support.play import DAY, Play

CHANGED = T0 + 3600
FORM = "application/x-www-form-urlencoded"


def extra(event: object = escrow.EVENT, **fields: Any) -> bytes:
    """What a receiver keeps of an escrow webhook in JSON with these fields in its `extra`."""
    body = {"event": event, "imp_uid": "imp_1", "merchant_uid": "order", "status": "paid", "extra": fields}
    return parse(json.dumps(body).encode(), "application/json").extra


def change(code: str = "4", changed_at: int | None = CHANGED, reason: str | None = None, at: int = 0) -> EscrowChange:
    """An escrow change as a refresh gets it."""
    return EscrowChange(code, changed_at, reason, received_at=at)


def test_reads_json_as_iamport_documents_it() -> None:
    """The three fields inside `extra` are the change; the code is a text, the time UNIX seconds."""
    found = escrow.read(extra(escrow_status="4", changed_at=112312323, denied_reason="구매 거절 사유"))
    assert found == EscrowChange("4", 112312323, "구매 거절 사유")


def test_a_form_is_the_same_change() -> None:
    """A form's brackets and texts give what JSON gives, so that both are one fact."""
    fields = {"escrow_status": "4", "changed_at": str(CHANGED), "denied_reason": "단순 변심"}
    form = {"event": escrow.EVENT, "imp_uid": "imp_1", **{f"extra[{name}]": value for name, value in fields.items()}}
    assert escrow.read(parse(urlencode(form).encode(), FORM).extra) == escrow.read(
        extra(**fields | {"changed_at": CHANGED})
    )


def test_an_extra_that_is_a_json_text_is_read_too() -> None:
    """A form can have the whole `extra` as one JSON text."""
    form = {"event": escrow.EVENT, "imp_uid": "imp_1", "extra": '{"escrow_status":"2","changed_at":1700000000}'}
    assert escrow.read(parse(urlencode(form).encode(), FORM).extra) == EscrowChange("2", T0, None)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (CHANGED, CHANGED),
        (str(CHANGED), CHANGED),
        (f" {CHANGED} ", CHANGED),
        (f"{CHANGED}.75", CHANGED),
        (CHANGED + 0.75, CHANGED),
        (CHANGED * 1000, CHANGED),
        (str(CHANGED * 1000 + 5), CHANGED),
        ("2023-11-14T23:13:20Z", CHANGED),
        ("2023-11-15T08:13:20+09:00", CHANGED),
        ("2023-11-15T08:13:20.5+09:00", CHANGED),
        ("2023-11-15 08:13:20", CHANGED),
    ],
)
def test_the_time_of_a_change(value: object, at: int) -> None:
    """UNIX seconds or milliseconds, as number or text, or ISO 8601; without an offset it is Korean time."""
    found = escrow.read(extra(escrow_status="2", changed_at=value))
    assert found is not None
    assert found.changed_at == at
    assert found.key == f"escrow:2:{at}"


@pytest.mark.parametrize(
    "value", [None, "", "soon", 0, -5, True, [], {}, "0", 10**20, "1e400", "9999-99-99", "٣", "0001-01-01T00:00:00Z"]
)
def test_a_time_of_no_use_counts_as_absent(value: object) -> None:
    """What is no time leaves the change without one; it is a change all the same."""
    found = escrow.read(extra(escrow_status="2", changed_at=value))
    assert found == EscrowChange("2", None, None)
    assert found.key == "escrow:2:"


@pytest.mark.parametrize("code", ["4", 4, " 4 "])
def test_a_code_is_a_text(code: object) -> None:
    """A number is the text of its digits."""
    found = escrow.read(extra(escrow_status=code))
    assert found is not None
    assert found.code == "4"


@pytest.mark.parametrize("code", [None, "", "  ", [], {}, True, "x" * 65])
def test_a_body_without_a_code_changes_nothing(code: object) -> None:
    """Without a usable `escrow_status` there is no code."""
    found = escrow.read(extra(escrow_status=code, changed_at=CHANGED))
    assert found is not None
    assert found.code == ""


@pytest.mark.parametrize("inner", [None, "4", "{", "[]", 4, ["4"]])
def test_an_extra_of_another_kind_has_no_code(inner: object) -> None:
    """An `extra` that is no object, nor a JSON text of one, is an escrow webhook that says nothing."""
    body = {"event": escrow.EVENT, "imp_uid": "imp_1", "extra": inner}
    found = escrow.read(parse(orjson.dumps(body), "application/json").extra)
    assert found == EscrowChange("", None, None)


@pytest.mark.parametrize(
    "event", ["Kcp.Escrow.Changed", "Inicis.Escrow.Changed2", "inicis.escrow.changed", None, 4, []]
)
def test_other_events_are_no_escrow_changes(event: object) -> None:
    """The codes mean something only in the one event that is documented."""
    assert escrow.read(extra(event, escrow_status="4")) is None
    assert escrow.read(b"") is None
    assert escrow.read(b'["Inicis.Escrow.Changed"]') is None
    assert escrow.read(b'{"event":"Inicis.Escrow.Changed"') is None


def test_texts_print_and_have_an_end() -> None:
    """NUL and half an emoji reach no key and no database; lines stay lines; an endless reason is cut."""
    found = escrow.read(extra(escrow_status="4\0", denied_reason="a\0b\n"))
    assert found is not None
    assert found.code == "4\ufffd"
    assert found.denied_reason == "a\ufffdb"
    long = escrow.read(extra(escrow_status="4", changed_at=CHANGED, denied_reason="가" * 20_000))
    assert long is not None
    assert (long.code, long.changed_at) == ("4", CHANGED)
    assert long.denied_reason is not None
    assert long.denied_reason.endswith("가…")


def test_a_json_text_that_is_too_long_keeps_its_code() -> None:
    """A long reason inside an `extra` that is a JSON text is cut there, so that the text is still JSON."""
    told = json.dumps({"denied_reason": "가" * 5000, "escrow_status": "4", "changed_at": CHANGED}, ensure_ascii=False)
    found = escrow.read(
        parse(urlencode({"event": escrow.EVENT, "imp_uid": "imp_1", "extra": told}).encode(), FORM).extra
    )
    assert found is not None
    assert found.key == f"escrow:4:{CHANGED}"


def test_what_is_stored_can_be_read() -> None:
    """A change comes out of the ledger as it went in, with the time it was first received."""
    one = change(reason="단순 변심")
    assert escrow.load(escrow.dump(one), 17) == EscrowChange("4", CHANGED, "단순 변심", received_at=17)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("2", "shipped"), ("3", "confirmed"), ("31", "confirmed"), ("32", "confirmed"), ("4", "refused"),
        ("8", "cancelled"), ("10", "refusal_confirmed"), ("5", "other"), ("04", "other"),
    ],
)  # fmt: skip
def test_each_code_has_a_status(code: str, status: str) -> None:
    """The documented codes in words; another one is `other`, and the code says which."""
    play = Play(escrow=True).pay().tell(change(code, reason="too small")).look()
    assert play.types[-1] == "payment.escrow_changed"
    assert play.details[-1] == {
        "escrow": {"status": status, "code": code, "changed_at": "2023-11-14T23:13:20Z", "denied_reason": "too small"}
    }
    assert play.statuses() == ["paid", "paid"]
    assert play.bodies[-1]["timestamp"] == "2023-11-14T23:13:20Z"


def test_without_a_time_it_happened_when_it_was_first_received() -> None:
    """The event's timestamp is then the webhook's; its `changed_at` is null."""
    play = Play(escrow=True).pay().tell(change(changed_at=None, at=T0 + 77)).look()
    assert play.bodies[-1]["timestamp"] == "2023-11-14T22:14:37Z"
    assert play.details[-1]["escrow"]["changed_at"] is None


def test_a_change_that_is_reported_again_is_one_event() -> None:
    """A known change is not announced again, also much later and in another notation."""
    play = Play(escrow=True).pay().tell(change()).look()
    before = list(play.types)
    play.tell(change(reason="again")).look().later(400 * DAY).tell(change(at=play.now)).look()
    play.tell(change("2", None, at=5)).look().later(DAY).tell(change("2", None, at=play.now)).look()
    assert play.types == [*before, "payment.escrow_changed"]


def test_the_same_code_at_another_time_is_another_change() -> None:
    """Shipped twice is two facts, and so are changes of one second with two codes."""
    play = Play(escrow=True).pay().tell(change("2"), change("2", CHANGED + 5), change("4")).look()
    assert list(play.record.facts)[1:] == [f"escrow:2:{CHANGED}", f"escrow:4:{CHANGED}", f"escrow:2:{CHANGED + 5}"]


@pytest.mark.parametrize("shown", [{}, {"escrow": False}, {"escrow": None}, {"escrow": "true"}])
def test_only_an_escrow_payment_changes(shown: dict[str, Any]) -> None:
    """A reported change is ignored unless i'mport shows an escrow payment."""
    play = Play(**shown).pay().tell(change()).look()
    assert play.types == ["payment.paid"]


def test_an_unpaid_payment_can_change_too() -> None:
    """The first thing known of a payment can be its escrow change; then there is no previous status."""
    play = Play(escrow=True).tell(change("8")).look()
    assert play.types == ["payment.escrow_changed"]
    assert play.bodies[0]["data"]["previous_status"] is None
    assert play.bodies[0]["data"]["status"] == "ready"


def test_a_change_in_the_look_that_finds_the_payment_comes_after_it() -> None:
    """Also where the gateway's clock puts it before: goods are sent once they are paid for."""
    play = Play(escrow=True).tell(change("2", T0 - 100)).pay()
    assert play.types == ["payment.paid", "payment.escrow_changed"]
    assert play.bodies[1]["timestamp"] == "2023-11-14T22:11:40Z"


def test_old_changes_are_silent() -> None:
    """A change from before the merchant's since, or older than the look-back, is recorded without delivery."""
    fresh, old = Play(escrow=True).pay(), Play(escrow=True).pay()
    old.policy = Policy(since=CHANGED + 1, lookback=10**9)
    assert [event.silent for event in fresh.tell(change()).looked().events] == [False]
    assert [event.silent for event in old.tell(change()).looked().events] == [True]


def test_changes_do_not_touch_cancellations() -> None:
    """An open cancellation stays open, and the status says so."""
    play = Play(escrow=True).pay().note(1004).tell(change("8")).look()
    assert play.statuses() == ["paid", "cancellation_pending", "cancellation_pending"]
    assert [request.state for request in play.record.requests] == ["open"]


def test_facts_outlive_the_ledger() -> None:
    """A stored change is the same fact; one that history gives back is not announced again."""
    record = Play(escrow=True).pay().tell(change(reason="r")).look().record
    rows = {fact.key: codec.dump_fact(fact, place) for place, fact in enumerate(record.facts.values())}
    assert codec.load_facts(rows) == record.facts
    assert record.snapshot is not None
    play = Play(escrow=True, status="paid", paid_at=T0)
    play.record = cold_record.load("default", record.imp_uid, cold_record.dump(record), record.snapshot.raw)
    assert play.tell(change()).look().types == []


@given(st.permutations([change("2", T0 + 5), change("3", T0 + 9), change("31", None, at=T0 + 7)]), st.data())
def test_order_and_repetition_do_not_matter(told: list[EscrowChange], data: st.DataObject) -> None:
    """However changes are spread over refreshes, each is one event with the same id."""
    play = Play(escrow=True)
    play.policy = OPEN_POLICY
    for number, one in enumerate(itertools.chain(told, told)):
        if number == data.draw(st.integers(0, 5)):
            play.show(status="paid", paid_at=T0)
        play.tell(one).look()
    play.show(status="paid", paid_at=T0).look()
    assert set(play.record.facts) == {"paid", *(one.key for one in told)}
    assert len({body["id"] for body in play.bodies}) == len(play.bodies) == 4


def test_facts_of_changes() -> None:
    """A fact's key is made of code and time, its kind is the event's."""
    assert escrow.facts([change("2", 5)]) == [
        Fact(
            "escrow:2:5",
            FactKind.ESCROW,
            5,
            detail={
                "escrow": {
                    "status": "shipped",
                    "code": "2",
                    "changed_at": "1970-01-01T00:00:05Z",
                    "denied_reason": None,
                }
            },
        )
    ]
