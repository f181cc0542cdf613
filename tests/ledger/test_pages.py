"""Pages: every entry once, newest first, whatever happens to the index in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ledger.pages import MOST, Page, PageRequest, decode, encode, walk
from ledger.redis_connection import connect
from ledger.store import Store
from schemas.errors import Invalid
from tests.support.ledger_redis import key


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """A connection to an empty ledger."""
    store = Store(connect(redis_url), kick=lambda lanes: None)
    yield store
    await store.close()


async def fill(store: Store, index: str, scores: dict[str, int]) -> None:
    """Put members with these scores into an index."""
    await store.redis.zadd(key(index), scores)


async def everything(
    store: Store, walks: list[str], musts: list[str], limit: int, part: PageRequest | None = None, clock: str = ""
) -> list[str]:
    """All members, page by page."""
    members: list[str] = []
    cursor: str | None = None
    window = part or PageRequest()
    while True:
        page = await walk(store, walks, musts, part=PageRequest(limit, cursor, window.since, window.until), clock=clock)
        members += page.rows
        assert len(page.rows) <= limit
        if page.next_cursor is None:
            return members
        cursor = page.next_cursor


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_every_entry_comes_once_newest_first(store: Store, limit: int) -> None:
    """Pages of any size give every member once, also where many have the same score."""
    scores = {f"m{number:03}": number // 10 for number in range(60)}
    await fill(store, "a", scores)
    expected = sorted(scores, key=lambda name: (scores[name], name), reverse=True)
    assert await everything(store, ["a"], [], limit) == expected


async def test_a_cursor_survives_the_removal_of_its_entry(store: Store) -> None:
    """The next page begins where the last ended, though the entry it ended with is gone."""
    await fill(store, "a", {f"m{number}": 5 for number in range(9)})
    first = await walk(store, ["a"], part=PageRequest(3))
    assert first.rows == ("m8", "m7", "m6")
    await store.redis.zrem(key("a"), "m6", "m8")
    second = await walk(store, ["a"], part=PageRequest(3, first.next_cursor))
    assert second.rows == ("m5", "m4", "m3")


async def test_new_entries_do_not_shift_the_pages(store: Store) -> None:
    """What is added on top while somebody reads is not in the pages that follow, and shifts nothing."""
    await fill(store, "a", {f"m{number}": number for number in range(6)})
    first = await walk(store, ["a"], part=PageRequest(2))
    await fill(store, "a", {f"n{number}": 100 + number for number in range(6)})
    assert (await walk(store, ["a"], part=PageRequest(2, first.next_cursor))).rows == ("m3", "m2")


async def test_a_window_takes_its_beginning_and_leaves_its_end(store: Store) -> None:
    """A window is [since, until), in seconds against scores in ms."""
    await fill(store, "a", {f"m{number}": number * 1000 for number in range(10)})
    assert await everything(store, ["a"], [], 2, PageRequest(since=3.0, until=6.0)) == ["m5", "m4", "m3"]


async def test_several_indexes_are_merged(store: Store) -> None:
    """The pages of several indexes come as if they were one."""
    scores = {f"m{number:02}": number % 7 for number in range(40)}
    for part in range(4):
        await fill(store, f"i{part}", {name: score for name, score in scores.items() if int(name[1:]) % 4 == part})
    expected = sorted(scores, key=lambda name: (scores[name], name), reverse=True)
    assert await everything(store, ["i0", "i1", "i2", "i3", "none"], [], 6) == expected


async def test_filters_are_intersected(store: Store) -> None:
    """Only members of every index asked for are given, whichever index is the shortest."""
    await fill(store, "long", {f"m{number:02}": number for number in range(50)})
    await fill(store, "short", {f"m{number:02}": number for number in range(0, 50, 10)})
    expected = ["m40", "m30", "m20", "m10", "m00"]
    assert await everything(store, ["long"], ["short"], 2) == expected
    assert await everything(store, ["short"], ["long"], 2) == expected


async def test_a_clock_tells_the_time_where_scores_do_not(store: Store) -> None:
    """An index in another order can still be asked for a window of time."""
    await fill(store, "by_sequence", {"a": 1, "b": 2, "c": 3})
    await fill(store, "by_time", {"a": 1000, "b": 2000, "c": 3000})
    assert await everything(store, ["by_sequence"], [], 5, PageRequest(since=2.0, until=3.0), clock="by_time") == ["b"]


async def test_the_work_for_one_page_is_bounded(store: Store) -> None:
    """Where nothing fits, a page is empty and says where to go on."""
    await fill(store, "a", {f"a{number}": number for number in range(MOST + 1000)})
    await fill(store, "b", {f"b{number}": number for number in range(MOST + 1000)} | {"a0": 0})
    first = await walk(store, ["a"], ["b"], part=PageRequest(10))
    assert first.rows == ()
    assert first.next_cursor is not None
    assert await walk(store, ["a"], ["b"], part=PageRequest(10, first.next_cursor)) == Page(("a0",))


async def test_an_empty_index_is_an_empty_page(store: Store) -> None:
    """There is nothing, and nothing follows."""
    assert await walk(store, ["none"], part=PageRequest()) == Page(())
    assert await walk(store, [], part=PageRequest()) == Page(())


@pytest.mark.parametrize("cursor", ["", "?", "AAAA", encode("x", "m"), encode("1", ""), "ü", "a" * 401])
def test_a_cursor_that_no_list_gave_is_invalid(cursor: str) -> None:
    """A made-up cursor is an error of the field `cursor`."""
    with pytest.raises(Invalid, match="cursor"):
        decode(cursor)
