"""Money that went back: never more than `cancel_amount`, never less, each part once, and the status with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.payments.facts import FactKind, Status, cancelled_amount, status
from tests.support.payments import T0, cancelled, entry, found, keys, looked, seen
from tests.support.play import Play


@pytest.mark.parametrize("later", [300, 400])
def test_entries_of_one_second_with_one_id_are_both_announced(later: int) -> None:
    """Two cancellations under the payment's own `pg_tid` come to `cancel_amount`, whichever is listed first."""
    first = entry(350, T0 + 9, pg_tid="t")
    for rows in ([first, entry(later, T0 + 9, pg_tid="t")], [entry(later, T0 + 9, pg_tid="t"), first]):
        record = looked((T0 + 9, seen(**cancelled(first))), (T0 + 10, seen(**cancelled(*rows))))
        assert cancelled_amount(record.facts.values()) == 350 + later


def test_an_entry_that_gets_a_name_hides_no_other() -> None:
    """Money under an old name explains the new one, and only as much as there is."""
    nameless, named = entry(100, T0 + 1, pg_tid="t"), entry(100, T0 + 1, "c1", "t")
    before, after = seen(**cancelled(nameless)), seen(**cancelled(named, entry(600, T0 + 2, "c2")))
    record = looked((T0 + 9, before), (T0 + 9, after))
    assert [fact.key for fact in record.facts.values() if fact.kind is FactKind.CANCELLED] == [
        "cancelled:t",
        "cancelled:c2",
    ]


def test_an_entry_that_is_partly_explained_explains_once() -> None:
    """300 were announced without an entry, then come 500 and 300: 800 in all, none lost or announced twice."""
    rows = [entry(500, T0 + 5, "c1"), entry(300, T0 + 6, "c2")]
    looks = [cancelled(given=300), cancelled(rows[0]), cancelled(*rows)]
    record = looked(*((T0 + 9, seen(**shown)) for shown in looks))
    amounts = {fact.key: fact.amount for fact in record.facts.values() if fact.kind is FactKind.CANCELLED}
    assert amounts == {"cancelled_total:300": 300, "cancelled:c1": 200, "cancelled:c2": 300}


def test_a_history_ahead_of_its_sum_waits() -> None:
    """An entry that `cancel_amount` does not cover yet is announced once it does."""
    rows = [entry(500, T0 + 5, "c1"), entry(300, T0 + 6, "c2")]
    record = looked((T0 + 9, seen(**cancelled(*rows, given=500))))
    assert cancelled_amount(record.facts.values()) == 500
    assert "cancelled:c2" not in record.facts
    record = looked((T0 + 9, seen(**cancelled(*rows, given=500))), (T0 + 9, seen(**cancelled(*rows))))
    assert record.facts["cancelled:c2"].amount == 300


def test_a_history_that_says_more_than_its_sum_is_not_believed() -> None:
    """The sum announced never exceeds `cancel_amount`."""
    facts = found(seen(**cancelled(entry(1000, T0 + 5, "c1"), given=900)))
    assert cancelled_amount(facts) == 900
    assert status(facts) is Status.PARTIALLY_CANCELLED


def test_one_id_is_one_cancellation() -> None:
    """An entry that is listed twice is announced once."""
    facts = found(seen(**cancelled(entry(300, T0, "c1"), entry(300, T0, "c1"), given=300)))
    assert keys(facts) == ["paid", "cancelled:c1"]


def test_entries_without_a_time_come_before_the_last_sum() -> None:
    """The entry after which nothing is left comes last, also if another one's time is unknown."""
    rows = [entry(300, 0, "c1"), entry(700, T0 + 100, "c2")]
    facts = found(seen(**cancelled(*rows, status="cancelled", cancelled_at=T0 + 200)))
    assert [fact.whole for fact in facts] == [False, False, True]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (cancelled(entry(1000, T0, "c1"), status="cancelled"), Status.CANCELLED),
        (cancelled(entry(1000, T0, "c1"), status="paid"), Status.CANCELLED),
        (cancelled(entry(Decimal("999.99"), T0, "c1"), status="cancelled"), Status.PARTIALLY_CANCELLED),
        (cancelled(entry(Decimal("1000.00"), T0, "c1")), Status.CANCELLED),
        (cancelled(entry(900, T0, "c1"), status="cancelled", promotion={"discount": 100}), Status.CANCELLED),
        (cancelled(entry(900, T0, "c1"), status="paid", promotion={"discount": 100}), Status.PARTIALLY_CANCELLED),
        (cancelled(given=1000, status="cancelled"), Status.CANCELLED),
        (cancelled(status="cancelled", paid_at=0, started_at=0), Status.CANCELLED),
        (cancelled(entry(0, T0, "c1"), status="cancelled", paid_at=0), Status.CANCELLED),
        (cancelled(amount=0), Status.PAID),
    ],
)
def test_when_all_of_it_iscancelled(shown: dict[str, Any], expected: Status) -> None:
    """By sums, not by `status`: gateways differ on what it says after a part."""
    assert status(found(seen(**shown))) is expected


def test_a_status_that_changes_later_is_announced() -> None:
    """All but the discount was cancelled while the status said `paid`; when it says `cancelled`, so do we."""
    shown = cancelled(entry(900, T0, "c1"), promotion={"discount": 100})
    play = Play(**shown).look().look(status="cancelled").look(status="cancelled")
    assert play.types == ["payment.paid", "payment.partially_cancelled", "payment.cancelled"]
    assert play.record.status == looked((T0, seen(**shown | {"status": "cancelled"}))).status == "cancelled"
