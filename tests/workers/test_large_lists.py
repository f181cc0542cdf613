"""Lists whose pages are too large or too slow: they are asked for in parts, down to one payment."""

from __future__ import annotations

import gzip

import pytest
import structlog.testing

from iamport import http_exchange
from iamport.http_exchange import LARGEST_RESPONSE
from schemas import wire
from tests.support.iamport_stub import Asked, always, http, payment, well
from tests.support.ledger_driver import REFRESH
from tests.support.reasons import said
from tests.workers.test_reconcile import DAY, DEFAULT, NOW, Books, books
from workers import list_pages

__all__ = ["books"]

SPAN = 20 * DAY
SMALLER = 16
"""By so much less than i'mport's largest answer is what most of these tests let it be, and so are their payments."""
LARGEST = LARGEST_RESPONSE // SMALLER


class Listing:
    """i'mport's list over ``books.listed``, by window and page; more than ``most`` rows get a 504."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.most: int | None = None
        self.asked: list[tuple[int, int]] = []
        books.stub.reply = self

    def __call__(self, asked: Asked) -> bytes:
        query = {name: int(value) for name, value in asked.query if name != "sorting"}
        rows = [row for row in self._books.listed if query["from"] <= int(row["paid_at"]) <= query["to"]]
        begins = (query["page"] - 1) * query["limit"]
        page = rows[begins : begins + query["limit"]]
        self.asked.append((query["to"] - query["from"], query["limit"]))
        if query["page"] > 1 and not page:
            return http(400, {"code": -1, "message": "past the end", "response": None})
        if self.most is not None and len(page) > self.most:
            return http(504)
        return well({"total": len(rows), "previous": 0, "next": 0, "list": page})


@pytest.fixture
def small_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer may be longer than `LARGEST`: what becomes of one that is costs less."""
    for module in (http_exchange, list_pages):
        monkeypatch.setattr(module, "LARGEST_RESPONSE", LARGEST)


small = pytest.mark.usefixtures("small_answers")


@pytest.fixture
def listing(books: Books) -> Listing:
    """i'mport's list of the books."""
    return Listing(books)


def paid(number: int, at: float, size: int = 0) -> dict[str, object]:
    """A payment paid at this time, with so many bytes of a shop's own data."""
    return payment(f"imp_{number}", paid_at=int(at), custom_data="x" * size)


async def found(books: Books) -> set[str]:
    """The payments that are to be looked at."""
    return set(await books.driver.due(REFRESH))


async def test_pages_that_are_too_large(books: Books, listing: Listing) -> None:
    """950 payments with 18 KB of a shop's own data are over 16 MiB: all are compared, in a few questions."""
    books.listed = [paid(number, NOW - SPAN + number * SPAN / 950, 18_000) for number in range(950)]
    assert len(wire.dumps(books.listed)) > LARGEST_RESPONSE
    assert await books.steps() == 900
    run = await books.run()
    assert (run.state, run.last_success, said(run.trouble), run.missing) == ("done", NOW, "", 950)
    assert await found(books) == {f"imp_{number}" for number in range(950)}
    assert len(listing.asked) < 12


@small
async def test_the_size_that_worked_is_remembered(books: Books, listing: Listing) -> None:
    """The next day's comparison of everything does not begin with what was too large the day before."""
    books.listed = [paid(number, NOW - SPAN + number * SPAN / 950, 18_000 // SMALLER) for number in range(950)]
    await books.steps()
    listing.asked.clear()
    with structlog.testing.capture_logs() as told:
        assert await books.steps(at=NOW + DAY) == 900
    assert [line["event"] for line in told] == ["reconciled"]
    assert listing.asked[0][1] < 1000


@small
async def test_large_payments_of_one_second(books: Books, listing: Listing) -> None:
    """If the window cannot be shorter, the pages are: no payment is skipped, even if all come at once."""
    books.listed = [paid(number, NOW - 100, 200_000 // SMALLER) for number in range(120)]
    assert await books.steps() == 900
    assert await found(books) == {f"imp_{number}" for number in range(120)}


@small
@pytest.mark.parametrize("compressed", [False, True])
async def test_a_payment_that_no_page_can_hold(books: Books, listing: Listing, compressed: bool) -> None:
    """It is left out, and looked at by itself, as its name is at the beginning; those around it are compared."""

    def show(asked: Asked) -> bytes:
        body = listing(asked).partition(b"\r\n\r\n")[2]
        past_the_end = b"past the end" in body
        return http(400 if past_the_end else 200, gzip.compress(body, 1), {"content-encoding": "gzip"})

    books.stub.reply = show if compressed else listing
    books.listed = [paid(number, NOW - 100, LARGEST if number == 1 else 0) for number in range(3)]
    with structlog.testing.capture_logs() as told:
        assert await books.steps() == 900
    assert await found(books) == {"imp_0", "imp_1", "imp_2"}
    assert [line["imp_uid"] for line in told if line["event"] == "row_not_compared"] == ["imp_1"]
    assert (await books.run()).last_success == NOW


@small
async def test_a_list_that_never_ends_is_left(books: Books, listing: Listing) -> None:
    """An answer that is too large and holds no payment, whatever is asked, is i'mport failing; one that does not say
    how many rows there are costs its second."""
    books.listed = [paid(number, NOW - 100 - number) for number in range(3)]
    books.stub.reply = always(http(200, b" " * (LARGEST + 1)))
    while not await books.step(DEFAULT, NOW):
        pass
    assert "longer than" in said((await books.run()).trouble)
    endless = b'{"code":0,"response":{"list":[{"imp_uid":"imp_9"}], "total":7, "x":"' + b"x" * LARGEST

    def show(asked: Asked) -> bytes:
        query = dict(asked.query)
        return http(200, endless) if int(query["from"]) <= NOW - 101 <= int(query["to"]) else listing(asked)

    books.stub.reply = show
    assert await books.steps() == 900
    assert await found(books) == {"imp_0", "imp_2", "imp_9"}


@pytest.mark.parametrize("one_second", [False, True])
async def test_pages_that_are_too_slow(books: Books, listing: Listing, one_second: bool) -> None:
    """An i'mport that gives up on long pages is asked for shorter ones, with a pause between: it may be in trouble."""
    listing.most = 40
    books.listed = [paid(number, NOW - 100 - number * (not one_second) * 1000) for number in range(200)]
    books.listed = list(reversed(books.listed))
    waits = []
    while (next_in := await books.step(DEFAULT, NOW)) != 900:
        assert next_in is not None
        waits.append(next_in)
    assert await found(books) == {f"imp_{number}" for number in range(200)}
    assert 0 < max(waits) <= 37.5
    run = await books.run()
    assert (run.state, run.tries, said(run.trouble)) == ("done", 0, "")


async def test_an_i_mport_that_is_slow_for_one_row_fails(books: Books, listing: Listing) -> None:
    """Nothing is left out because of it: it is asked again by the schedule, and all is compared when it is back."""
    listing.most = 0
    books.listed = [paid(1, NOW - 100)]
    with structlog.testing.capture_logs() as told:
        while (next_in := await books.step(DEFAULT, NOW)) is not None:
            if told and told[-1]["event"] == "list_failed":
                break
    assert next_in is not None
    assert next_in > 0
    assert ((await books.run()).last_success, await found(books)) == (0, set())
    listing.most = None
    assert await books.steps() == 900
    assert await found(books) == {"imp_1"}


async def test_a_row_that_cannot_be_read_ends_no_second(books: Books, listing: Listing) -> None:
    """It counts as a row of its page, and so does one that is shown twice: those behind it are still asked for, and it
    is looked at by itself."""
    books.listed = [paid(number, NOW - 100) for number in range(1500)]
    books.listed[3]["amount"] = "plenty"
    books.listed.insert(5, dict(books.listed[4]))
    assert await books.steps() == 900
    assert await found(books) == {f"imp_{number}" for number in range(1500)}
    run = await books.run()
    assert (run.compared, run.missing) == (1499, 1499)


async def test_parts_of_a_page_hold_what_the_page_holds(books: Books, listing: Listing) -> None:
    """Test payments are passed over and a row that cannot be read is looked at, however few rows are asked for."""
    listing.most = 40
    books.listed = [paid(number, NOW - 100) | {"sandbox": number % 2 == 1} for number in range(200)]
    books.listed[4]["amount"] = "plenty"
    while await books.step(DEFAULT, NOW) != 900:
        pass
    assert await found(books) == {f"imp_{number}" for number in range(0, 200, 2)}
    run = await books.run()
    assert (run.compared, run.missing) == (99, 99)


@small
@pytest.mark.parametrize("deliver", [False, True])
async def test_a_payment_that_no_page_can_hold_is_found_by_hand(books: Books, listing: Listing, deliver: bool) -> None:
    """Its refresh is silent if the run is, like that of any other, and it does not count as missing."""
    books.listed = [paid(0, NOW - 100, LARGEST)]
    run = await books.by_hand(deliver=deliver)
    while await books.step(run.id, NOW) == 0:
        pass
    assert await found(books) == {"imp_0"}
    assert await books.driver.silent(REFRESH) == (set() if deliver else {"imp_0"})
    assert (await books.run(run.id)).missing == 0


@small
@pytest.mark.parametrize("left", [1, 3, 17, 29])
async def test_rows_that_leave_a_second_while_it_is_paged_through(books: Books, listing: Listing, left: int) -> None:
    """A payment that changes meanwhile is listed elsewhere, and the others move ahead: none of them is missed."""
    books.listed = [paid(number, NOW - 100, 1_500_000 // SMALLER) for number in range(30)]
    pages = 0

    def change(asked: Asked) -> bytes:
        nonlocal pages
        answer = listing(asked)
        pages += dict(asked.query)["page"] == "2"
        if pages == 1:
            pages += 1
            del books.listed[:left]
        return answer

    books.stub.reply = change
    assert await books.steps() == 900
    assert await found(books) >= {f"imp_{number}" for number in range(left, 30)}
    assert (await books.run()).listed == 0


async def test_a_list_that_breaks_off_goes_on_where_it_was(books: Books, listing: Listing) -> None:
    """A 502 between two pages costs that page once more, not the whole period."""
    books.listed = [paid(number, NOW - 100) for number in range(1500)]
    answers = 0

    def sometimes(asked: Asked) -> bytes:
        nonlocal answers
        answers += 1
        return http(502) if answers % 2 == 0 else listing(asked)

    books.stub.reply = sometimes
    for _ in range(200):
        if await books.step(DEFAULT, NOW) == 900:
            break
    assert (await books.run()).last_success == NOW
    assert len(await found(books)) == 1500
