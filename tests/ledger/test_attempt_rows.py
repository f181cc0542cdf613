"""Attempts as a ledger stores them: every answer that a worker notes is read again, recorded again and erased."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger import Ledger, attempt_rows
from schemas.endpoints.delivery import Attempt, Delivered, Retry
from schemas.outbox.of_endpoint import of_attempt
from schemas.reasons import Reason
from tests.ledger.rewriting import written_again
from tests.support.ledger_driver import THEN, Driver, attempt, paid
from tests.support.reasons import because

ENCODED = Reason.of("response_encoded", bytes=5, encoding="gzip")
FAILED = Reason.of("timed_out", timeout=5)
ATTEMPTS = [
    attempt(),
    replace(attempt(), response="홍길동", replay=True),
    replace(attempt(), response=ENCODED),
    Attempt(THEN + 0.25, None, 5000, FAILED, "", replay=False),
    Attempt(THEN + 0.25, 200, 5000, Reason.of("url_forbidden", FAILED), ENCODED, replay=False),
]


@pytest.mark.parametrize("one", ATTEMPTS)
def test_an_attempt_is_read_as_it_was(one: Attempt) -> None:
    """Also where its answer was encoded, and one that history had."""
    assert attempt_rows.load(attempt_rows.dump(one)) == one
    entry = replace(of_attempt(one, "evt_1", "ep_1"), number=3, imp_uid="imp_1")
    shown = attempt_rows.load(attempt_rows.of_entry(entry, place=3))
    assert of_attempt(shown, "evt_1", "ep_1") == of_attempt(one, "evt_1", "ep_1")


@pytest.mark.parametrize("one", ATTEMPTS)
@pytest.mark.parametrize("number", [2, 3])
def test_history_gets_an_attempt_as_it_got_it_first(one: Attempt, number: int) -> None:
    """Whether the ledger has it from a worker or from history, and with the number that it had there."""
    entry = replace(of_attempt(one, "evt_1", "ep_1"), number=number, imp_uid="imp_1")
    for row, its_number in ((attempt_rows.of_entry(entry, place=3), number), (attempt_rows.dump(one), 3)):
        again = attempt_rows.to_entry(row, "imp_1", "evt_1", "ep_1", place=3)
        assert again == replace(entry, number=its_number)


@pytest.mark.parametrize("one", ATTEMPTS)
def test_a_blank_attempt_lacks_the_answer_alone(one: Attempt) -> None:
    """Its number stays, too."""
    assert attempt_rows.load(attempt_rows.blank(attempt_rows.dump(one))) == replace(one, response="")
    entry = replace(of_attempt(one, "evt_1", "ep_1"), number=2, imp_uid="imp_1")
    blank = attempt_rows.blank(attempt_rows.of_entry(entry, place=3))
    assert attempt_rows.to_entry(blank, "imp_1", "evt_1", "ep_1", place=3) == replace(entry, response="")


async def test_encoded_answers_are_written_to_history_again(ledger: Ledger, driver: Driver, tmp_path: Path) -> None:
    """A lost history gets each as it got it first, and the recorder goes on."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    failed = replace(attempt(ok=False), error=FAILED, response=ENCODED)
    await ledger.delivery_lane.settle(delivery.lease, Retry(0, because("answered 500")), [failed])
    delivery = await driver.take_one(lane)
    await ledger.delivery_lane.settle(delivery.lease, Delivered(), [replace(attempt(), response=ENCODED)])
    was, again = await written_again(ledger, tmp_path)
    assert len(was["attempt"]) == 2
    assert again["attempt"] == was["attempt"]


async def test_an_encoded_answer_is_erased(ledger: Ledger, driver: Driver) -> None:
    """Its length and encoding are gone as every answer is; the attempt stays."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    await ledger.delivery_lane.settle(delivery.lease, Delivered(), [replace(attempt(), response=ENCODED)])
    await ledger.erasing.erase("default", "imp_1")
    assert (await ledger.deliveries.get(delivery.id)).attempts == (attempt(),)
