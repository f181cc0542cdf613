"""What is stored is read back as it was."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from schemas import wire
from schemas.payments.codec import dump_fact, dump_record, load_facts, load_record
from schemas.payments.decide import Record, decide
from tests.support.payments import IMP_UID, OPEN_POLICY, T0, Life, lives, looked
from tests.support.play import Play


def _as_redis_gives_it(record: Record) -> dict[str, bytes]:
    return {
        name: value if isinstance(value, bytes) else str(value).encode() for name, value in dump_record(record).items()
    }


def _again(record: Record) -> Record:
    rows = [(key, dump_fact(fact, place)) for place, (key, fact) in enumerate(record.facts.items())]
    facts = load_facts(dict(sorted(rows)))
    return load_record(record.merchant, record.imp_uid, _as_redis_gives_it(record), facts)


@given(lives())
def test_a_record_comes_back_as_it_was(life: Life) -> None:
    """Facts in their order, amounts, details, snapshot, however Redis sorts its fields; and it decides alike."""
    record = looked(*life.looks)
    again = _again(record)
    assert again == record
    assert list(again.facts) == list(record.facts)
    for now, snapshot in life.looks:
        assert decide(again, snapshot, now, OPEN_POLICY) == decide(record, snapshot, now, OPEN_POLICY)


def test_requests_and_reported_cancellations_are_loaded_as_dumped() -> None:
    """In every state, with and without an amount."""
    play = Play().pay().look("c1").later(3).look().note(300, "r1").note("10.50", "r2").reject("r2").ask(5, "r3")
    assert _again(play.record) == play.record
    reported = Play().pay().look("c1").record
    assert reported.reported_cancellations == {"c1": T0 + 60}
    assert _again(reported) == reported


def test_nothing_stored_is_a_new_payment() -> None:
    """A payment that was never looked up has an empty record."""
    assert load_record("default", IMP_UID, {}, {}) == Record("default", IMP_UID)


def test_a_field_that_was_not_there_yet_has_its_default() -> None:
    """Records written by an older version are read."""
    record = Play().pay().record
    fields = _as_redis_gives_it(record)
    for name in ("requests", "reported_cancellations"):
        del fields[name]
    loaded = load_record("default", IMP_UID, fields, record.facts)
    assert loaded == replace(record, requests=(), reported_cancellations={})


def test_a_fact_or_request_of_less_fields_is_read() -> None:
    """What came into their rows later is missing in older ones, and has its default."""
    record = Play().pay().note(300, "r1").record
    rows = {key: wire.loads(dump_fact(fact, place)) for place, (key, fact) in enumerate(record.facts.items())}
    for row in rows.values():
        for name in ("entry", "closes", "detail"):
            del row[name]
    facts = load_facts({key: wire.dumps(row) for key, row in rows.items()})
    assert [(fact.entry, fact.closes, fact.detail) for fact in facts.values()] == [(None, (), {})] * len(rows)
    fields = _as_redis_gives_it(record)
    requests = wire.loads(fields["requests"])
    for row in requests:
        for name in ("reason", "closed_at"):
            del row[name]
    fields["requests"] = wire.dumps(requests)
    back = load_record("default", IMP_UID, fields, facts)
    assert [(request.id, request.reason, request.closed_at) for request in back.requests] == [("r1", None, None)]
