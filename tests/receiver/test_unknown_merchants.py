"""Webhooks of merchants that a receiver does not know, while the ledger cannot be asked: kept within a budget."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from receiver import spool_budget
from receiver.acceptor import Acceptor
from receiver.known_merchants import KnownMerchants
from receiver.merchant_cache import NAME, MerchantCache
from receiver.metrics import ReceiverMetrics
from receiver.no_spool import NoSpool
from receiver.spool import FileSpool
from schemas.errors import BudgetSpent, SpoolUnavailable, UnknownMerchant
from tests.receiver.test_acceptor import Kept
from tests.support.receiver_parts import Durability, ListedLedger, MakeSpool, away, files, notification, weakness

TOKEN, OTHER_TOKEN = "b" * 64, "c" * 64


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A budget of so many webhooks for each source."""
    monkeypatch.setattr(spool_budget, "PER_SOURCE", 5)
    return 5


async def fill(spool: FileSpool, source: str, count: int) -> int:
    """Accept webhooks of unknown merchants until the budget is spent; how many were kept."""
    for number in range(count):
        try:
            await spool.accept(notification(number, merchant=f"made-up-{number}"), budget=source)
        except BudgetSpent:
            return number
    return count


@pytest.mark.parametrize(
    ("merchant", "token_hash"), [("new", None), ("shop", None), ("shop", OTHER_TOKEN), ("default", OTHER_TOKEN)]
)
async def test_an_old_list_refuses_nobody(tmp_path: Path, merchant: str, token_hash: str | None) -> None:
    """A merchant made, or a token changed, after the list was read: its webhook is spooled, and decided when the
    spool drains."""
    kept = Kept(FileSpool(tmp_path))
    kept.ledger.merchants["shop"] = TOKEN
    await kept.acceptor.learn_merchants()
    kept.ledger.failure = away()
    assert (
        await kept.acceptor.accept(notification(1, merchant=merchant, token_hash=token_hash), "203.0.113.7") == "spool"
    )
    kept.ledger.merchants[merchant] = token_hash
    kept.ledger.failure = None
    await kept.drained()
    assert kept.ledger.imp_uids == ["imp_1"]
    assert kept.metrics.take_unreported().by_status == {}
    await kept.spool.close()


async def test_draining_refuses_what_the_ledger_refuses(tmp_path: Path) -> None:
    """Webhooks of unknown merchants, or with a token that is no longer the merchant's, are counted and dropped."""
    kept = Kept(FileSpool(tmp_path))
    kept.ledger.merchants["shop"] = TOKEN
    await kept.acceptor.learn_merchants()
    kept.ledger.failure = away()
    await kept.acceptor.accept(notification(1, merchant="made-up"), "203.0.113.7")
    await kept.acceptor.accept(notification(2, merchant="shop", token_hash=TOKEN), "203.0.113.7")
    await kept.acceptor.accept(notification(3), "203.0.113.7")
    kept.ledger.merchants["shop"] = OTHER_TOKEN
    kept.ledger.failure = None
    await kept.drained()
    assert kept.ledger.imp_uids == ["imp_3"]
    assert kept.metrics.take_unreported().by_status == {"-:404": 1, "shop:404": 1}
    assert kept.spool.waiting == 0
    await kept.spool.close()


async def test_what_nobody_knows_has_a_budget(tmp_path: Path, few: int) -> None:
    """A source that makes up merchants gets 503; known merchants and other sources are still accepted."""
    kept = Kept(FileSpool(tmp_path))
    await kept.acceptor.learn_merchants()
    kept.ledger.failure = away()
    for number in range(few):
        assert await kept.acceptor.accept(notification(number, merchant=f"made-up-{number}"), "203.0.113.7") == "spool"
    with pytest.raises(BudgetSpent):
        await kept.acceptor.accept(notification(6, merchant="made-up"), "203.0.113.7")
    assert await kept.acceptor.accept(notification(7), "203.0.113.7") == "spool"
    assert await kept.acceptor.accept(notification(8, merchant="made-up"), "203.0.113.8") == "spool"
    assert await kept.acceptor.accept(notification(9, merchant="made-up"), "") == "spool"
    kept.ledger.failure = None
    await kept.drained()
    kept.ledger.failure = away()
    assert await kept.acceptor.accept(notification(10, merchant="made-up"), "203.0.113.7") == "spool"
    await kept.spool.close()


async def test_all_sources_together_get_a_tenth_of_the_spool(tmp_path: Path, spool_at: MakeSpool) -> None:
    """However many sources there are, and i'mport's own too, nine tenths are for known merchants."""
    spool = spool_at(tmp_path, max_bytes=4 << 20)
    assert 0 < await fill(spool, "", 5000) < 5000
    assert await fill(spool, "203.0.113.9", 5000) == 0
    filled = (tmp_path / "spool-0.sqlite").stat().st_size
    assert filled < (4 << 20) / 8
    for number in range(2000):
        await spool.accept(notification(number))


async def test_the_budget_outlives_the_process(tmp_path: Path, few: int, spool_at: MakeSpool) -> None:
    """It is counted from the file, so that killing a receiver again and again does not give it anew."""
    first = FileSpool(tmp_path)
    assert await fill(first, "203.0.113.7", few + 1) == few
    await first.close()
    second = spool_at(tmp_path)
    assert await fill(second, "203.0.113.7", few + 1) == 0
    assert await second.drain(ListedLedger(merchants={f"made-up-{n}": None for n in range(few)}).accept) == few
    assert await fill(second, "203.0.113.7", few + 1) == few


async def test_the_budget_goes_with_its_file(tmp_path: Path, few: int, spool_at: MakeSpool) -> None:
    """A file that is gone, with all rows that took the budget up, leaves nothing spent."""
    spool = spool_at(tmp_path)
    assert await fill(spool, "203.0.113.7", few + 1) == few
    for file in files(tmp_path):
        file.unlink()
    assert await spool.trouble() is not None  # that is how it finds out, and closes the file
    assert await fill(spool, "203.0.113.7", few + 1) == few


async def test_a_file_of_an_older_version_is_taken_over(tmp_path: Path, few: int, spool_at: MakeSpool) -> None:
    """A file written before there was a budget has none spent; what an older receiver drained from a file is not
    counted any more."""
    first = FileSpool(tmp_path)
    await fill(first, "203.0.113.7", few)
    await first.close()
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        database.execute("DELETE FROM waiting")
    database.close()
    second = FileSpool(tmp_path)
    assert await fill(second, "203.0.113.7", few + 1) == few
    await second.close()
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        database.execute("DROP TABLE unsure")
    database.close()
    third, ledger = spool_at(tmp_path), ListedLedger(merchants={f"made-up-{n}": None for n in range(few)})
    assert await fill(third, "203.0.113.7", few + 1) == few
    await third.drain(ledger.accept)
    assert len(ledger.taken) == 2 * few


async def test_a_full_budget_is_no_trouble_of_the_spool(tmp_path: Path, few: int) -> None:
    """A spent budget is not reported as a failing disk."""
    kept = Kept(FileSpool(tmp_path))
    kept.ledger.failure = away()
    for number in range(few + 3):
        try:
            await kept.acceptor.accept(notification(number, merchant="made-up"), "203.0.113.7")
        except SpoolUnavailable:
            assert number >= few
    assert await kept.spool.trouble() is None
    assert kept.acceptor.spool_trouble is None
    await kept.spool.close()


async def test_without_a_spool_nobody_is_refused_either() -> None:
    """With nowhere to keep it a webhook of an unknown merchant is sent again, like any other."""
    kept = Kept(NoSpool())
    await kept.acceptor.learn_merchants()
    kept.ledger.failure = away()
    for merchant in ("default", "made-up"):
        with pytest.raises(SpoolUnavailable):
            await kept.acceptor.accept(notification(1, merchant=merchant), "203.0.113.7")


async def test_a_weak_redis_is_asked_who_is_welcome(tmp_path: Path) -> None:
    """Where durability is required and lacking, the spool acknowledges; who is known is still the ledger's word."""
    kept = Kept(FileSpool(tmp_path), require_durable=True)
    kept.ledger.state = Durability(durable=False, weaknesses=(weakness("appendonly", "no", "yes"),))
    await kept.acceptor.learn_merchants()
    await kept.acceptor.check_redis()
    kept.ledger.merchants["new"] = TOKEN
    assert await kept.acceptor.accept(notification(1, merchant="new", token_hash=TOKEN), "203.0.113.7") == "spool"
    for merchant, token_hash in (("made-up", None), ("new", None), ("new", OTHER_TOKEN), ("default", TOKEN)):
        with pytest.raises(UnknownMerchant):
            await kept.acceptor.accept(notification(2, merchant=merchant, token_hash=token_hash), "203.0.113.7")
    assert kept.spool.waiting == 1
    kept.ledger.failure = away()
    assert await kept.acceptor.accept(notification(3, merchant="newer"), "203.0.113.7") == "spool"
    await kept.spool.close()


async def test_what_a_weak_redis_does_not_know_is_decided_when_it_is_durable(tmp_path: Path) -> None:
    """A Redis that may have lost its merchants refuses nothing for good: that is counted once, when it is trusted."""
    kept = Kept(FileSpool(tmp_path), require_durable=True)
    kept.ledger.failure = away()
    await kept.acceptor.accept(notification(1, merchant="new"), "203.0.113.7")
    await kept.acceptor.accept(notification(2, merchant="made-up"), "203.0.113.7")
    kept.ledger.failure = None
    kept.ledger.state = Durability(durable=False, weaknesses=(weakness("appendonly", "no", "yes"),))
    await kept.drain_until(lambda: kept.ledger.calls >= 2)
    assert (kept.spool.waiting, kept.metrics.take_unreported().by_status) == (2, {})
    kept.ledger.merchants["new"] = None
    kept.ledger.state = Durability()
    await kept.drain_until(lambda: not kept.spool.waiting, checking=True)
    assert kept.ledger.imp_uids == ["imp_1"]
    assert kept.metrics.take_unreported().by_status == {"-:404": 1}
    await kept.spool.close()


def test_merchants_are_cached_over_a_restart(tmp_path: Path) -> None:
    """A receiver that starts while Redis is away knows whom it knew; the file is its user's alone, and what is
    damaged in it is as if it were not there."""
    cache = MerchantCache(tmp_path / "spool")
    assert cache.read() is None
    cache.write({"default": None, "shop": TOKEN})
    assert MerchantCache(tmp_path / "spool").read() == {"default": None, "shop": TOKEN}
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    for damage in (b"", b"{", b"[]", b'{"v":2}', b'{"v":1,"merchants":{"a":1}}', b"\xff"):
        file.write_bytes(damage)
        assert cache.read() is None
    file.unlink()
    file.mkdir()
    cache.write({"default": None})
    assert cache.read() is None


async def test_a_list_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """Though the merchants are the same as before, once the disk is in order again."""
    folder, ledger = tmp_path / "spool", ListedLedger()
    folder.write_text("in the way of the folder")
    cache = MerchantCache(folder)
    acceptor = Acceptor(
        ledger, ledger.durability, NoSpool(), ReceiverMetrics(), KnownMerchants(), write_cache=cache.write
    )
    await acceptor.learn_merchants()
    folder.unlink()
    await acceptor.learn_merchants()
    assert cache.read() == ledger.merchants
    (folder / NAME).unlink()
    await acceptor.learn_merchants()
    assert cache.read() is None  # the same list is not written twice


async def test_a_receiver_that_knows_nothing_knows_default(tmp_path: Path, few: int) -> None:
    """Before the ledger has answered once, `default` without a token is taken as it would be by the ledger."""
    kept = Kept(FileSpool(tmp_path))
    kept.ledger.failure = away()
    for number in range(few + 2):
        assert await kept.acceptor.accept(notification(number), "203.0.113.7") == "spool"
    await kept.spool.close()
